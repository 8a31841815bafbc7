//! Why an Expert could not be run.

use perstack_core::NotOffered;
use perstack_core::config::ConfigError;
use perstack_models::ConnectError;
use perstack_sandbox::LoadError;
use perstack_store::StoreError;

use crate::policy::Refusal;

/// Why a project could not be read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it is")]
pub enum ProjectError {
    #[error("`{path}` cannot be read: {source}")]
    Unreadable { path: String, source: std::io::Error },
    #[error("`{path}` has more than {limit} bytes")]
    TooLarge { path: String, limit: u64 },
    #[error("`{path}` is not UTF-8 text")]
    NotText { path: String },
    #[error("{}", .error.message)]
    Invalid { path: String, text: String, error: Box<ConfigError> },
}

impl ProjectError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { .. } => Some("check the path given with `--config`, and the file's permissions".into()),
            Self::TooLarge { .. } | Self::NotText { .. } => Some("check that this is the right file".into()),
            Self::Invalid { error, .. } => error.hint.clone(),
        }
    }
}

/// What `minRuntimeVersion` is compared with: the version of Perstack's runtime whose Experts run here.
pub(crate) const RUNTIME_VERSION: &str = "v1.0";

/// Why a run did not begin, or could not go on. What was recorded before is kept.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it is")]
pub enum RunError {
    #[error("there is no Expert `{key}`")]
    UnknownExpert { key: String, known: Vec<String> },
    #[error("Expert `{expert}` is driven by a model, and there is none")]
    NeedsModel { expert: String },
    #[error("Expert `{expert}` is driven by a model: {error}")]
    NoModel { expert: String, error: ConnectError },
    #[error("`runtime = \"{name}\"` cannot be used: Experts run here, in components")]
    OtherRuntime { name: String },
    #[error("Expert `{expert}` needs version {version} of the runtime, and this is like Perstack's {RUNTIME_VERSION}")]
    RuntimeTooOld { expert: String, version: String },
    #[error("Expert `{expert}`: {error}")]
    NotOffered { expert: String, error: NotOffered },
    #[error("{0}")]
    Refused(Box<Refusal>),
    #[error("skill `{skill}` of Expert `{expert}`: {reason}")]
    Unsupported { expert: String, skill: String, reason: String },
    #[error("skill `{skill}` of Expert `{expert}`: {error}")]
    Skill { expert: String, skill: String, error: Box<LoadError> },
    #[error("the logic of Expert `{expert}`: {error}")]
    Logic { expert: String, error: Box<LoadError> },
    #[error("skill `{skill}` of Expert `{expert}` is granted variable `{name}`, which is not set")]
    MissingVariable { expert: String, skill: String, name: String },
    #[error("skill `{skill}` of Expert `{expert}` requires variable `{name}`, which is not set")]
    MissingRequired { expert: String, skill: String, name: String },
    #[error("skills `{first}` and `{second}` of Expert `{expert}` both have a tool `{tool}`")]
    DuplicateTool { expert: String, first: String, second: String, tool: String },
    #[error("there is no job of Expert `{expert}` in this workspace to go on with")]
    NothingToContinue { expert: String },
    #[error("job `{job}` has no checkpoint `{checkpoint}`")]
    UnknownCheckpoint { job: String, checkpoint: String },
    #[error("job `{job}` is done")]
    Ended { job: String },
    #[error("Expert `{expert}` has the delegate `{delegate}`, and there is no such Expert")]
    UnknownDelegate { expert: String, delegate: String, known: Vec<String> },
    #[error("job `{job}` was started with Expert `{started}`, not `{asked}`")]
    OtherExpert { job: String, started: String, asked: String },
    #[error("job `{job}` waits for an answer to `{tool}`")]
    AnswerExpected { job: String, tool: String },
    #[error("job `{job}` does not wait for an answer")]
    NoAnswerExpected { job: String },
    #[error("job `{job}` was interrupted before it was done")]
    Interrupted { job: String },
    #[error("the query has more than {limit} bytes")]
    QueryTooLarge { limit: usize },
    #[error("the logic of Expert `{expert}` does not follow its journal at entry {entry}: {reason}")]
    Diverged { expert: String, entry: u64, reason: String, component_changed: bool },
    #[error("the journal is damaged: {0}")]
    DamagedJournal(String),
    #[error("no random numbers: {0}")]
    NoEntropy(String),
    #[error(transparent)]
    Sandbox(Box<LoadError>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RunError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnknownDelegate { delegate, known, .. } => {
                let near = perstack_core::config::nearest(delegate, known.iter().map(String::as_str));
                let known = format!("of this perstack.toml it may be one of {}", list(known));
                near.map_or(known, |near| format!("did you mean `{near}`?"))
            }
            Self::UnknownCheckpoint { job, .. } => format!("they are in perstack/jobs/{job}/checkpoints"),
            Self::Ended { .. } => "give it a new query".to_owned(),
            Self::UnknownExpert { known, .. } if known.is_empty() => {
                "define it in perstack.toml, in this folder or one above".to_owned()
            }
            Self::UnknownExpert { key, known } => {
                let near = perstack_core::config::nearest(key, known.iter().map(String::as_str));
                let known = format!("there are {}", list(known));
                near.map_or(known, |near| format!("did you mean `{near}`?"))
            }
            Self::NeedsModel { .. } => "name a model, or give it logic of its own".to_owned(),
            Self::NoModel { error, .. } => return error.hint(),
            Self::OtherRuntime { .. } => "remove `runtime` from perstack.toml".to_owned(),
            Self::RuntimeTooOld { .. } => "lower `minRuntimeVersion`, or take a newer perstack".to_owned(),
            Self::NotOffered { error, .. } => error.hint.clone(),
            Self::Refused(refusal) => refusal.hint(),
            Self::Unsupported { .. } => "remove the skill or the setting from perstack.toml".to_owned(),
            Self::Skill { error, .. } | Self::Logic { error, .. } | Self::Sandbox(error) => return error.hint(),
            Self::MissingVariable { name, .. } => {
                format!("set it: `export {name}=…`, or in `.env`; or remove it from the skill's `capabilities`")
            }
            Self::MissingRequired { name, .. } => {
                format!(
                    "set it: `export {name}=…`, or in `.env`; or remove it from the skill's `requiredEnv` or `headers`"
                )
            }
            Self::DuplicateTool { second, .. } => format!(
                "leave one out with `omit` in skill `{second}` if that is a component, else give one another name"
            ),
            Self::NothingToContinue { .. } => "start one without `--continue`, or check `--workspace`".to_owned(),
            Self::OtherExpert { started, .. } => format!("go on with `{started}`"),
            Self::AnswerExpected { .. } => "give the answer in place of the query, with `-i`".to_owned(),
            Self::NoAnswerExpected { .. } => "leave out `-i` to ask something new".to_owned(),
            Self::Interrupted { .. } => "finish it first: `--continue` without a query".to_owned(),
            Self::QueryTooLarge { .. } => "put long texts into a file in the workspace".to_owned(),
            Self::Diverged { component_changed: true, .. } => {
                "its component is not the one that the run began with: go on with that one, or start a new job"
                    .to_owned()
            }
            Self::Diverged { .. } => {
                "logic must do the same when it is answered the same: tell its author, and start a new job".to_owned()
            }
            Self::DamagedJournal(_) => "start a new job".to_owned(),
            Self::NoEntropy(_) => return None,
            Self::Store(error) => error.hint().to_owned(),
        };
        Some(hint)
    }
}

/// `a`, `b` and `c`.
fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
