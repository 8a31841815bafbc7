//! Why there is no model.

use perstack_core::config::ProviderName;

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
    #[error("it is not said which {what} of provider `{provider}` has the model")]
    MissingPlace { provider: ProviderName, what: &'static str, setting: &'static str, variable: &'static str },
    #[error("`{name}` cannot be the {what} of a model of provider `{provider}`")]
    BadPlace { provider: ProviderName, what: &'static str, name: String },
    #[error("this program was built without provider `{provider}`")]
    LeftOut { provider: ProviderName, feature: &'static str },
    #[error("the credentials in `{path}` cannot be used: {reason}")]
    Credentials { path: String, reason: String },
    #[error("`GOOGLE_VERTEX_API_KEY` is for Google's own models, which `{model}` is not")]
    KeyOfGoogleOnly { model: String },
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
        Some(match self {
            Self::MissingKey { variable, .. } => format!(
                "export {variable}=…, write it into `.env`, or play a script with `--provider scripted --model FILE`"
            ),
            Self::MissingResource => "export AZURE_RESOURCE_NAME=…, or set `resourceName`".to_owned(),
            Self::BadResource { .. } => "it is the first part of its address: NAME.openai.azure.com".to_owned(),
            Self::DeploymentsOnly => "leave it out; `--model` names the deployment".to_owned(),
            Self::MissingPlace { setting, variable, .. } => {
                format!("export {variable}=…, or set `{setting}` in `[provider.setting]`")
            }
            Self::BadPlace { .. } => "check `[provider.setting]`, the environment and `--model`".to_owned(),
            Self::LeftOut { feature, .. } => format!("build it with the feature `{feature}` of perstack-models"),
            Self::Credentials { .. } => {
                "set `GOOGLE_APPLICATION_CREDENTIALS` to the JSON file of a service account, or \
                                         run `gcloud auth application-default login`"
                    .to_owned()
            }
            Self::KeyOfGoogleOnly { .. } => {
                "unset it, and set `GOOGLE_APPLICATION_CREDENTIALS` to the JSON file of a service account".to_owned()
            }
            Self::BadKey { variable } | Self::BadUrl { variable, .. } => {
                format!("correct `{variable}`, in the environment or in `.env`")
            }
            Self::Transport { .. } => "check `[provider.setting]` in perstack.toml".to_owned(),
        })
    }
}
