//! Amazon Bedrock, by its Converse API, which speaks to models of every maker in one way.
//!
//! The wire is our own. Rig's crate for Bedrock stands on AWS's SDK: forty crates more, where this needs less than half of
//! them, among them another HTTP client with retries of its own and a second TLS library, built from C; and with a search
//! for credentials that reads files, asks the machine's surroundings and starts programs. What Bedrock needs beyond JSON over HTTP is a signature and a framing, and both are in
//! small crates of AWS's own (`aws-sigv4`, `aws-smithy-eventstream`). Requests go where all others go, with the same bounds,
//! and credentials come from the environment that the user has given, from nowhere else.

mod family;
mod frames;
mod prompt;
mod reply;
mod send;

use std::sync::Arc;

use perstack_core::config::{AmazonBedrockSetting, Hosted, HttpSetting, ProviderName, ReasoningBudget};
use perstack_core::{Deltas, Generation, Model, ModelError, NotOffered, Prompt};
use reqwest::header::HeaderValue;

use super::connect::Service;
use super::credential::Credential;
use super::error::ConnectError;
use super::hosted::Offer;
use family::Family;
#[cfg(fuzzing)]
pub(crate) use reply::of_any_bytes as reply_of_any_bytes;
use send::{Proof, Sender};

const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
const BEARER_TOKEN: &str = "AWS_BEARER_TOKEN_BEDROCK";
const REGION: &str = "AWS_REGION";
const ENDPOINT: &str = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME";

/// One model on Bedrock.
struct BedrockModel {
    name: String,
    family: Family,
    reasoning: ReasoningBudget,
    sender: Sender,
    credential: Credential,
}

impl Service<'_> {
    pub(crate) fn bedrock(&self, setting: &AmazonBedrockSetting) -> Result<Arc<dyn Model>, ConnectError> {
        let bad = |what, name: &str| ConnectError::BadPlace { provider: self.name, what, name: name.to_owned() };
        let missing =
            || ConnectError::MissingPlace { provider: self.name, what: "region", setting: "region", variable: REGION };
        // An ARN has slashes; all the rest could become another part of the address.
        self.place("model", &self.model.replace('/', ":"))?;
        let (proof, credential) = self.bedrock_proof()?;
        let region = setting.region.clone().or_else(|| self.variable(REGION)).ok_or_else(missing)?;
        let is_region = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !region.bytes().all(is_region) {
            return Err(bad("region", &region));
        }
        let base = self.base_url(&HttpSetting::default(), ENDPOINT)?.unwrap_or_else(|| {
            let end = if region.starts_with("cn-") { ".cn" } else { "" };
            format!("https://bedrock-runtime.{region}.amazonaws.com{end}")
        });
        let model = self.model.replace(':', "%3A").replace('/', "%2F");
        let url = format!("{base}/model/{model}/converse-stream");
        let sender = Sender { transport: self.own_transport(&[])?, url, region, proof };
        let family = Family::of(self.model);
        let (name, reasoning) = (self.model.to_owned(), self.reasoning);
        Ok(Arc::new(BedrockModel { name, family, reasoning, sender, credential }))
    }

    /// A key of Bedrock's own, or else one of AWS. No file is read for them and no program started.
    fn bedrock_proof(&self) -> Result<(Proof, Credential), ConnectError> {
        if self.variable(BEARER_TOKEN).is_some() {
            let token = self.key(BEARER_TOKEN)?;
            return Ok((Proof::Bearer(token.clone()), Credential::key(Some(token), &[BEARER_TOKEN])));
        }
        let (key_id, secret_key) = (self.key(KEY_ID)?, self.key(SECRET_KEY)?);
        let session_token = self.variable(SESSION_TOKEN);
        if session_token.as_deref().is_some_and(|token| HeaderValue::from_str(token).is_err()) {
            return Err(ConnectError::BadKey { variable: SESSION_TOKEN });
        }
        let variables: &[&str] =
            if session_token.is_some() { &[KEY_ID, SECRET_KEY, SESSION_TOKEN] } else { &[KEY_ID, SECRET_KEY] };
        let mut credential = Credential::key(Some(secret_key.clone()), variables);
        credential.keys.extend(session_token.clone());
        Ok((Proof::signing(key_id, secret_key, session_token), credential))
    }
}

#[async_trait::async_trait]
impl Model for BedrockModel {
    fn name(&self) -> &str {
        &self.name
    }

    fn context_window(&self) -> Option<u64> {
        self.family.context_window()
    }

    fn offers(&self, hosted: Hosted<'_>) -> Result<(), NotOffered> {
        Offer::Nothing.check(ProviderName::AmazonBedrock, &self.name, hosted)
    }

    async fn generate(&self, prompt: Prompt<'_>, deltas: &dyn Deltas) -> Result<Generation, ModelError> {
        let body = prompt::body(&prompt, &self.family, self.reasoning);
        let pieces = self.sender.send(&body, &self.credential).await?;
        reply::read(pieces, deltas, &self.credential).await
    }
}
