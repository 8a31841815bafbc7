//! One request, and its answer as far as it is read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use perstack_core::config::HttpUrl;
use tokio::task::AbortHandle;

use super::answer::Waiting;
use crate::guard::Budget;
use crate::limits::{LONG_CALL_TIMEOUT, MAX_MESSAGE_BYTES};
use crate::link::{Access, Dial, DialError};

/// Headers of an answer, and their bytes. Browsers take a hundred and a quarter of a megabyte.
const MAX_HEADERS: usize = 256;
const MAX_HEAD_BYTES: usize = 256 << 10;
/// How long an answer may take to begin: as long as the longest call.
const BEGIN_TIMEOUT: Duration = LONG_CALL_TIMEOUT;

pub(crate) const JSON: &str = "application/json";
pub(crate) const EVENTS: &str = "text/event-stream";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the connection failed: {0}")]
    Connection(#[from] hyper::Error),
    #[error("it leads elsewhere (HTTP {0}), and redirects are not followed")]
    Redirect(u16),
    #[error("it answers with HTTP {0}")]
    Status(u16),
    #[error("it did not answer within {} s", BEGIN_TIMEOUT.as_secs())]
    Timeout,
    #[error("its answer is larger than {} MiB", MAX_MESSAGE_BYTES >> 20)]
    TooLarge,
    #[error("a request to it cannot be made: {0}")]
    Request(#[from] http::Error),
}

impl WebError {
    /// Whether it may be otherwise a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Dial(DialError::Failed(_)) | Self::Connection(_) | Self::Timeout => true,
            Self::Status(status) => *status >= 500,
            _ => false,
        }
    }
}

/// A server, as it is asked.
#[derive(Clone)]
pub(crate) struct Web {
    dial: Arc<dyn Dial>,
    /// Its host, with the port if that is not the usual one.
    authority: String,
    /// Sent with each request.
    headers: HeaderMap,
    access: Arc<dyn Access>,
    budget: Arc<Budget>,
    /// The status of its latest answer to something that was posted.
    posted: Arc<AtomicU16>,
    /// What is waited for on streams that have ended, by the event after which each goes on.
    pub(super) waiting: Arc<Mutex<HashMap<String, Waiting>>>,
}

impl Web {
    /// The server of an endpoint, and the endpoint's path.
    pub(crate) fn new(
        endpoint: &HttpUrl,
        dial: Arc<dyn Dial>,
        access: Arc<dyn Access>,
        budget: Arc<Budget>,
    ) -> Result<(Self, String), String> {
        let header = |(name, value): (String, String)| {
            let unusable = || format!("the header `{name}` cannot be sent");
            let mut value = HeaderValue::from_str(&value).map_err(|_| unusable())?;
            value.set_sensitive(true);
            Ok((HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?, value))
        };
        let headers = access.headers().into_iter().map(header).collect::<Result<_, String>>()?;
        let uri: Uri = endpoint.as_str().parse().map_err(|error| format!("its address cannot be used: {error}"))?;
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let path = uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
        Ok((Self { dial, authority, headers, access, budget, posted: Arc::default(), waiting: Arc::default() }, path))
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Whether it refuses what was posted, in a way in which those do that know the older way only.
    pub(crate) fn may_be_older(&self) -> bool {
        let status = self.posted.load(Ordering::Relaxed);
        (400..500).contains(&status) && !self.wants_authorization()
    }

    pub(crate) fn wants_authorization(&self) -> bool {
        matches!(self.posted.load(Ordering::Relaxed), 401 | 403)
    }

    /// Sends a request, and waits for the head of its answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        headers: HeaderMap,
        json: Vec<u8>,
    ) -> Result<Answer, WebError> {
        let is_post = method == Method::POST;
        let mut request =
            Request::builder().method(method).uri(path).header(HOST, &self.authority).header(ACCEPT, accept);
        request = request.header(USER_AGENT, concat!("perstack/", env!("CARGO_PKG_VERSION")));
        if is_post {
            request = request.header(CONTENT_TYPE, JSON);
        }
        let mut request = request.body(Full::new(Bytes::from(json)))?;
        request.headers_mut().extend(headers);
        request.headers_mut().extend(self.headers.clone());
        let stream = self.dial.dial(&self.authority).await?;
        let mut builder = http1::Builder::new();
        builder.max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD_BYTES);
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        // What goes wrong with it, the request or the answer's body says.
        let driver = Driver(tokio::spawn(async move { drop(connection.await) }).abort_handle());
        let response = tokio::time::timeout(BEGIN_TIMEOUT, sender.send_request(request)).await;
        let response = response.map_err(|_| WebError::Timeout)??;
        let status = response.status();
        if is_post {
            self.posted.store(status.as_u16(), Ordering::Relaxed);
        }
        if status.is_redirection() {
            return Err(WebError::Redirect(status.as_u16()));
        }
        let (head, incoming) = response.into_parts();
        let (budget, access) = (self.budget.clone(), self.access.clone());
        let body = Body { incoming, budget, access, _driver: driver };
        Ok(Answer { status, headers: head.headers, body })
    }
}

/// The head of an answer, and what follows.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

impl Answer {
    /// Whether its body is of this type.
    pub(crate) fn is(&self, media_type: &str) -> bool {
        let said = self.headers.get(CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
        said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
    }
}

/// What follows, piece by piece. The connection lives as long as it.
pub(crate) struct Body {
    incoming: Incoming,
    budget: Arc<Budget>,
    access: Arc<dyn Access>,
    _driver: Driver,
}

impl Body {
    /// The next piece; none at the end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, WebError> {
        while let Some(frame) = self.incoming.frame().await {
            let Ok(piece) = frame?.into_data() else { continue };
            return if self.budget.bytes(piece.len()) { Ok(Some(piece)) } else { Err(WebError::TooLarge) };
        }
        Ok(None)
    }

    /// All of it.
    pub(crate) async fn all(mut self) -> Result<Vec<u8>, WebError> {
        let mut all = Vec::new();
        while let Some(piece) = self.piece().await? {
            all.extend_from_slice(&piece);
            if all.len() > MAX_MESSAGE_BYTES {
                return Err(self.too_large());
            }
        }
        Ok(self.redact(all))
    }

    /// A whole text of it, without secrets.
    pub(crate) fn redact(&self, said: Vec<u8>) -> Vec<u8> {
        self.access.redact(said)
    }

    /// Ends the connection: whoever waits for this answer would wait for another.
    pub(crate) fn too_large(&self) -> WebError {
        self.budget.end(WebError::TooLarge.to_string());
        WebError::TooLarge
    }
}

/// What drives a connection, ended with it.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}
