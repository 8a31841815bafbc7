//! The operator's policy: read from a file of the host, and held against what a project asks for.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use perstack_core::config::ConfigError;
use perstack_core::policy::{MAX_POLICY_BYTES, MachineNetwork, Policy};
use perstack_sandbox::EgressConfig;

/// A policy, and where it stands.
#[derive(Clone, Debug)]
pub struct HostPolicy {
    path: String,
    policy: Policy,
    egress: EgressConfig,
}

/// Why a policy could not be read. Nothing runs then.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it is")]
pub enum PolicyError {
    #[error("the host policy `{path}` cannot be read: {source}")]
    Unreadable { path: String, source: std::io::Error },
    #[error("the host policy `{path}` has more than {MAX_POLICY_BYTES} bytes")]
    TooLarge { path: String },
    #[error("the host policy `{path}` is not UTF-8 text")]
    NotText { path: String },
    #[error("the certificates `{certificates}` that the host policy `{path}` names cannot be used: {reason}")]
    Certificates { path: String, certificates: String, reason: String },
    #[error("{}", .error.message)]
    Invalid { path: String, text: String, error: Box<ConfigError> },
}

impl PolicyError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { .. } | Self::TooLarge { .. } | Self::NotText { .. } | Self::Certificates { .. } => {
                Some("nothing runs without it; an operator of this machine must correct the file".to_owned())
            }
            Self::Invalid { error, .. } => error.hint.clone(),
        }
    }
}

impl HostPolicy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`PolicyError`], also where there is no such file.
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        let shown = path.display().to_string();
        let unreadable = |source| PolicyError::Unreadable { path: shown.clone(), source };
        // Opening a pipe would wait for its writer.
        if !path.metadata().map_err(unreadable)?.is_file() {
            return Err(unreadable(std::io::Error::other("it is not a regular file")));
        }
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_POLICY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLarge { path: shown });
        }
        let text = String::from_utf8(bytes).map_err(|_| PolicyError::NotText { path: shown.clone() })?;
        match Policy::parse(&text) {
            Ok(policy) => Ok(Self { egress: egress(&shown, &policy.network)?, path: shown, policy }),
            Err(error) => Err(PolicyError::Invalid { path: shown, text, error: Box::new(error) }),
        }
    }

    /// The file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The machine's network, as it says.
    pub(crate) fn egress(&self) -> &EgressConfig {
        &self.egress
    }

    /// What it says.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// Bytes of a file of certificates: those of all authorities that browsers trust, many times over.
const MAX_CERTIFICATE_BYTES: u64 = 4 << 20;

/// What the policy says of the network, with the certificates that it names.
fn egress(policy: &str, network: &MachineNetwork) -> Result<EgressConfig, PolicyError> {
    let mut egress = EgressConfig::default();
    for (host, addresses) in &network.hosts {
        egress.pin(host.as_str(), addresses.clone());
    }
    for range in &network.addresses {
        egress.allow(range.first, range.prefix);
    }
    if let Some(path) = &network.certificates {
        let failed = |reason: String| PolicyError::Certificates {
            path: policy.to_owned(),
            certificates: path.to_string(),
            reason,
        };
        let file = File::open(path.as_path()).map_err(|error| failed(error.to_string()))?;
        let mut pem = Vec::new();
        file.take(MAX_CERTIFICATE_BYTES).read_to_end(&mut pem).map_err(|error| failed(error.to_string()))?;
        egress.trust(&pem).map_err(|error| failed(error.to_string()))?;
    }
    Ok(egress)
}

/// What a project asks for and the policy does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who asks: "skill `web` of Expert `researcher`".
    pub(crate) subject: String,
    /// What for: "is granted network `https://api.exa.ai`".
    pub(crate) asks: String,
    /// The policy's file and line.
    pub(crate) place: String,
    /// The policy's field: `ceilings.network`.
    pub(crate) field: &'static str,
    /// What there is in place of it.
    pub(crate) instead: Option<&'static str>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, asks, place, .. } = self;
        write!(formatter, "{subject} {asks}, and the host policy does not allow it ({place})")
    }
}

impl Refusal {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self.instead {
            Some(instead) => format!("{instead}; {}", self.change()),
            None => format!("{}; or take it out of perstack.toml", self.change()),
        }
    }

    /// Who could allow it, and where.
    pub fn change(&self) -> String {
        let Self { place, field, .. } = self;
        format!("only an operator of this machine can change `{field}` in {place}")
    }
}
