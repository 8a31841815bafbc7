//! What a run is asked for, and how it ended.

use perstack_core::config::ByteSize;
use perstack_core::{Id, ToolCall, Usage};

/// The longest query; longer texts belong into files.
pub(crate) const MAX_QUERY_BYTES: usize = 20 << 10;

/// One request to run an Expert.
#[derive(Clone, Debug)]
pub struct Request {
    /// The Expert.
    pub expert_key: String,
    /// What it is given.
    pub input: Input,
    /// In which job.
    pub job: JobChoice,
    /// What the command line sets, over `perstack.toml`.
    pub settings: Settings,
}

/// What an Expert is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A query: a new run.
    Query(String),
    /// The answer to what it asked: the run goes on.
    Answer(String),
    /// Nothing: a run that was interrupted goes on.
    Nothing,
}

/// In which job a run takes place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobChoice {
    /// In a new one, with a name of its own.
    New,
    /// In a new one of this name.
    Named(Id),
    /// In the Expert's latest.
    Latest,
    /// In this one.
    Existing(Id),
    /// In this one, from one of its checkpoints. What came after that stays as it is, and is not used; what skills remember
    /// for the job and the workspace, and the files, are as they are now.
    From {
        /// The job.
        job: Id,
        /// The checkpoint, of the job's first Expert.
        checkpoint: Id,
    },
}

/// Settings that stand above those of `perstack.toml`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// The most steps of the job.
    pub max_steps: Option<u64>,
    /// How often a generation is tried again.
    pub max_retries: Option<u64>,
    /// The most tokens that the job may use: with this many, the model is asked no more.
    pub max_tokens: Option<u64>,
    /// Milliseconds that a generation may take.
    pub timeout: Option<u64>,
}

impl Request {
    /// A query in a new job.
    pub fn query(expert_key: &str, query: &str) -> Self {
        Self {
            expert_key: expert_key.to_owned(),
            input: Input::Query(query.to_owned()),
            job: JobChoice::New,
            settings: Settings::default(),
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The job.
    pub job_id: Id,
    /// Why it is not running any more.
    pub stop: Stop,
    /// Steps of the job so far.
    pub steps: u64,
    /// Tokens of the job so far.
    pub usage: Usage,
    /// An answer that was given but not used, since another had been recorded or nothing had been asked.
    pub unused_answer: Option<String>,
}

/// Why a run is not running any more.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// It has answered.
    Completed(String),
    /// It waits for the user's answer to this call.
    Asks(ToolCall),
    /// The job's steps are used up.
    MaxSteps(u64),
    /// It failed.
    Failed(String),
}

/// What is about to run, for people who wait for it.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The Expert.
    pub expert_key: String,
    /// How large its own logic is, if it has any.
    pub logic_size: Option<ByteSize>,
    /// The model that drives it, if one does.
    pub model: Option<String>,
    /// Its skills.
    pub skills: Vec<SkillSummary>,
    /// Names of the tools with which it asks the user.
    pub questions: Vec<String>,
}

/// One skill of an Expert.
#[derive(Clone, Debug)]
pub struct SkillSummary {
    /// Its name.
    pub name: String,
    /// What it is granted, one text a capability.
    pub grants: Vec<String>,
    /// Functions of its component that an author may take for tools and that are none, with the reasons.
    pub left_out: Vec<String>,
}
