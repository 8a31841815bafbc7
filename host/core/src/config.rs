//! `perstack.toml`: what a project defines, read from text into types that cannot hold nonsense.
//!
//! The format is Perstack's, with skills from components, their capabilities, and Experts with their own logic added.
//! Unlike Perstack, which drops what it does not know, every unknown field is an error: a misspelt capability would
//! otherwise be a capability that is missing, or one that is there.
//!
//! ```
//! # use perstack_core::config::Config;
//! let text = "[experts.greeter]\ninstruktion = 'Greet.'\n";
//! let error = Config::parse(text).unwrap_err();
//! assert_eq!(
//!     error.render("perstack.toml", text),
//!     "perstack.toml:2:1: unknown field `instruktion` in Expert `greeter`\n  hint: did you mean `instruction`?",
//! );
//! ```

mod bounds;
mod capabilities;
mod document;
mod error;
mod expert;
mod fields;
mod header;
mod host;
mod includes;
mod json;
mod key;
mod needs;
mod network;
pub mod policy;
mod policy_network;
mod provider;
mod provider_tools;
mod skill;
mod syntax;
mod url;
mod values;
mod words;

use std::time::Duration;

pub use bounds::{
    DEFAULT_ENV_PATHS, DEFAULT_EXPERT_VERSION, DEFAULT_MAX_RETRIES, DEFAULT_MAX_STEPS, DEFAULT_MODEL,
    DEFAULT_REASONING_BUDGET, DEFAULT_TIMEOUT, MAX_CALL_TIME, MAX_COUNT, MAX_DESCRIPTION_CHARACTERS, MAX_DISK,
    MAX_ENV_NAME_CHARACTERS, MAX_FILE_BYTES, MAX_INSTRUCTION_CHARACTERS, MAX_ITEMS, MAX_KEY_PARTS, MAX_MEMORY,
    MAX_NAME_CHARACTERS, MAX_ORGANIZATION_CHARACTERS, MAX_OUTPUT, MAX_RULE_CHARACTERS, MAX_SCHEMA_CHARACTERS, MAX_TAGS,
    MAX_TEXT_CHARACTERS, MAX_TOOL_NAME_CHARACTERS, MAX_TRAFFIC, MIN_MEMORY,
};
pub use capabilities::{Capabilities, FilesystemGrant};
pub use document::{Document, Format};
pub use error::{ConfigError, Position, Span};
pub use expert::{Expert, Logic};
pub use fields::{Field, Fields};
pub use header::{Header, HeaderValue};
pub use host::is_public;
pub use includes::is_within;
pub use key::{ExpertKey, ExpertReference, ExpertVersion, Tag};
pub use needs::Needs;
pub use network::{Destination, HostPattern, NetworkPattern};
pub use provider::{
    AmazonBedrockSetting, AzureOpenAiSetting, GoogleVertexSetting, HttpSetting, OpenAiSetting, Provider, ProviderName,
    ReasoningBudget, RuntimeName,
};
pub use provider_tools::{BuiltinProviderSkill, Hosted, ProviderSkill, ProviderTool, ProviderToolOptions};
pub use skill::{
    BASE_SKILL, InteractiveSkill, InteractiveTool, McpSseSkill, McpStdioSkill, Skill, SkillKind, WasmForm, WasmSkill,
};
pub use url::{DomainPattern, HttpUrl};
pub use values::{Access, ByteSize, ComponentPath, EnvName, GrantPath, Lifetime, TimeLimit, ToolName, ValueError};

pub use words::nearest;

use bounds::{MAX_NAME_CHARACTERS as MODEL_CHARACTERS, MAX_TEXT_CHARACTERS as PATH_CHARACTERS};

/// All that a `perstack.toml` says. What it does not set is `None`, so that a command line can come in between; the
/// defaults are the `DEFAULT_…` constants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The model's name, as its provider calls it.
    pub model: Option<String>,
    /// The service behind the model.
    pub provider: Option<Provider>,
    /// How much the model may think.
    pub reasoning_budget: Option<ReasoningBudget>,
    /// What runs the Experts.
    pub runtime: Option<RuntimeName>,
    /// Most steps of a job, at least 1.
    pub max_steps: Option<u32>,
    /// Most tokens of a job, at least 1. Perstack has no such limit.
    pub max_tokens: Option<u32>,
    /// Most retries of a failed generation.
    pub max_retries: Option<u32>,
    /// Time for one generation, at least a millisecond.
    pub timeout: Option<Duration>,
    /// Files of environment variables, in the order in which they are read.
    pub env_path: Option<Vec<String>>,
    /// The registry, where it is not Perstack's.
    pub perstack_api_base_url: Option<HttpUrl>,
    /// The program and its arguments that serve `@perstack/base`.
    pub perstack_base_skill_command: Option<Vec<String>>,
    /// The Experts, in the order of the file.
    pub experts: Vec<Expert>,
}

const FORMAT: Format = Format {
    fields: &[
        "model",
        "provider",
        "reasoningBudget",
        "runtime",
        "maxSteps",
        "maxTokens",
        "maxRetries",
        "timeout",
        "envPath",
        "perstackApiBaseUrl",
        "perstackBaseSkillCommand",
        "experts",
    ],
    max_bytes: MAX_FILE_BYTES,
};

impl Config {
    /// Reads a whole file. An empty one is a project without Experts.
    ///
    /// # Errors
    ///
    /// The first mistake: in the syntax, an unknown or missing field, or a value that cannot be.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let document = Document::parse(text, &FORMAT)?;
        let fields = document.fields()?;
        let text_list = |field: &Field<'_>| field.list(MAX_ITEMS, |item| item.filled(PATH_CHARACTERS));
        Ok(Self {
            model: fields.optional("model", |field| field.filled(MODEL_CHARACTERS))?,
            provider: fields.optional("provider", Provider::read)?,
            reasoning_budget: fields.optional("reasoningBudget", ReasoningBudget::read)?,
            runtime: fields.optional("runtime", |field| field.parse())?,
            max_steps: fields.optional("maxSteps", |field| field.count(1))?,
            max_tokens: fields.optional("maxTokens", |field| field.count(1))?,
            max_retries: fields.optional("maxRetries", |field| field.count(0))?,
            timeout: fields.optional("timeout", |field| {
                field.count(1).map(|milliseconds| Duration::from_millis(milliseconds.into()))
            })?,
            env_path: fields.optional("envPath", text_list)?,
            perstack_api_base_url: fields.optional("perstackApiBaseUrl", provider::read_https)?,
            perstack_base_skill_command: fields.optional("perstackBaseSkillCommand", text_list)?,
            experts: match fields.get("experts") {
                Some(experts) => {
                    let table = experts.table("`experts`")?;
                    table.entries().iter().map(Expert::read).collect::<Result<_, _>>()?
                }
                None => Vec::new(),
            },
        })
    }

    /// The Expert of this key.
    pub fn expert(&self, key: &str) -> Option<&Expert> {
        self.experts.iter().find(|expert| expert.key == key)
    }
}
