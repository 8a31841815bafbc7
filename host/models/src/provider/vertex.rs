//! Google Vertex AI: Gemini by the protocol of the Gemini API, Claude by Anthropic's. Addresses and proofs of who asks are
//! Google Cloud's; a transport puts them in place of those that the protocols have.

mod access;
mod credentials;
mod transport;

use std::path::PathBuf;

use perstack_core::config::GoogleVertexSetting;
use rig_core::http_client::DynHttpClient;
use rig_core::providers::anthropic::{AnthropicConfig, ToolInputStreaming};
use rig_core::providers::gemini::GeminiConfig;

use super::connect::{Environment, Service};
use super::credential::Credential;
use super::error::ConnectError;
use super::hosted::Offer;
use super::{ProviderModel, Spoken};
use credentials::Credentials;
use transport::{Proof, Protocol, VertexTransport};

pub(crate) use access::Access;

/// Locations that are many regions.
const GLOBAL: &str = "global";
const CONTINENTS: &[&str] = &["eu", "us"];

/// What rig has to be given in place of a key, and never sends.
const NO_KEY: &str = "none";

/// A key of the express mode, which takes the place of credentials.
const KEY: &str = "GOOGLE_VERTEX_API_KEY";

/// Where the settings of one model lead.
struct Place {
    /// Without a slash at its end; the model follows.
    base: String,
    proof: Proof,
    credential: Credential,
    access: Option<Access>,
}

/// The file of credentials that would be read; none where a key takes its place.
pub(crate) fn credentials_file(environment: &Environment) -> Option<PathBuf> {
    match environment.get(KEY) {
        Some(key) if !key.is_empty() => None,
        _ => credentials::file(environment),
    }
}

impl Service<'_> {
    pub(crate) fn vertex(&self, setting: &GoogleVertexSetting) -> Result<ProviderModel, ConnectError> {
        let protocol = if self.model.starts_with("claude-") { Protocol::Anthropic } else { Protocol::Gemini };
        self.place("model", self.model)?;
        let Place { base, proof, credential, access } = self.vertex_place(setting, protocol)?;
        let url = format!("{base}/models/{}:{}", self.model, protocol.verb());
        let inner = self.own_transport(&setting.http.headers)?;
        let transport = DynHttpClient::new(VertexTransport::new(inner, url, protocol, proof));
        let model = match protocol {
            Protocol::Anthropic => {
                // What Google separates with `@`, Anthropic separates with `-`.
                let known_as = self.model.replace('@', "-");
                let mut model = AnthropicConfig::new(NO_KEY).connect(transport).completion(&known_as);
                // Nobody looks at calls before they are whole, and not every location knows the field that asks for pieces.
                model.wire = model.wire.with_prompt_caching().with_tool_input_streaming(ToolInputStreaming::Off);
                let model = Spoken::Messages(Box::new(model));
                self.named(&known_as, model, "anthropic.messages", credential).offering(Offer::VertexClaude)
            }
            Protocol::Gemini => {
                let model = GeminiConfig::new(NO_KEY).connect(transport).completion(self.model).erase();
                let protocol = "gemini.generate_content";
                self.named(self.model, Spoken::Any(model), protocol, credential).offering(Offer::VertexGemini)
            }
        };
        Ok(model.with_access(access))
    }

    fn named(&self, known_as: &str, model: Spoken, protocol: &'static str, credential: Credential) -> ProviderModel {
        ProviderModel::new(self.name, self.model, known_as, model, protocol, self.reasoning, credential)
    }

    fn vertex_place(&self, setting: &GoogleVertexSetting, protocol: Protocol) -> Result<Place, ConnectError> {
        let base = self.base_url(&setting.http, "GOOGLE_VERTEX_BASE_URL")?;
        if self.variable(KEY).is_some() {
            if protocol == Protocol::Anthropic {
                return Err(ConnectError::KeyOfGoogleOnly { model: self.model.to_owned() });
            }
            let key = self.key(KEY)?;
            let base = base.unwrap_or_else(|| "https://aiplatform.googleapis.com/v1/publishers/google".to_owned());
            let credential = Credential::key(Some(key.clone()), &[KEY]);
            return Ok(Place { base, proof: Proof::Key(key), credential, access: None });
        }
        let credentials = Credentials::find(self.environment)?;
        let base = match base {
            Some(base) => base,
            None => self.vertex_base(setting, protocol, &credentials)?,
        };
        let credential = Credential { keys: credentials.secrets(), ..Credential::key(None, credentials::VARIABLES) };
        let proof = Proof::Token { slot: credential.token.clone(), billed_to: credentials.billed_to.clone() };
        let access = Access::new(credentials, self.own_transport(&[])?);
        Ok(Place { base, proof, credential, access: Some(access) })
    }

    fn vertex_base(
        &self,
        setting: &GoogleVertexSetting,
        protocol: Protocol,
        credentials: &Credentials,
    ) -> Result<String, ConnectError> {
        let missing =
            |what, setting, variable| ConnectError::MissingPlace { provider: self.name, what, setting, variable };
        let project = setting.project.clone().or_else(|| self.variable("GOOGLE_VERTEX_PROJECT"));
        let project = project.or_else(|| credentials.project.clone());
        let project = project.ok_or_else(|| missing("project", "project", "GOOGLE_VERTEX_PROJECT"))?;
        let location = setting.location.clone().or_else(|| self.variable("GOOGLE_VERTEX_LOCATION"));
        let location = location.ok_or_else(|| missing("location", "location", "GOOGLE_VERTEX_LOCATION"))?;
        self.place("project", &project)?;
        if !location.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(ConnectError::BadPlace { provider: self.name, what: "location", name: location });
        }
        self.place("location", &location)?;
        let host = match location.as_str() {
            GLOBAL => "aiplatform.googleapis.com".to_owned(),
            continent if CONTINENTS.contains(&continent) => format!("aiplatform.{continent}.rep.googleapis.com"),
            region => format!("{region}-aiplatform.googleapis.com"),
        };
        let publisher = protocol.publisher();
        // What Perstack asks for Gemini: some of its newer models are there only.
        let version = match protocol {
            Protocol::Gemini => "v1beta1",
            Protocol::Anthropic => "v1",
        };
        Ok(format!("https://{host}/{version}/projects/{project}/locations/{location}/publishers/{publisher}"))
    }
}

#[cfg(test)]
mod tests {
    use perstack_core::config::{ProviderName, ReasoningBudget};

    use super::*;

    #[test]
    fn addresses_are_those_of_the_location() {
        let environment = Environment::new();
        let (name, reasoning) = (ProviderName::GoogleVertex, ReasoningBudget::Low);
        let service = Service { name, model: "m", reasoning, environment: &environment };
        let credentials = Credentials::nobody();
        for (location, protocol, address) in [
            (
                "us-central1",
                Protocol::Gemini,
                "https://us-central1-aiplatform.googleapis.com/v1beta1/projects/p/locations/us-central1/publishers/google",
            ),
            (
                "global",
                Protocol::Gemini,
                "https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/publishers/google",
            ),
            (
                "us",
                Protocol::Anthropic,
                "https://aiplatform.us.rep.googleapis.com/v1/projects/p/locations/us/publishers/anthropic",
            ),
            (
                "europe-west1",
                Protocol::Anthropic,
                "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/publishers/anthropic",
            ),
        ] {
            let setting = GoogleVertexSetting {
                project: Some("p".to_owned()),
                location: Some(location.to_owned()),
                ..GoogleVertexSetting::default()
            };
            assert_eq!(service.vertex_base(&setting, protocol, &credentials).unwrap(), address);
        }
    }
}
