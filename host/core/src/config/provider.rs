//! The service behind the model: which one, and how it is reached.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use super::bounds::{MAX_COUNT, MAX_NAME_CHARACTERS, MAX_TEXT_CHARACTERS};
use super::error::{ConfigError, quote};
use super::fields::{Field, Fields};
use super::url::HttpUrl;
use super::values::ValueError;
use super::words::words;

words! {
    /// A service that runs language models.
    pub enum ProviderName {
        /// Anthropic.
        Anthropic = "anthropic",
        /// Google, by the Gemini API.
        Google = "google",
        /// OpenAI.
        OpenAi = "openai",
        /// Ollama, on this machine or another.
        Ollama = "ollama",
        /// OpenAI's models on Azure.
        AzureOpenAi = "azure-openai",
        /// Amazon Bedrock.
        AmazonBedrock = "amazon-bedrock",
        /// Google, by Vertex AI.
        GoogleVertex = "google-vertex",
        /// DeepSeek.
        DeepSeek = "deepseek",
    }
}

words! {
    /// What runs an Expert. Perstack knows others than itself.
    pub enum RuntimeName {
        /// This program.
        Local = "local",
        /// Cursor's agent.
        Cursor = "cursor",
        /// Claude Code.
        ClaudeCode = "claude-code",
        /// The Gemini CLI.
        Gemini = "gemini",
        /// Perstack in a container.
        Docker = "docker",
    }
}

/// How much a model may think before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReasoningBudget {
    /// Not at all; also written as `0`.
    None,
    /// As little as the provider offers.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// Up to so many tokens.
    Tokens(NonZeroU32),
}

/// The words for a reasoning budget.
const BUDGET_WORDS: &[&str] = &["none", "minimal", "low", "medium", "high"];

impl FromStr for ReasoningBudget {
    type Err = ValueError;

    /// Reads a word or a number of tokens, as on a command line.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        Ok(match text {
            "none" => Self::None,
            "minimal" => Self::Minimal,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            _ => match text.parse::<u32>() {
                Ok(tokens) if tokens <= MAX_COUNT => Self::from_tokens(tokens),
                _ => return Err(ValueError::unknown_word(text, BUDGET_WORDS)),
            },
        })
    }
}

impl fmt::Display for ReasoningBudget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str("none"),
            Self::Minimal => formatter.write_str("minimal"),
            Self::Low => formatter.write_str("low"),
            Self::Medium => formatter.write_str("medium"),
            Self::High => formatter.write_str("high"),
            Self::Tokens(tokens) => tokens.fmt(formatter),
        }
    }
}

impl ReasoningBudget {
    fn from_tokens(tokens: u32) -> Self {
        NonZeroU32::new(tokens).map_or(Self::None, Self::Tokens)
    }

    pub(super) fn read(field: &Field<'_>) -> Result<Self, ConfigError> {
        if field.is_integer() {
            field.count(0).map(Self::from_tokens)
        } else {
            field.parse_expecting("a word or a number of tokens")
        }
    }
}

/// `[provider]`: the service and its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Anthropic.
    Anthropic(HttpSetting),
    /// Google, by the Gemini API.
    Google(HttpSetting),
    /// OpenAI.
    OpenAi(OpenAiSetting),
    /// Ollama; its URL need not be encrypted.
    Ollama(HttpSetting),
    /// OpenAI's models on Azure.
    AzureOpenAi(AzureOpenAiSetting),
    /// Amazon Bedrock.
    AmazonBedrock(AmazonBedrockSetting),
    /// Google, by Vertex AI.
    GoogleVertex(GoogleVertexSetting),
    /// DeepSeek.
    DeepSeek(HttpSetting),
}

/// Where and how a service is called, where it is not the provider's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpSetting {
    /// In place of the provider's own URL.
    pub base_url: Option<HttpUrl>,
    /// Sent with every request, in the order of the file.
    pub headers: Vec<(String, String)>,
}

/// Settings of OpenAI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenAiSetting {
    /// Where and how it is called.
    pub http: HttpSetting,
    /// Organization that is billed.
    pub organization: Option<String>,
    /// Project that is billed.
    pub project: Option<String>,
    /// What the provider is called, for services that speak OpenAI's protocol.
    pub name: Option<String>,
}

/// Settings of OpenAI's models on Azure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AzureOpenAiSetting {
    /// Where and how it is called.
    pub http: HttpSetting,
    /// The Azure resource.
    pub resource_name: Option<String>,
    /// Version of the API.
    pub api_version: Option<String>,
    /// Whether URLs name the deployment.
    pub use_deployment_based_urls: Option<bool>,
}

/// Settings of Amazon Bedrock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AmazonBedrockSetting {
    /// AWS region.
    pub region: Option<String>,
}

/// Settings of Google Vertex AI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoogleVertexSetting {
    /// Where and how it is called.
    pub http: HttpSetting,
    /// Google Cloud project.
    pub project: Option<String>,
    /// Google Cloud location.
    pub location: Option<String>,
}

impl Provider {
    /// The service.
    pub fn name(&self) -> ProviderName {
        match self {
            Self::Anthropic(_) => ProviderName::Anthropic,
            Self::Google(_) => ProviderName::Google,
            Self::OpenAi(_) => ProviderName::OpenAi,
            Self::Ollama(_) => ProviderName::Ollama,
            Self::AzureOpenAi(_) => ProviderName::AzureOpenAi,
            Self::AmazonBedrock(_) => ProviderName::AmazonBedrock,
            Self::GoogleVertex(_) => ProviderName::GoogleVertex,
            Self::DeepSeek(_) => ProviderName::DeepSeek,
        }
    }

    /// Where and how it is called; Amazon Bedrock has no such settings.
    pub fn http(&self) -> Option<&HttpSetting> {
        match self {
            Self::Anthropic(http) | Self::Google(http) | Self::Ollama(http) | Self::DeepSeek(http) => Some(http),
            Self::OpenAi(setting) => Some(&setting.http),
            Self::AzureOpenAi(setting) => Some(&setting.http),
            Self::GoogleVertex(setting) => Some(&setting.http),
            Self::AmazonBedrock(_) => None,
        }
    }

    pub(super) fn read(field: &Field<'_>) -> Result<Self, ConfigError> {
        let fields = field.table("`provider`")?;
        fields.refuse_unknown(&["providerName", "setting"])?;
        let name: ProviderName = fields.required("providerName")?.parse()?;
        let setting = fields.get("setting");
        let table = setting.as_ref().map(|field| field.table(format!("`setting` of provider `{name}`"))).transpose()?;
        let setting = Setting { table };
        setting.refuse_unknown(match name {
            ProviderName::Anthropic | ProviderName::Google | ProviderName::Ollama | ProviderName::DeepSeek => {
                &["baseUrl", "headers"]
            }
            ProviderName::OpenAi => &["baseUrl", "headers", "organization", "project", "name"],
            ProviderName::AzureOpenAi => {
                &["baseUrl", "headers", "resourceName", "apiVersion", "useDeploymentBasedUrls"]
            }
            ProviderName::AmazonBedrock => &["region"],
            ProviderName::GoogleVertex => &["baseUrl", "headers", "project", "location"],
        })?;
        Ok(match name {
            ProviderName::Anthropic => Self::Anthropic(setting.http(name)?),
            ProviderName::Google => Self::Google(setting.http(name)?),
            ProviderName::Ollama => Self::Ollama(setting.http(name)?),
            ProviderName::DeepSeek => Self::DeepSeek(setting.http(name)?),
            ProviderName::OpenAi => Self::OpenAi(OpenAiSetting {
                http: setting.http(name)?,
                organization: setting.name("organization")?,
                project: setting.name("project")?,
                name: setting.name("name")?,
            }),
            ProviderName::AzureOpenAi => Self::AzureOpenAi(AzureOpenAiSetting {
                http: setting.http(name)?,
                resource_name: setting.name("resourceName")?,
                api_version: setting.name("apiVersion")?,
                use_deployment_based_urls: setting.optional("useDeploymentBasedUrls", |field| field.boolean())?,
            }),
            ProviderName::AmazonBedrock => {
                Self::AmazonBedrock(AmazonBedrockSetting { region: setting.name("region")? })
            }
            ProviderName::GoogleVertex => Self::GoogleVertex(GoogleVertexSetting {
                http: setting.http(name)?,
                project: setting.name("project")?,
                location: setting.name("location")?,
            }),
        })
    }
}

/// `[provider.setting]`, which may be missing: then every field of it is.
struct Setting<'a> {
    table: Option<Fields<'a>>,
}

impl Setting<'_> {
    fn refuse_unknown(&self, known: &[&str]) -> Result<(), ConfigError> {
        self.table.as_ref().map_or(Ok(()), |table| table.refuse_unknown(known))
    }

    fn optional<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Field<'_>) -> Result<T, ConfigError>,
    ) -> Result<Option<T>, ConfigError> {
        self.table.as_ref().map_or(Ok(None), |table| table.optional(name, read))
    }

    fn name(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        self.optional(name, |field| field.filled(MAX_NAME_CHARACTERS))
    }

    fn http(&self, provider: ProviderName) -> Result<HttpSetting, ConfigError> {
        Ok(HttpSetting {
            base_url: self.optional("baseUrl", |field| match provider {
                // It runs on this machine or in its network, mostly without a certificate.
                ProviderName::Ollama => field.parse(),
                _ => read_https(field),
            })?,
            headers: self.optional("headers", read_headers)?.unwrap_or_default(),
        })
    }
}

pub(super) fn read_https(field: &Field<'_>) -> Result<HttpUrl, ConfigError> {
    let url: HttpUrl = field.parse()?;
    if !url.is_https() {
        return Err(field.invalid("the URL does not begin with `https://`"));
    }
    Ok(url)
}

pub(super) fn read_headers(field: &Field<'_>) -> Result<Vec<(String, String)>, ConfigError> {
    let table = field.named_table()?;
    let read = |header: &Field<'_>| {
        // RFC 9110, 5.6.2. Anything else could end the header and begin another.
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if header.name().is_empty() || !header.name().bytes().all(is_token) {
            return Err(header.invalid_name(format!(
                "{} cannot be the name of a header in {}",
                quote(header.name()),
                table.place()
            )));
        }
        let value = header.text(MAX_TEXT_CHARACTERS)?;
        if value.chars().any(|character| character.is_control() && character != '\t') {
            return Err(header.invalid("contains a control character"));
        }
        Ok((header.name().to_owned(), value))
    };
    table.entries().iter().map(read).collect()
}
