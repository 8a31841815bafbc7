//! From settings to a model: which provider, with which key, at which address.

use std::collections::BTreeMap;
use std::sync::Arc;

use perstack_core::Model;
use perstack_core::config::{
    AzureOpenAiSetting, HttpSetting, HttpUrl, OpenAiSetting, Provider, ProviderName, ReasoningBudget,
};
use reqwest::header::HeaderValue;
use rig_core::DynModel;
use rig_core::http_client::DynHttpClient;
use rig_core::operation::Completion;
use rig_core::providers::anthropic::AnthropicConfig;
use rig_core::providers::gemini::GeminiConfig;
use rig_core::providers::ollama::OllamaConfig;
use rig_core::providers::openai::OpenAIConfig;
use rig_core::providers::openai::wire::{AZURE, DEEPSEEK};

use super::credential::Credential;
use super::error::ConnectError;
use super::hosted::Offer;
use super::transport::Transport;
use super::{ProviderModel, Spoken};

/// Characters of a name in an address; an ARN of an inference profile has fewer.
const MAX_PLACE: usize = 300;

/// Variables, by their names: those of the process and of `.env` files.
pub type Environment = BTreeMap<String, String>;

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
        Provider::GoogleVertex(setting) => service.vertex(setting)?,
        #[cfg(feature = "bedrock")]
        Provider::AmazonBedrock(setting) => return service.bedrock(setting),
        #[cfg(not(feature = "bedrock"))]
        Provider::AmazonBedrock(_) => {
            return Err(ConnectError::LeftOut { provider: service.name, feature: "bedrock" });
        }
    }))
}

/// What is to be connected to.
pub(crate) struct Service<'a> {
    pub(crate) name: ProviderName,
    pub(crate) model: &'a str,
    pub(crate) reasoning: ReasoningBudget,
    pub(crate) environment: &'a Environment,
}

impl Service<'_> {
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// A key that a provider asks for.
    pub(crate) fn key(&self, variable: &'static str) -> Result<String, ConnectError> {
        let key = self.variable(variable).ok_or(ConnectError::MissingKey { provider: self.name, variable })?;
        match HeaderValue::from_str(&key) {
            Ok(_) => Ok(key),
            Err(_) => Err(ConnectError::BadKey { variable }),
        }
    }

    /// What the model is named by in an address, of which it must not become another part.
    pub(crate) fn place(&self, what: &'static str, name: &str) -> Result<(), ConnectError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@".contains(&byte);
        if !name.is_empty() && name.len() <= MAX_PLACE && name != "." && name != ".." && name.bytes().all(is_plain) {
            return Ok(());
        }
        let name = name.chars().take(MAX_PLACE).collect();
        Err(ConnectError::BadPlace { provider: self.name, what, name })
    }

    /// Without a slash at its end.
    pub(crate) fn base_url(
        &self,
        setting: &HttpSetting,
        variable: &'static str,
    ) -> Result<Option<String>, ConnectError> {
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

    pub(crate) fn own_transport(&self, headers: &[(String, String)]) -> Result<Transport, ConnectError> {
        Transport::new(headers).map_err(|reason| ConnectError::Transport { provider: self.name, reason })
    }

    fn transport(&self, headers: &[(String, String)]) -> Result<DynHttpClient, ConnectError> {
        self.own_transport(headers).map(DynHttpClient::new)
    }

    fn anthropic(&self, setting: &HttpSetting) -> Result<ProviderModel, ConnectError> {
        let key = self.key("ANTHROPIC_API_KEY")?;
        let mut config = AnthropicConfig::new(key.clone());
        if let Some(url) = self.base_url(setting, "ANTHROPIC_BASE_URL")? {
            config = config.with_base_url(url);
        }
        let mut model = config.connect(self.transport(&setting.headers)?).completion(self.model);
        // The instruction, the tools and the conversation up to its end are kept for the next step.
        model.wire = model.wire.with_prompt_caching();
        let credential = Credential::key(Some(key), &["ANTHROPIC_API_KEY"]);
        Ok(self
            .described(Spoken::Messages(Box::new(model)), "anthropic.messages", credential)
            .offering(Offer::Anthropic))
    }

    /// The Responses API; Chat Completions for another service, which has a name of its own.
    fn openai(&self, setting: &OpenAiSetting) -> Result<ProviderModel, ConnectError> {
        let key = self.key("OPENAI_API_KEY")?;
        let mut config = OpenAIConfig::new(key.clone());
        if let Some(url) = self.base_url(&setting.http, "OPENAI_BASE_URL")? {
            config = config.with_base_url(url);
        }
        let mut headers = setting.http.headers.clone();
        let organization = setting.organization.clone().or_else(|| self.variable("OPENAI_ORGANIZATION"));
        let project = setting.project.clone().or_else(|| self.variable("OPENAI_PROJECT"));
        headers.extend(organization.map(|value| ("OpenAI-Organization".to_owned(), value)));
        headers.extend(project.map(|value| ("OpenAI-Project".to_owned(), value)));
        let client = config.connect(self.transport(&headers)?);
        let credential = Credential::key(Some(key), &["OPENAI_API_KEY"]);
        Ok(match setting.name.as_deref() {
            None | Some("openai") => {
                let model = client.responses(self.model).erase();
                self.model(model, "openai.responses", credential).offering(Offer::OpenAi)
            }
            Some(_) => self.model(client.chat(self.model).erase(), "openai.chat", credential),
        })
    }

    fn google(&self, setting: &HttpSetting) -> Result<ProviderModel, ConnectError> {
        let key = self.key("GOOGLE_GENERATIVE_AI_API_KEY")?;
        let mut config = GeminiConfig::new(key.clone());
        if let Some(url) = self.base_url(setting, "GOOGLE_GENERATIVE_AI_BASE_URL")? {
            // Perstack's URL ends with the version, which rig adds.
            config = config.with_base_url(url.trim_end_matches("/v1beta"));
        }
        let model = config.connect(self.transport(&setting.headers)?).completion(self.model).erase();
        let credential = Credential::key(Some(key), &["GOOGLE_GENERATIVE_AI_API_KEY"]);
        Ok(self.model(model, "gemini.generate_content", credential).offering(Offer::Google))
    }

    fn deepseek(&self, setting: &HttpSetting) -> Result<ProviderModel, ConnectError> {
        let key = self.key("DEEPSEEK_API_KEY")?;
        let mut config = OpenAIConfig::with_key(&DEEPSEEK, key.clone());
        if let Some(url) = self.base_url(setting, "DEEPSEEK_BASE_URL")? {
            config = config.with_base_url(url);
        }
        let model = config.connect(self.transport(&setting.headers)?).chat(self.model).erase();
        Ok(self.model(model, "openai.chat", Credential::key(Some(key), &["DEEPSEEK_API_KEY"])))
    }

    /// Chat Completions; the model is the name of a deployment.
    fn azure(&self, setting: &AzureOpenAiSetting) -> Result<ProviderModel, ConnectError> {
        if setting.use_deployment_based_urls == Some(false) {
            return Err(ConnectError::DeploymentsOnly);
        }
        let key = self.key("AZURE_API_KEY")?;
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
        let mut config = OpenAIConfig::with_key(&AZURE, key.clone()).with_base_url(url);
        if let Some(version) = version {
            config = config.with_api_version(version);
        }
        let model = config.connect(self.transport(&setting.http.headers)?).chat(self.model).erase();
        Ok(self.model(model, "openai.chat", Credential::key(Some(key), &["AZURE_API_KEY"])))
    }

    fn ollama(&self, setting: &HttpSetting) -> Result<ProviderModel, ConnectError> {
        let mut config = OllamaConfig::new();
        if let Some(url) = self.base_url(setting, "OLLAMA_BASE_URL")? {
            // Perstack's URL ends with `/api`, which rig adds.
            config = config.with_base_url(url.trim_end_matches("/api"));
        }
        let model = config.connect(self.transport(&setting.headers)?).native_completion(self.model).erase();
        Ok(self.model(model, "ollama.chat", Credential::key(None, &["OLLAMA_BASE_URL"])))
    }

    fn model(&self, model: DynModel<Completion>, protocol: &'static str, credential: Credential) -> ProviderModel {
        self.described(Spoken::Any(model), protocol, credential)
    }

    /// `protocol`: what rig calls the wire.
    fn described(&self, model: Spoken, protocol: &'static str, credential: Credential) -> ProviderModel {
        ProviderModel::new(self.name, self.model, self.model, model, protocol, self.reasoning, credential)
    }
}
