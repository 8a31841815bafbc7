//! From settings to a model: which provider, with which key, at which address.

use std::collections::BTreeMap;
use std::sync::Arc;

use perstack_core::Model;
use perstack_core::config::{
    AzureOpenAiSetting, HttpSetting, HttpUrl, OpenAiSetting, Provider, ProviderName, ReasoningBudget,
};
use reqwest::header::HeaderValue;
use rig_core::http_client::DynHttpClient;
use rig_core::providers::anthropic::AnthropicConfig;
use rig_core::providers::gemini::GeminiConfig;
use rig_core::providers::ollama::OllamaConfig;
use rig_core::providers::openai::OpenAIConfig;
use rig_core::providers::openai::wire::{AZURE, DEEPSEEK};

use super::transport::Transport;
use super::{Credential, ProviderModel};

/// Variables, by their names: those of the process and of `.env` files.
pub type Environment = BTreeMap<String, String>;

/// Why there is no such model.
#[derive(Clone, Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it is")]
pub enum ConnectError {
    #[error("provider `{provider}` needs a key, and `{variable}` is not set")]
    MissingKey { provider: ProviderName, variable: &'static str },
    #[error("it is not said which Azure resource has the model")]
    MissingResource,
    #[error("`{name}` cannot be the name of an Azure resource")]
    BadResource { name: String },
    #[error("`useDeploymentBasedUrls = false` cannot be used yet")]
    DeploymentsOnly,
    #[error("provider `{provider}` cannot be used yet")]
    Unsupported { provider: ProviderName },
    #[error("`{variable}` is no key: it has characters that cannot be sent")]
    BadKey { variable: &'static str },
    #[error("`{variable}` is no URL: {reason}")]
    BadUrl { variable: &'static str, reason: String },
    #[error("provider `{provider}` cannot be set up: {reason}")]
    Transport { provider: ProviderName, reason: String },
}

impl ConnectError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::MissingKey { variable, .. } => Some(format!(
                "export {variable}=…, write it into `.env`, or play a script with `--provider scripted --model FILE`"
            )),
            Self::MissingResource => Some("export AZURE_RESOURCE_NAME=…, or set `resourceName`".to_owned()),
            Self::BadResource { .. } => Some("it is the first part of its address: NAME.openai.azure.com".to_owned()),
            Self::DeploymentsOnly => Some("leave it out; `--model` names the deployment".to_owned()),
            Self::Unsupported { .. } => Some(
                "there are `anthropic`, `openai`, `google`, `deepseek`, `azure-openai` and `ollama`, and `scripted`"
                    .to_owned(),
            ),
            Self::BadKey { variable } | Self::BadUrl { variable, .. } => {
                Some(format!("correct `{variable}`, in the environment or in `.env`"))
            }
            Self::Transport { .. } => Some("check `[provider.setting]` in perstack.toml".to_owned()),
        }
    }
}

/// A model of a provider. Nothing is sent yet.
///
/// # Errors
/// [`ConnectError`].
pub fn connect(
    provider: &Provider,
    model: &str,
    reasoning: ReasoningBudget,
    environment: &Environment,
) -> Result<Arc<dyn Model>, ConnectError> {
    let service = Service { name: provider.name(), model, reasoning, environment };
    Ok(Arc::new(match provider {
        Provider::Anthropic(setting) => service.anthropic(setting)?,
        Provider::OpenAi(setting) => service.openai(setting)?,
        Provider::Google(setting) => service.google(setting)?,
        Provider::DeepSeek(setting) => service.deepseek(setting)?,
        Provider::Ollama(setting) => service.ollama(setting)?,
        Provider::AzureOpenAi(setting) => service.azure(setting)?,
        Provider::AmazonBedrock(_) | Provider::GoogleVertex(_) => {
            return Err(ConnectError::Unsupported { provider: service.name });
        }
    }))
}

struct Service<'a> {
    name: ProviderName,
    model: &'a str,
    reasoning: ReasoningBudget,
    environment: &'a Environment,
}

impl Service<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn key(&self, variable: &'static str) -> Result<Credential, ConnectError> {
        let key = self.variable(variable).ok_or(ConnectError::MissingKey { provider: self.name, variable })?;
        match HeaderValue::from_str(&key) {
            Ok(_) => Ok(Credential { key: Some(key), variable }),
            Err(_) => Err(ConnectError::BadKey { variable }),
        }
    }

    /// Without a slash at its end.
    fn base_url(&self, setting: &HttpSetting, variable: &'static str) -> Result<Option<String>, ConnectError> {
        let url = match (&setting.base_url, self.variable(variable)) {
            (Some(url), _) => url.to_string(),
            (None, Some(text)) => {
                let url: Result<HttpUrl, _> = text.parse();
                url.map_err(|error| ConnectError::BadUrl { variable, reason: error.to_string() })?.to_string()
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(url.trim_end_matches('/').to_owned()))
    }

    fn transport(&self, headers: &[(String, String)]) -> Result<DynHttpClient, ConnectError> {
        let failed = |reason| ConnectError::Transport { provider: self.name, reason };
        Transport::new(headers).map(DynHttpClient::new).map_err(failed)
    }

    fn anthropic(&self, setting: &HttpSetting) -> Result<ProviderModel, ConnectError> {
        let credential = self.key("ANTHROPIC_API_KEY")?;
        let mut config = AnthropicConfig::new(credential.key.clone().unwrap_or_default());
        if let Some(url) = self.base_url(setting, "ANTHROPIC_BASE_URL")? {
            config = config.with_base_url(url);
        }
        let mut model = config.connect(self.transport(&setting.headers)?).completion(self.model);
        // The instruction, the tools and the conversation up to its end are kept for the next step.
        model.wire = model.wire.with_prompt_caching();
        Ok(self.model(model.erase(), "anthropic.messages", credential))
    }

    /// The Responses API; Chat Completions for another service, which has a name of its own.
    fn openai(&self, setting: &OpenAiSetting) -> Result<ProviderModel, ConnectError> {
        let credential = self.key("OPENAI_API_KEY")?;
        let mut config = OpenAIConfig::new(credential.key.clone().unwrap_or_default());
        if let Some(url) = self.base_url(&setting.http, "OPENAI_BASE_URL")? {
            config = config.with_base_url(url);
        }
        let mut headers = setting.http.headers.clone();
        let organization = setting.organization.clone().or_else(|| self.variable("OPENAI_ORGANIZATION"));
        let project = setting.project.clone().or_else(|| self.variable("OPENAI_PROJECT"));
        headers.extend(organization.map(|value| ("OpenAI-Organization".to_owned(), value)));
        headers.extend(project.map(|value| ("OpenAI-Project".to_owned(), value)));
        let client = config.connect(self.transport(&headers)?);
        let (model, protocol) = match setting.name.as_deref() {
            None | Some("openai") => (client.responses(self.model).erase(), "openai.responses"),
            Some(_) => (client.chat(self.model).erase(), "openai.chat"),
        };
        Ok(self.model(model, protocol, credential))
    }

    fn google(&self, setting: &HttpSetting) -> Result<ProviderModel, ConnectError> {
        let credential = self.key("GOOGLE_GENERATIVE_AI_API_KEY")?;
        let mut config = GeminiConfig::new(credential.key.clone().unwrap_or_default());
        if let Some(url) = self.base_url(setting, "GOOGLE_GENERATIVE_AI_BASE_URL")? {
            // Perstack's URL ends with the version, which rig adds.
            config = config.with_base_url(url.trim_end_matches("/v1beta"));
        }
        let model = config.connect(self.transport(&setting.headers)?).completion(self.model).erase();
        Ok(self.model(model, "gemini.generate_content", credential))
    }

    fn deepseek(&self, setting: &HttpSetting) -> Result<ProviderModel, ConnectError> {
        let credential = self.key("DEEPSEEK_API_KEY")?;
        let mut config = OpenAIConfig::with_key(&DEEPSEEK, credential.key.clone().unwrap_or_default());
        if let Some(url) = self.base_url(setting, "DEEPSEEK_BASE_URL")? {
            config = config.with_base_url(url);
        }
        let model = config.connect(self.transport(&setting.headers)?).chat(self.model).erase();
        Ok(self.model(model, "openai.chat", credential))
    }

    /// Chat Completions; the model is the name of a deployment.
    fn azure(&self, setting: &AzureOpenAiSetting) -> Result<ProviderModel, ConnectError> {
        if setting.use_deployment_based_urls == Some(false) {
            return Err(ConnectError::DeploymentsOnly);
        }
        let credential = self.key("AZURE_API_KEY")?;
        let url = match self.base_url(&setting.http, "AZURE_BASE_URL")? {
            // Perstack's URL ends with `/openai`, which rig adds.
            Some(url) => url.trim_end_matches("/openai").to_owned(),
            None => {
                let resource = setting.resource_name.clone().or_else(|| self.variable("AZURE_RESOURCE_NAME"));
                let name = resource.ok_or(ConnectError::MissingResource)?;
                if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
                    return Err(ConnectError::BadResource { name });
                }
                format!("https://{name}.openai.azure.com")
            }
        };
        let version = setting.api_version.clone().or_else(|| self.variable("AZURE_API_VERSION"));
        let mut config = OpenAIConfig::with_key(&AZURE, credential.key.clone().unwrap_or_default()).with_base_url(url);
        if let Some(version) = version {
            config = config.with_api_version(version);
        }
        let model = config.connect(self.transport(&setting.http.headers)?).chat(self.model).erase();
        Ok(self.model(model, "openai.chat", credential))
    }

    fn ollama(&self, setting: &HttpSetting) -> Result<ProviderModel, ConnectError> {
        let mut config = OllamaConfig::new();
        if let Some(url) = self.base_url(setting, "OLLAMA_BASE_URL")? {
            // Perstack's URL ends with `/api`, which rig adds.
            config = config.with_base_url(url.trim_end_matches("/api"));
        }
        let model = config.connect(self.transport(&setting.headers)?).native_completion(self.model).erase();
        Ok(self.model(model, "ollama.chat", Credential { key: None, variable: "OLLAMA_BASE_URL" }))
    }

    fn model(
        &self,
        model: rig_core::DynModel<rig_core::operation::Completion>,
        protocol: &'static str,
        credential: Credential,
    ) -> ProviderModel {
        ProviderModel::new(self.model, model, protocol, self.reasoning, credential)
    }
}
