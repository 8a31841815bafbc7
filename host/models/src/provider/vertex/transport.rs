//! How requests are sent to Vertex AI.

#![expect(clippy::result_large_err, reason = "the errors are rig's")]

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use rig_core::http_client::{
    Error, HttpClientExt, LazyBody, MultipartForm, Request, Response, Result, StreamingResponse,
};
use serde_json::Value;

use crate::provider::credential::TokenSlot;
use crate::provider::transport::Transport;

/// What Claude's protocol is called there; it is in the body, since the header is not handed on.
const ANTHROPIC_VERSION: &str = "vertex-2023-10-16";

const GOOGLE_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
const BILLED_TO: HeaderName = HeaderName::from_static("x-goog-user-project");
const ANTHROPIC_KEY: HeaderName = HeaderName::from_static("x-api-key");
const ANTHROPIC_VERSION_HEADER: HeaderName = HeaderName::from_static("anthropic-version");

/// The protocol of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Gemini,
    Anthropic,
}

/// What shows who asks.
#[derive(Clone)]
pub(super) enum Proof {
    /// A key that Google's own models take.
    Key(String),
    /// A token, and the project that pays if it is not the one that is asked.
    Token { slot: TokenSlot, billed_to: Option<String> },
}

/// Sends requests of one model.
#[derive(Clone)]
pub(super) struct VertexTransport {
    inner: Transport,
    url: String,
    protocol: Protocol,
    proof: Proof,
}

#[derive(Debug, thiserror::Error)]
enum VertexError {
    #[error("the request is no JSON object")]
    NotAnObject,
    #[error("there is no token")]
    NoToken,
    #[error("only streams are asked for here")]
    OnlyStreams,
}

impl Protocol {
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Gemini => "streamGenerateContent?alt=sse",
            Self::Anthropic => "streamRawPredict",
        }
    }

    pub(super) fn publisher(self) -> &'static str {
        match self {
            Self::Gemini => "google",
            Self::Anthropic => "anthropic",
        }
    }
}

impl VertexTransport {
    pub(super) fn new(inner: Transport, url: String, protocol: Protocol, proof: Proof) -> Self {
        Self { inner, url, protocol, proof }
    }

    /// The same request as Vertex AI takes it.
    fn addressed(&self, request: Request<Bytes>) -> Result<Request<Bytes>> {
        let (parts, mut body) = request.into_parts();
        let mut headers = parts.headers;
        if self.protocol == Protocol::Anthropic {
            headers.remove(ANTHROPIC_KEY);
            headers.remove(ANTHROPIC_VERSION_HEADER);
            let mut json: Value = serde_json::from_slice(&body).map_err(Error::instance)?;
            let object = json.as_object_mut().ok_or_else(|| Error::instance(VertexError::NotAnObject))?;
            // The address has it.
            object.shift_remove("model");
            object.insert("anthropic_version".to_owned(), ANTHROPIC_VERSION.into());
            body = serde_json::to_vec(&json).map_err(Error::instance)?.into();
        }
        self.prove(&mut headers)?;
        let mut built = Request::builder().method(parts.method).uri(&self.url).body(body).map_err(Error::Protocol)?;
        *built.headers_mut() = headers;
        Ok(built)
    }

    fn prove(&self, headers: &mut HeaderMap) -> Result<()> {
        let secret = |text: &str| {
            let mut value = HeaderValue::from_str(text).map_err(Error::InvalidHeaderValue)?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        };
        match &self.proof {
            Proof::Key(key) => {
                headers.insert(GOOGLE_KEY, secret(key)?);
            }
            Proof::Token { slot, billed_to } => {
                let token = slot.get().ok_or_else(|| Error::instance(VertexError::NoToken))?;
                headers.insert(AUTHORIZATION, secret(&format!("Bearer {}", token.text))?);
                if let Some(project) = billed_to {
                    headers.insert(BILLED_TO, HeaderValue::from_str(project).map_err(Error::InvalidHeaderValue)?);
                }
            }
        }
        Ok(())
    }
}

impl HttpClientExt for VertexTransport {
    fn send<T, U>(&self, _: Request<T>) -> impl Future<Output = Result<Response<LazyBody<U>>>> + Send + 'static
    where
        T: Into<Bytes>,
        U: From<Bytes> + Send + 'static,
    {
        std::future::ready(Err(Error::instance(VertexError::OnlyStreams)))
    }

    fn send_multipart<U>(
        &self,
        _: Request<MultipartForm>,
    ) -> impl Future<Output = Result<Response<LazyBody<U>>>> + Send + 'static
    where
        U: From<Bytes> + Send + 'static,
    {
        std::future::ready(Err(Error::instance(VertexError::OnlyStreams)))
    }

    async fn send_streaming<T>(&self, request: Request<T>) -> Result<StreamingResponse>
    where
        T: Into<Bytes> + Send,
    {
        let (parts, body) = request.into_parts();
        let request = self.addressed(Request::from_parts(parts, body.into()))?;
        self.inner.send_streaming(request).await
    }
}
