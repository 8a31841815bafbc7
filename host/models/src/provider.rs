//! Models of providers, over the network. What each protocol looks like is rig's affair; here a prompt becomes its request,
//! its stream becomes a [`Generation`], and its failures become those that the runtime knows. Bedrock alone has a wire of
//! its own here, for the reasons that are given there.

#[cfg(feature = "bedrock")]
mod bedrock;
mod connect;
mod credential;
mod error;
mod failure;
mod hosted;
mod items;
mod reply;
mod request;
mod transport;
mod vertex;

use std::path::PathBuf;

use perstack_core::config::{Hosted, ProviderName, ReasoningBudget};
use perstack_core::{Deltas, GeneratedPart, Generation, Model, ModelError, NotOffered, Prompt, StopReason};
use rig_core::DynModel;
use rig_core::catalog::{Catalog, ModelSpec};
use rig_core::completion::CompletionRequest;
use rig_core::message::{AssistantMessage, Message, Origin};
use rig_core::operation::Completion;
use rig_core::providers::anthropic::wire::Messages;

#[cfg(fuzzing)]
pub(crate) use bedrock::reply_of_any_bytes;
use credential::Credential;
use hosted::Offer;
use vertex::Access;

pub use connect::{Environment, connect};
pub use error::ConnectError;

/// The catalog counts a window that has to be asked for.
const SONNET_4_5: &str = "claude-sonnet-4-5";
const SONNET_4_5_WINDOW: u64 = 200_000;

/// Times that a provider may pause in one reply, for what it runs itself.
const MAX_PAUSES: usize = 20;

/// The file of credentials that a provider reads under these variables, whether it is there or not; none where it reads
/// none. For who confines a process before there is a model.
pub fn credentials_file(provider: ProviderName, environment: &Environment) -> Option<PathBuf> {
    match provider {
        ProviderName::GoogleVertex => vertex::credentials_file(environment),
        _ => None,
    }
}

/// How a model is spoken to.
pub(crate) enum Spoken {
    /// By Anthropic's protocol, in which each request may ask for what is not in its first version.
    Messages(Box<rig_core::driver::Model<Messages>>),
    /// By any other.
    Any(DynModel<Completion>),
}

/// One model of a provider.
pub(crate) struct ProviderModel {
    provider: ProviderName,
    name: String,
    model: Spoken,
    /// Names the model in what is handed back to it.
    origin: Origin,
    /// What is known of it.
    spec: Option<ModelSpec>,
    reasoning: ReasoningBudget,
    credential: Credential,
    offer: Offer,
    /// Where tokens come from, for a provider that wants one.
    access: Option<Access>,
}

impl Spoken {
    fn vendor(&self) -> &str {
        match self {
            Self::Messages(model) => model.name(),
            Self::Any(model) => model.name(),
        }
    }

    fn with(&self, betas: &[&str]) -> DynModel<Completion> {
        match self {
            Self::Messages(model) => {
                let mut model = model.clone();
                model.wire.provider.betas.extend(betas.iter().map(|beta| (*beta).to_owned()));
                model.erase()
            }
            Self::Any(model) => model.clone(),
        }
    }
}

impl ProviderModel {
    /// `protocol`: what rig calls the wire. `known_as`: what the model is called by who made it.
    pub(crate) fn new(
        provider: ProviderName,
        name: &str,
        known_as: &str,
        model: Spoken,
        protocol: &'static str,
        reasoning: ReasoningBudget,
        credential: Credential,
    ) -> Self {
        let vendor = model.vendor().to_owned();
        let origin = Origin::new(protocol, vendor.clone(), known_as);
        let spec = Catalog::builtin().resolve(&format!("{vendor}/{known_as}")).cloned();
        let (offer, access) = (Offer::Nothing, None);
        Self { provider, name: name.to_owned(), model, origin, spec, reasoning, credential, offer, access }
    }

    /// The same with what its provider runs itself.
    pub(crate) fn offering(mut self, offer: Offer) -> Self {
        self.offer = offer;
        self
    }

    /// The same with tokens in place of a key.
    pub(crate) fn with_access(mut self, access: Option<Access>) -> Self {
        self.access = access;
        self
    }

    async fn reply(
        &self,
        model: &DynModel<Completion>,
        request: CompletionRequest,
        deltas: &dyn Deltas,
    ) -> Result<rig_core::completion::CompletionResponse, ModelError> {
        let stream = model.stream(request).map_err(|error| failure::failure(&error, &self.credential))?;
        let response = reply::read(stream, deltas, &self.credential).await;
        if matches!(response, Err(ModelError::Fatal { .. })) {
            self.credential.token.doubt();
        }
        response
    }
}

/// Tokens that a model's context has room for, where that is known.
fn window(name: &str, spec: Option<&ModelSpec>) -> Option<u64> {
    if name.starts_with(SONNET_4_5) {
        return Some(SONNET_4_5_WINDOW);
    }
    spec.and_then(|spec| spec.context_window).filter(|tokens| *tokens > 0).map(u64::from)
}

#[async_trait::async_trait]
impl Model for ProviderModel {
    fn name(&self) -> &str {
        &self.name
    }

    fn context_window(&self) -> Option<u64> {
        window(&self.origin.model, self.spec.as_ref())
    }

    fn offers(&self, hosted: Hosted<'_>) -> Result<(), NotOffered> {
        self.offer.check(self.provider, &self.name, hosted)
    }

    async fn generate(&self, prompt: Prompt<'_>, deltas: &dyn Deltas) -> Result<Generation, ModelError> {
        if let Some(access) = &self.access {
            access.renew(&self.credential).await?;
        }
        let mut request = request::request(&prompt, &self.origin, self.spec.as_ref(), self.reasoning, self.offer)?;
        let model = self.model.with(&self.offer.betas(prompt.hosted));
        let mut whole = Generation::default();
        for _ in 0..MAX_PAUSES {
            // Only what the provider runs itself makes it pause.
            let again = (!prompt.hosted.is_empty()).then(|| request.clone());
            let response = self.reply(&model, request, deltas).await?;
            let piece = reply::generation(&response, self.origin.api.as_str(), &self.credential)?;
            whole.parts.extend(piece.parts);
            whole.usage += piece.usage;
            whole.stop_reason = piece.stop_reason;
            let (true, Some(next)) = (reply::is_paused(&response), again) else {
                if whole.parts.iter().any(|part| matches!(part, GeneratedPart::ToolCall { .. })) {
                    whole.stop_reason = StopReason::ToolCalls;
                }
                return Ok(whole);
            };
            request = next;
            let said = AssistantMessage::new(response.choice).with_origin(self.origin.clone());
            request.chat_history.push(Message::Assistant(said.with_stop(rig_core::message::StopReason::Stop)));
        }
        let message = format!("the provider's own tools paused {MAX_PAUSES} times in one reply");
        Err(ModelError::Fatal { message })
    }
}
