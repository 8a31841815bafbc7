//! What a guest can reach. One file a capability: its grant, and what turns the grant into access.

mod call_context;
mod clocks;
mod environment;
mod filesystem;
mod network;
mod progress;
mod random;
mod state;
mod stdio;

use std::path::PathBuf;

use perstack_core::GrantedSkill;
use perstack_core::config::{FilesystemGrant, Needs};

use crate::component::ComponentBytes;

pub use clocks::GuestClock;
pub use filesystem::{CONFIG, DirectoryGrant, HIDDEN};
pub(crate) use filesystem::{ContentsError, Denials, FilesView, GuestFiles, HasFiles, OpenGrants};
#[cfg(fuzzing)]
pub(crate) use network::PreparedSecrets;
pub use network::{DialError, Dialed, EgressConfig, EgressError, NetworkGrants, Redactor, SecretGrant};
pub(crate) use network::{Egress, Gate, OpenNetwork, Placeholders};
pub(crate) use random::seeded;
pub(crate) use state::{SkillState, scope};
pub(crate) use stdio::Captured;

pub(crate) use clocks::journaled as journaled_clocks;
pub(crate) use environment::{set as set_environment, set_placeholders};
pub(crate) use filesystem::{add_to_linker as add_files_to_linker, open as open_directories};
pub(crate) use network::{add_to_linker as add_network_to_linker, open as open_network};

/// What a skill is granted. By default:
/// - no file or directory
/// - no environment variable
/// - no host on the network, and no sockets, ever
/// - clocks and random numbers
/// - its own state, within its quota
#[derive(Clone, Debug, Default)]
pub struct Grants {
    /// Environment variables, with their values.
    pub environment: Vec<(String, String)>,
    /// Directories of the workspace.
    pub directories: Vec<DirectoryGrant>,
    /// Files that it may not change, whatever directories it has: those that say what guests are, and what they may do.
    pub protected: Vec<PathBuf>,
    /// Hosts, and the secrets for them.
    pub network: NetworkGrants,
}

impl Grants {
    /// In words, for who audits it. No value is in it.
    pub(crate) fn summary(&self, skill_name: &str, component: &ComponentBytes) -> GrantedSkill {
        let secrets = self
            .network
            .secrets
            .iter()
            .map(|secret| (secret.name.clone(), secret.hosts.iter().map(ToString::to_string).collect()));
        let paths = self.directories.iter().map(|grant| (grant.path.to_string(), grant.access.to_string()));
        GrantedSkill {
            skill_name: skill_name.to_owned(),
            component: component.name(),
            env: self.environment.iter().map(|(name, _)| name.clone()).collect(),
            secrets: secrets.collect(),
            filesystem: paths.collect(),
            network: self.network.destinations.iter().map(ToString::to_string).collect(),
            exec: Vec::new(),
        }
    }

    /// What of them a component asks for.
    pub(crate) fn within(self, needs: &Needs) -> Self {
        let Self { mut environment, directories, protected, network } = self;
        environment.retain(|(name, _)| needs.env.iter().any(|needed| needed.as_str() == name));
        let directories = directories.into_iter().flat_map(|DirectoryGrant { workspace, path, access }| {
            let granted = needs.files_of(&FilesystemGrant { path, access }).into_iter();
            granted.map(move |FilesystemGrant { path, access }| DirectoryGrant {
                workspace: workspace.clone(),
                path,
                access,
            })
        });
        let mut secrets = network.secrets;
        for secret in &mut secrets {
            secret.hosts = needs.hosts_of(&secret.name, &secret.hosts);
        }
        secrets.retain(|secret| !secret.hosts.is_empty());
        let destinations = needs.network_of(&network.destinations);
        Self {
            environment,
            directories: directories.collect(),
            protected,
            network: NetworkGrants { destinations, secrets },
        }
    }
}
