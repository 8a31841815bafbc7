//! What the process gives up before it does anything, as the host policy says, and where it may still reach.

use std::env;
use std::path::{Path, PathBuf};

use perstack_core::config::Config;
use perstack_core::policy::EngineKind;
use perstack_hardening::{ExecutableMemory, Hardening, Outcome, Place, Reach};
use perstack_runtime::{Environment, HostPolicy, credentials_file};

use crate::args::{Command, GlobalArgs, McpCommand, SharedArgs, SkillCommand};
use crate::commands::doctor::Machine;
use crate::commands::skill::call::component_of_call;
use crate::commands::skill::pack::packed_path;
use crate::context;
use crate::failure::{Exit, Failure};
use crate::model::{ProviderChoice, environment_files, process_environment, provider_name};

/// How names of hosts are resolved, and whose certificates count, where the distributions have it. Keys of servers,
/// which some have beside the certificates, are not among them.
const NETWORK: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/ca-trust/extracted",
    "/etc/ca-certificates/extracted",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/pki",
];
/// Certificates of one's own, for OpenSSL and those who do as it does.
const CERTIFICATE_VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
/// How many processors may be used, how memory is given back, and which pages were touched, so that a call clears no
/// others.
const MACHINE: &[&str] = &[
    "/proc/self/cgroup",
    "/proc/self/mountinfo",
    "/proc/self/pagemap",
    "/proc/sys/vm/overcommit_memory",
    "/sys/fs/cgroup",
    "/dev/urandom",
];

/// What was put in place.
pub(crate) struct Protected {
    pub(crate) outcome: Outcome,
    /// What the machine offered before; only for who asks.
    pub(crate) machine: Option<Machine>,
}

impl Protected {
    /// Gives up what the policy says, for good, and tells what could not be. What is read afterwards are the files of the
    /// command.
    pub(crate) fn put_in_place(
        policy: Option<&HostPolicy>,
        command: Option<&Command>,
        global: &GlobalArgs,
    ) -> Result<Self, Failure> {
        let asks = matches!(command, Some(Command::Doctor(_)));
        // Looked at first: afterwards nothing executable can be had to look with.
        let machine = asks.then(Machine::look);
        let Some(host) = policy else { return Ok(Self { outcome: Outcome::default(), machine }) };
        let confined_to = match host.policy().denies_native() {
            Some(_) => Some(places(command, global)?),
            None => None,
        };
        let executable_memory = match host.policy().engine() {
            EngineKind::Compiled => ExecutableMemory::Kept,
            EngineKind::Interpreter => ExecutableMemory::GivenUp,
        };
        let outcome = Hardening { confined_to, executable_memory }.apply();
        if !asks {
            tell(&outcome, host)?;
        }
        Ok(Self { outcome, machine })
    }
}

fn tell(outcome: &Outcome, host: &HostPolicy) -> Result<(), Failure> {
    if let Some(missing) = outcome.missing.first().filter(|_| host.policy().strict) {
        let hint = format!("`perstack doctor` shows all; or an operator takes out `strict` in {}", host.path());
        return Err(Failure::new(Exit::NotStarted, missing, Some(hint)));
    }
    for missing in &outcome.missing {
        context::warn(&missing.to_string());
    }
    Ok(())
}

/// All that a command needs to reach.
fn places(command: Option<&Command>, global: &GlobalArgs) -> Result<Vec<Place>, Failure> {
    let mut places = Vec::new();
    let mut add =
        |reach: Reach, paths: Vec<PathBuf>| places.extend(paths.into_iter().map(|path| Place { path, reach }));
    let here = || PathBuf::from(".");
    add(Reach::Read, NETWORK.iter().chain(MACHINE).map(PathBuf::from).collect());
    add(Reach::Read, CERTIFICATE_VARIABLES.iter().filter_map(env::var_os).map(PathBuf::from).collect());
    add(Reach::Write, vec!["/dev/null".into()]);
    let project = context::own_project(global.config.as_deref())?;
    let config = project.as_ref().map(|project| project.config().clone()).unwrap_or_default();
    add(Reach::Read, project.map(|project| project.own_files()).unwrap_or_default());
    match command {
        Some(Command::Run(command)) => add_run(&command.shared, &config, &mut add),
        Some(Command::Start(command)) => add_run(&command.shared, &config, &mut add),
        Some(Command::Mcp(command)) => match &command.command {
            None => add_run(&command.served.shared(), &config, &mut add),
            Some(McpCommand::Install(command)) => {
                add(Reach::Write, vec![command.served.workspace.clone().unwrap_or_else(here)]);
            }
        },
        Some(Command::Doctor(command)) => {
            add(Reach::Read, environment_files(&command.env_path, &config));
            add(Reach::Write, caches());
        }
        Some(Command::Inspect(command)) => {
            add(Reach::Read, vec![PathBuf::from(&command.subject)]);
            add(Reach::Write, caches());
        }
        Some(Command::Log(command)) => add(Reach::Read, vec![command.workspace.clone().unwrap_or_else(here)]),
        // It starts native programs, and is refused.
        Some(Command::Skill(SkillCommand::Build)) => {}
        Some(Command::Skill(SkillCommand::Call(command))) => {
            add(Reach::Read, component_of_call(command).into_iter().collect());
            add(Reach::Write, vec![command.workspace.clone().unwrap_or_else(here)]);
            add(Reach::Read, environment_files(&command.env_path, &config));
            add(Reach::Write, caches());
        }
        Some(Command::Skill(SkillCommand::New(_))) => add(Reach::Write, vec![here()]),
        Some(Command::Skill(SkillCommand::Pack(command))) => {
            add(Reach::Read, vec![command.component.clone(), command.wit.clone()]);
            let output = packed_path(command);
            let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            add(Reach::Write, vec![folder.to_owned()]);
        }
        None => {}
    }
    Ok(places)
}

fn add_run(args: &SharedArgs, config: &Config, add: &mut impl FnMut(Reach, Vec<PathBuf>)) {
    add(Reach::Write, vec![args.workspace.clone().unwrap_or_else(|| ".".into())]);
    add(Reach::Read, environment_files(&args.env_path, config));
    add(Reach::Read, credentials(args, config, &process_environment()).into_iter().collect());
    add(Reach::Write, caches());
    if args.provider == Some(ProviderChoice::Scripted) {
        add(Reach::Read, args.model.iter().map(PathBuf::from).collect());
    }
}

/// The file of credentials that the run's model needs. One that `.env` names is not known yet.
fn credentials(args: &SharedArgs, config: &Config, environment: &Environment) -> Option<PathBuf> {
    credentials_file(provider_name(args, config)?, environment)
}

/// The folders of compiled components and their key. They are made now: later there is nowhere to make them.
fn caches() -> Vec<PathBuf> {
    // What is wrong with them is told when they are used.
    drop(context::open_cache());
    context::cache_folders().map(Vec::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Args;

    const LOGIN: &str = "/home/me/.config/gcloud/application_default_credentials.json";

    fn reached(arguments: &[&str], config: &str, variables: &[(&str, &str)]) -> Option<PathBuf> {
        let arguments = [&["perstack", "run", "expert", "query"], arguments].concat();
        let Some(Command::Run(command)) = Args::try_parse_from(arguments).unwrap().command else { panic!("no run") };
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = [("HOME", "/home/me")].iter().chain(variables).map(own).collect();
        credentials(&command.shared, &Config::parse(config).unwrap(), &environment)
    }

    #[test]
    fn credentials_are_reached_by_who_uses_them() {
        let vertex = &["--provider", "google-vertex"];
        let configured = "[provider]\nproviderName = 'google-vertex'\n";
        let named = ("GOOGLE_APPLICATION_CREDENTIALS", "/keys/robot.json");
        for (arguments, config, variables, file) in [
            (&vertex[..], "", &[][..], Some(LOGIN)),
            (&[], configured, &[], Some(LOGIN)),
            (vertex, "", &[named], Some("/keys/robot.json")),
            (vertex, "", &[("GOOGLE_APPLICATION_CREDENTIALS", "")], Some(LOGIN)),
            (vertex, "", &[("CLOUDSDK_CONFIG", "/gcloud")], Some("/gcloud/application_default_credentials.json")),
            (vertex, "", &[("GOOGLE_VERTEX_API_KEY", "key"), named], None),
            (&[], "", &[named], None),
            (&["--provider", "anthropic"], configured, &[named], None),
            (&["--provider", "scripted", "--model", "replies.toml"], configured, &[named], None),
        ] {
            assert_eq!(reached(arguments, config, variables), file.map(PathBuf::from), "{arguments:?} {variables:?}");
        }
    }
}
