//! What people read.

use perstack_core::config::{ByteSize, TimeLimit};
use perstack_core::policy::{Ceilings, EngineKind, Native, Policy};
use serde_json::{Value, json};

use super::{Cache, Findings};
use crate::text::size;

/// What comes after the name of a line, and after nothing on the next.
const WIDTH: usize = 17;

impl Findings {
    pub(super) fn to_text(&self) -> String {
        let mut text = vec![self.machine.to_line()];
        text.extend(self.machine.lacks().into_iter().map(|lack| line("", &lack)));
        text.push(line("policy", &self.policy_line()));
        for (number, protection) in self.protections().iter().enumerate() {
            text.push(line(if number == 0 { "protections" } else { "" }, protection));
        }
        text.push(line("components", &self.components_line()));
        text.push(line("models", &self.models_line()));
        text.join("\n")
    }

    fn policy_line(&self) -> String {
        let Some(host) = &self.policy else {
            return "none: projects may ask for everything".to_owned();
        };
        let Policy { native, strict, ceilings, require_signature, .. } = host.policy();
        let native = native.as_ref().map(|native| native.value).unwrap_or_default();
        let mut settings = vec![format!("native = {native}"), format!("engine = {}", self.engine())];
        settings.extend(strict.then(|| "strict".to_owned()));
        settings.extend(require_signature.as_ref().map(|_| "signatures required".to_owned()));
        if let Value::Object(ceilings) = self::ceilings(ceilings) {
            settings.extend(ceilings.iter().map(|(name, value)| format!("{name} ≤ {}", shown(value))));
        }
        format!("{}   {}", host.path(), settings.join(", "))
    }

    fn protections(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.outcome.in_place.iter().map(|holds| format!("✓ {holds}")).collect();
        lines.extend(self.outcome.missing.iter().map(|missing| format!("✗ {missing}")));
        if self.is_short_of_something() {
            lines.push("✗ the policy is strict: nothing runs here".to_owned());
        }
        if self.machine.executable_memory.is_err() && self.engine() == EngineKind::Compiled {
            lines.push("✗ no component runs here: they are machine code, and need executable memory".to_owned());
        }
        let native = self.policy.as_ref().and_then(|host| host.policy().native.as_ref()).map(|native| native.value);
        if native.unwrap_or_default() == Native::Allow {
            lines.push(
                "– the process keeps what it could do; `native = \"deny\"` in a host policy takes it away".to_owned(),
            );
        }
        lines.push("✓ guests: each has what it is granted, and nothing else".to_owned());
        lines
    }

    fn components_line(&self) -> String {
        match &self.cache {
            Ok(Cache { folder, contents }) => format!(
                "{} compiled in {} ({}), {} fit this engine",
                contents.components,
                folder.display(),
                size(contents.bytes),
                contents.fitting
            ),
            Err(reason) => format!("✗ compiled anew at every start: {reason}"),
        }
    }

    fn models_line(&self) -> String {
        let keys = if self.keys.is_empty() { "no key set".to_owned() } else { format!("{} set", self.keys.join(", ")) };
        let (address, reached) = &self.ollama;
        match reached {
            Ok(()) => format!("{keys} · Ollama at {address}"),
            Err(reason) => format!("{keys} · no Ollama at {address}: {reason}"),
        }
    }
}

fn line(name: &str, text: &str) -> String {
    format!("{name:<WIDTH$}{text}")
}

fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) if items.is_empty() => "nothing".to_owned(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(" "),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The ceilings that there are, as they can be written.
pub(super) fn ceilings(ceilings: &Ceilings) -> Value {
    let Ceilings { network, filesystem, memory, timeout, output } = ceilings;
    let mut shown = serde_json::Map::new();
    let mut add = |name: &str, value: Option<Value>| shown.extend(value.map(|value| (name.to_owned(), value)));
    let bytes = |bytes: u64| json!(ByteSize::from_bytes(bytes).to_string());
    add("network", network.as_ref().map(|stated| stated.value.iter().map(ToString::to_string).collect()));
    let folders = filesystem.as_ref().map(|stated| stated.value.iter());
    add("filesystem", folders.map(|folders| folders.map(|one| format!("{}:{}", one.path, one.access)).collect()));
    add("memory", memory.as_ref().map(|stated| bytes(stated.value)));
    add("timeout", timeout.as_ref().map(|stated| json!(TimeLimit::from(stated.value).to_string())));
    add("output", output.as_ref().map(|stated| bytes(stated.value)));
    Value::Object(shown)
}
