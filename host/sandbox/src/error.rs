//! Why a component was refused, and why a call ended.

use std::time::Duration;

use perstack_core::Limits;
use perstack_core::config::{ByteSize, TimeLimit};

use crate::typed::LeftOut;

/// Why a component was not loaded. Displays what is wrong; [`LoadError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it is")]
pub enum LoadError {
    #[error("there is no component at `{path}`")]
    Missing { path: String },
    #[error("`{path}` cannot be read")]
    Unreadable { path: String, source: std::io::Error },
    #[error("the component has {}, more than the {} that are allowed (`limits.component`)", ByteSize::from_bytes(*.size), ByteSize::from_bytes(*.limit))]
    TooLarge { size: u64, limit: u64 },
    #[error("this is not a WebAssembly component: {reason}")]
    NotAComponent { reason: String },
    #[error("this is an Extism plugin, and not a component")]
    IsAPlugin,
    #[error("this is a component, and not an Extism plugin")]
    IsAComponent,
    #[error("this is not an Extism plugin with tools: {reason}")]
    NotAPlugin { reason: &'static str },
    #[error("the plugin imports `{import}`, which {reason}")]
    PluginImport { import: String, reason: &'static str },
    #[error("the component is damaged: {reason}")]
    Damaged { reason: String },
    #[error("the component exports no `{expected}`: it is not for the world `{world}`")]
    WrongWorld { world: &'static str, expected: &'static str },
    #[error("the component imports `{import}`, which {reason}")]
    ImportNotGranted { import: String, reason: &'static str },
    #[error("the component does not fit its world: {reason}")]
    DoesNotLink { reason: String },
    #[error("the component takes more than is allowed: {reason}")]
    TooDemanding { reason: String },
    #[error("compiling the component took longer than {} (`limits.compile`)", TimeLimit::from(*.0))]
    CompileTimeout(Duration),
    #[error("asking for its tools failed: {0}")]
    ListTools(String),
    #[error("the tools that it lists cannot be used: {0}")]
    BadTools(String),
    #[error("none of the component's functions can be a tool: {0}")]
    NoTools(LeftOut),
    #[error("directory `{path}` cannot be granted: {reason}")]
    BadDirectory { path: String, reason: String },
    #[error("what the component says that it needs cannot be used: {reason}")]
    BadNeeds { reason: String },
    #[error("secret `{name}` cannot be used: {reason}")]
    BadSecret { name: String, reason: String },
    #[error("the sandbox failed: {0}")]
    Engine(String),
}

impl LoadError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing { .. } => {
                "build it, or correct `component` in perstack.toml; the path is relative to that file"
            }
            Self::Unreadable { .. } => "check the file and its permissions",
            Self::TooLarge { .. } => {
                "build it with `opt-level = \"s\"`, `lto = true` and `strip = true`, or raise the limit"
            }
            Self::NotAComponent { .. } => {
                "build it for `wasm32-wasip2`, or wrap the core module with `wasm-tools component new`"
            }
            Self::IsAPlugin => "set `type = \"extismSkill\"` for it in perstack.toml",
            Self::IsAComponent => "set `type = \"wasmSkill\"` for it in perstack.toml",
            Self::NotAPlugin { .. } | Self::PluginImport { .. } => {
                "see docs/extism.md for what a plugin may import, and which functions make it a skill"
            }
            Self::Damaged { .. } => "build it or copy it again",
            Self::WrongWorld { world: "skill", .. } => {
                "a skill is made with `#[perstack::skill]`; an Expert's own logic belongs in `logic`, not in `skills`"
            }
            Self::WrongWorld { .. } => {
                "Expert logic is made with `#[perstack::expert]`; a skill belongs in `skills`, not in `logic`"
            }
            Self::ImportNotGranted { .. } => "build the component without this import",
            Self::DoesNotLink { .. } => "build it against package `perstack:plugin@0.1.0`, see `wit/`",
            Self::TooDemanding { .. } => "build a smaller component",
            Self::CompileTimeout(_) => "build a smaller component, or raise the limit",
            Self::ListTools(_) | Self::BadTools(_) | Self::BadNeeds { .. } => {
                "this is a mistake in the skill: tell its author"
            }
            Self::NoTools(_) => "a tool takes and returns values only, see docs/any-component.md",
            Self::BadDirectory { .. } => "correct `filesystem` in the skill's `capabilities`",
            Self::BadSecret { .. } => "check the value of the variable",
            Self::Engine(_) => return None,
        };
        Some(hint.to_owned())
    }
}

/// Why the host ended a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it is")]
pub enum Ended {
    #[error("it ran into its limit of {} memory", ByteSize::from_bytes(*.0))]
    Memory(u64),
    #[error("it ran into its limit of {0} table elements")]
    Table(u64),
    #[error("it ran into its limit of {0} core instances")]
    Instances(u64),
    #[error("it ran into its limit of {0} handles")]
    Handles(u64),
    #[error("it ran into its time limit of {}", seconds(*.0))]
    Timeout(Duration),
    #[error("its answer is larger than its output limit of {}", ByteSize::from_bytes(*.0))]
    Output(u64),
    #[error("{0}, which the host policy sets")]
    ByPolicy(Box<Self>),
    #[error("it kept more than {} in variables", ByteSize::from_bytes(*.0))]
    Variables(u64),
    #[error("a request that it made failed: {0}")]
    Request(String),
    #[error("it passed more than {} to the host at once", ByteSize::from_bytes(*.0))]
    HostCall(u64),
    #[error("it crashed: {0}")]
    Trap(String),
    #[error("it answered against the contract: {0}")]
    BadAnswer(String),
    #[error("the host failed: {0}")]
    Host(String),
}

impl Ended {
    /// Says so where the limit that was hit is the operator's.
    pub(crate) fn under(self, limits: &Limits) -> Self {
        let by_policy = match &self {
            Self::Memory(_) => limits.by_policy.memory,
            Self::Timeout(_) => limits.by_policy.timeout,
            Self::Output(_) => limits.by_policy.output,
            _ => false,
        };
        if by_policy { Self::ByPolicy(Box::new(self)) } else { self }
    }
}

/// Characters of a message of wasmtime's, or of a guest's last words, that are told.
const MAX_SHOWN: usize = 1000;

/// Text with words of a guest's choice, such as names, as one line that does nothing to a terminal.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(MAX_SHOWN) {
        match character {
            '\n' => shown.push(' '),
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

/// `30 s`, `0.5 s`.
fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
