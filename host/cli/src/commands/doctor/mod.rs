//! `perstack doctor`: which protections hold on this machine, and what is set up. Names of keys are shown, never values.

mod machine;
mod ollama;
mod show;

use std::io::{Write, stdout};
use std::path::PathBuf;

use perstack_core::policy::EngineKind;
use perstack_hardening::Outcome;
use perstack_runtime::{CacheContents, Environment, HostPolicy, Runtime, RuntimeConfig};
use serde_json::{Value, json};

use crate::args::{DoctorArgs, GlobalArgs};
use crate::context;
use crate::failure::{Exit, Failure};
use crate::model;
use crate::protect::Protected;
use crate::text::harmless;

pub(crate) use self::machine::Machine;

/// The variables that providers of models take their keys from.
const KEYS: &[&str] =
    &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY", "DEEPSEEK_API_KEY", "AZURE_API_KEY"];

/// All that is shown.
struct Findings {
    machine: Machine,
    policy: Option<HostPolicy>,
    outcome: Outcome,
    cache: Result<Cache, String>,
    /// The variables with keys that are set.
    keys: Vec<&'static str>,
    /// Where Ollama was looked for, and why it was not found there.
    ollama: (String, Result<(), String>),
}

/// Compiled components.
struct Cache {
    folder: PathBuf,
    contents: CacheContents,
}

pub(crate) async fn doctor(
    args: &DoctorArgs,
    global: &GlobalArgs,
    policy: Option<HostPolicy>,
    protected: Protected,
) -> Result<Exit, Failure> {
    let project = context::own_project(global.config.as_deref())?;
    let config = project.map(|project| project.config().clone()).unwrap_or_default();
    let environment = model::environment(&args.env_path, &config)?;
    let is_set = |name: &&&str| environment.get(**name).is_some_and(|value| !value.is_empty());
    let findings = Findings {
        machine: protected.machine.unwrap_or_else(Machine::look),
        outcome: protected.outcome,
        cache: cache(policy.clone()),
        keys: KEYS.iter().filter(is_set).copied().collect(),
        ollama: ollama::look(&environment).await,
        policy,
    };
    let text = if args.json { findings.to_json().to_string() } else { findings.to_text() };
    // Whoever reads may have seen enough.
    drop(writeln!(stdout(), "{}", harmless(&text)));
    Ok(if findings.is_short_of_something() { Exit::Failed } else { Exit::Done })
}

/// Which compiled components the engine of this machine can use.
fn cache(policy: Option<HostPolicy>) -> Result<Cache, String> {
    let [folder, _] = context::cache_folders()?;
    let config = RuntimeConfig { cache: Some(context::open_cache()?), policy, ..RuntimeConfig::default() };
    let runtime = Runtime::new(config).map_err(|error| error.to_string())?;
    let contents = runtime.cached().map_err(|error| error.to_string())?.unwrap_or_default();
    Ok(Cache { folder, contents })
}

impl Findings {
    /// Whether a run would not start: the policy is strict, and something that it asks for is missing.
    fn is_short_of_something(&self) -> bool {
        self.policy.as_ref().is_some_and(|host| host.policy().strict) && !self.outcome.missing.is_empty()
    }

    fn engine(&self) -> EngineKind {
        self.policy.as_ref().map(|host| host.policy().engine()).unwrap_or_default()
    }

    fn to_json(&self) -> Value {
        let policy = self.policy.as_ref().map(|host| {
            let policy = host.policy();
            json!({
                "path": host.path(),
                "native": policy.native.as_ref().map(|native| native.value).unwrap_or_default().as_str(),
                "engine": policy.engine().as_str(),
                "strict": policy.strict,
                "ceilings": show::ceilings(&policy.ceilings),
                "requireSignature": policy.require_signature.is_some(),
            })
        });
        let missing = self.outcome.missing.iter();
        let cache = match &self.cache {
            Ok(Cache { folder, contents }) => json!({
                "folder": folder,
                "components": contents.components,
                "bytes": contents.bytes,
                "fitting": contents.fitting,
            }),
            Err(reason) => json!({ "error": reason }),
        };
        let (address, reached) = &self.ollama;
        json!({
            "machine": self.machine.to_json(),
            "policy": policy,
            "protections": {
                "inPlace": self.outcome.in_place.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "missing": missing.map(|missing| json!({
                    "protection": missing.protection.to_string(),
                    "reason": missing.reason,
                })).collect::<Vec<_>>(),
            },
            "components": cache,
            "models": { "keys": self.keys, "ollama": { "address": address, "reachable": reached.is_ok() } },
        })
    }
}

/// Where somebody's environment says that something is.
fn variable<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
}
