//! Models of providers, over the network. What each protocol looks like is rig's affair; here a prompt becomes its request,
//! its stream becomes a [`Generation`], and its failures become those that the runtime knows.

mod connect;
mod failure;
mod items;
mod reply;
mod request;
mod transport;

use perstack_core::config::ReasoningBudget;
use perstack_core::{Deltas, Generation, Model, ModelError, Prompt};
use rig_core::DynModel;
use rig_core::catalog::{Catalog, ModelSpec};
use rig_core::message::Origin;
use rig_core::operation::Completion;

pub use connect::{ConnectError, Environment, connect};

/// The catalog counts a window that has to be asked for.
const SONNET_4_5: &str = "claude-sonnet-4-5";
const SONNET_4_5_WINDOW: u64 = 200_000;

/// One model of a provider.
pub(crate) struct ProviderModel {
    name: String,
    model: DynModel<Completion>,
    /// Names the model in what is handed back to it.
    origin: Origin,
    /// What is known of it.
    spec: Option<ModelSpec>,
    reasoning: ReasoningBudget,
    credential: Credential,
}

/// What proves to the provider who asks, and may be told to nobody else.
pub(crate) struct Credential {
    /// Nothing where the provider asks for none.
    pub(crate) key: Option<String>,
    /// The variable that has it, or that says where the provider is.
    pub(crate) variable: &'static str,
}

impl Credential {
    /// The text without the key, should that be repeated in it.
    pub(crate) fn hidden_in(&self, text: &str) -> String {
        match &self.key {
            Some(key) => text.replace(key.as_str(), "[key]"),
            None => text.to_owned(),
        }
    }
}

impl ProviderModel {
    /// `protocol`: what rig calls the wire.
    pub(crate) fn new(
        name: &str,
        model: DynModel<Completion>,
        protocol: &'static str,
        reasoning: ReasoningBudget,
        credential: Credential,
    ) -> Self {
        let vendor = model.name().to_owned();
        let origin = Origin::new(protocol, vendor.clone(), name);
        let spec = Catalog::builtin().resolve(&format!("{vendor}/{name}")).cloned();
        Self { name: name.to_owned(), model, origin, spec, reasoning, credential }
    }
}

#[async_trait::async_trait]
impl Model for ProviderModel {
    fn name(&self) -> &str {
        &self.name
    }

    fn context_window(&self) -> Option<u64> {
        if self.name.starts_with(SONNET_4_5) {
            return Some(SONNET_4_5_WINDOW);
        }
        let window = self.spec.as_ref().and_then(|spec| spec.context_window);
        window.filter(|tokens| *tokens > 0).map(u64::from)
    }

    async fn generate(&self, prompt: Prompt<'_>, deltas: &dyn Deltas) -> Result<Generation, ModelError> {
        let request = request::request(&prompt, &self.origin, self.spec.as_ref(), self.reasoning)?;
        let stream = self.model.stream(request).map_err(|error| failure::failure(&error, &self.credential))?;
        reply::read(stream, deltas, &self.credential).await
    }
}
