//! How servers are reached: by starting a program, or over the way out that components have.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use perstack_core::config::{Destination, DomainPattern};
use perstack_core::{ProxyAction, RuntimeEvent};
use perstack_mcp::{Access, Dial, DialError, Duplex, Launch, Launched, Life as ServerLife, harmless};
use perstack_native::{Life, RunningServer, ServerProgram};
use perstack_sandbox::{DialError as DialFailed, Redactor, Sandbox};
use secrecy::{ExposeSecret, SecretString};

use super::log::{Log, lock};

/// A program that is started under a supervisor.
pub(crate) struct NativeServer(pub(crate) ServerProgram);

impl Launch for NativeServer {
    fn launch(&self) -> io::Result<Launched> {
        let RunningServer { input, output, errors, life } = self.0.start()?;
        let (input, output, errors) = (Box::new(input), Box::new(output), Box::new(errors));
        Ok(Launched { input, output, errors, life: Box::new(NativeLife(life)) })
    }
}

struct NativeLife(Life);

#[async_trait::async_trait]
impl ServerLife for NativeLife {
    async fn ended(&self) -> String {
        self.0.ended().await
    }

    async fn end(self: Box<Self>) {
        self.0.end().await;
    }
}

/// Connects to a server elsewhere, as a component could that was granted it, and tells so.
pub(crate) struct Dialer {
    pub(crate) skill: String,
    pub(crate) domains: Vec<DomainPattern>,
    pub(crate) sandbox: Sandbox,
    pub(crate) log: Arc<Mutex<Log>>,
}

#[async_trait::async_trait]
impl Dial for Dialer {
    async fn dial(&self, authority: &str) -> Result<Box<dyn Duplex>, DialError> {
        let destination =
            Destination::https(authority).map_err(|error| DialError::Denied(harmless(&error.to_string())))?;
        let host = destination.host();
        let is_allowed = self.domains.is_empty() || self.domains.iter().any(|domain| domain.matches(host));
        let dialed = if is_allowed {
            self.sandbox.dial(&destination).await
        } else {
            Err(DialFailed::Denied("it is not among `allowedDomains`".to_owned()))
        };
        let reason = match &dialed {
            Err(DialFailed::Denied(reason)) => Some(reason.clone()),
            Ok(_) | Err(DialFailed::Failed(_)) => None,
        };
        lock(&self.log).tell(RuntimeEvent::ProxyAccess {
            action: if reason.is_some() { ProxyAction::Blocked } else { ProxyAction::Allowed },
            domain: host.to_owned(),
            port: destination.port(),
            reason,
            skill_name: self.skill.clone(),
        });
        match dialed {
            Ok(stream) => Ok(Box::new(stream)),
            Err(DialFailed::Denied(reason)) => Err(DialError::Denied(reason)),
            Err(DialFailed::Failed(reason)) => Err(DialError::Failed(reason)),
        }
    }
}

/// Headers of a skill, which only its server is sent.
pub(crate) struct SkillAccess {
    pub(crate) headers: Vec<(String, SecretString)>,
    pub(crate) redactor: Redactor,
}

impl Access for SkillAccess {
    fn headers(&self) -> Vec<(String, String)> {
        self.headers.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect()
    }

    fn redact(&self, said: Vec<u8>) -> Vec<u8> {
        self.redactor.redact(said)
    }
}

/// A folder as a URI.
pub(crate) fn file_uri(folder: &Path) -> String {
    let byte = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let path: String = folder.as_os_str().as_encoded_bytes().iter().map(byte).collect();
    format!("file://{path}")
}
