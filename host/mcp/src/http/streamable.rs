//! Streamable HTTP: what rmcp asks of an HTTP client.

use std::collections::HashMap;
use std::sync::Arc;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::ExponentialBackoff;
use rmcp::transport::streamable_http_client::{
    AuthRequiredError, StreamableHttpClient, StreamableHttpClientTransportConfig, StreamableHttpError,
    StreamableHttpPostResponse,
};

use super::answer::{SseStream, Waiting};
use super::request::{Answer, EVENTS, JSON, Web, WebError};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
/// How often a stream of events that broke is opened again, one after the other.
const MAX_RECONNECTS: usize = 3;

type Failed = StreamableHttpError<WebError>;

/// A connection to an endpoint. Nothing is sent yet.
pub(crate) fn streamable(web: &Web, path: &str) -> StreamableHttpClientTransport<Web> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(format!("https://{}{path}", web.authority()));
    let mut retry = ExponentialBackoff::default();
    retry.max_times = Some(MAX_RECONNECTS);
    config.retry_config = Arc::new(retry);
    StreamableHttpClientTransport::with_client(web.clone(), config)
}

/// The path of an address that was ours before.
fn path(uri: &str) -> Result<String, Failed> {
    let uri: Uri =
        uri.parse().map_err(|error: http::uri::InvalidUri| Failed::Client(WebError::Request(error.into())))?;
    Ok(uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string))
}

fn headers(
    session: Option<&str>,
    event: Option<&str>,
    custom: HashMap<HeaderName, HeaderValue>,
) -> Result<HeaderMap, Failed> {
    let mut headers: HeaderMap = custom.into_iter().collect();
    for (name, value) in [(SESSION, session), (LAST_EVENT, event)] {
        if let Some(value) = value {
            let value = HeaderValue::from_str(value);
            headers.insert(name, value.map_err(|error| Failed::Client(WebError::Request(error.into())))?);
        }
    }
    Ok(headers)
}

/// What it means that there is no answer of the kind that was asked for.
fn refusal(answer: &Answer) -> Option<Failed> {
    let status = answer.status;
    if status == StatusCode::UNAUTHORIZED {
        let said = answer.headers.get(WWW_AUTHENTICATE).and_then(|said| said.to_str().ok()).unwrap_or_default();
        return Some(Failed::AuthRequired(AuthRequiredError::new(said.to_owned())));
    }
    (!status.is_success()).then(|| Failed::Client(WebError::Status(status.as_u16())))
}

impl StreamableHttpClient for Web {
    type Error = WebError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        let had_session = session_id.is_some();
        let headers = headers(session_id.as_deref(), None, custom_headers)?;
        let accept = format!("{JSON}, {EVENTS}");
        let json = serde_json::to_vec(&message)?;
        let answer = self.send(Method::POST, &path(&uri)?, &accept, headers, json).await.map_err(Failed::Client)?;
        if matches!(answer.status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        if answer.status == StatusCode::NOT_FOUND && had_session {
            return Err(Failed::SessionExpired);
        }
        let session = answer.headers.get(SESSION).and_then(|session| session.to_str().ok()).map(str::to_owned);
        if answer.status.is_success() && answer.is(EVENTS) {
            let waiting = match &message {
                JsonRpcMessage::Request(request) => Some(Waiting::new(request.id.clone())),
                _ => None,
            };
            return Ok(StreamableHttpPostResponse::Sse(self.events(answer.body, waiting), session));
        }
        let refused = refusal(&answer);
        if answer.is(JSON) && answer.status != StatusCode::UNAUTHORIZED {
            let body = answer.body.all().await.map_err(Failed::Client)?;
            match (serde_json::from_slice::<ServerJsonRpcMessage>(&body), refused) {
                (Ok(message), None) => return Ok(StreamableHttpPostResponse::Json(message, session)),
                // A refusal that says why.
                (Ok(message @ JsonRpcMessage::Error(_)), Some(_)) => {
                    return Ok(StreamableHttpPostResponse::Json(message, session));
                }
                (_, Some(refused)) => return Err(refused),
                (Err(_), None) if !matches!(message, JsonRpcMessage::Request(_)) => {}
                (Err(error), None) => return Err(error.into()),
            }
        } else if let Some(refused) = refused {
            return Err(refused);
        }
        // Some say nothing where they should say that they have accepted it.
        match message {
            JsonRpcMessage::Request(_) => {
                Err(Failed::UnexpectedServerResponse("it is of no type that was asked for".into()))
            }
            _ => Ok(StreamableHttpPostResponse::Accepted),
        }
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        _: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failed> {
        let headers = headers(Some(&session_id), None, custom_headers)?;
        // A server that does not end sessions lets them end by themselves.
        self.send(Method::DELETE, &path(&uri)?, JSON, headers, Vec::new()).await.map(drop).map_err(Failed::Client)
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        _: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<SseStream, Failed> {
        let headers = headers(session_id.as_deref(), last_event_id.as_deref(), custom_headers)?;
        let event = last_event_id.as_deref();
        if event.is_some() && !self.budget().reopened() {
            return Err(Failed::ServerDoesNotSupportSse);
        }
        let waiting = self.waits_after(event);
        let opened = self.send(Method::GET, &path(&uri)?, EVENTS, headers, Vec::new()).await.map_err(Failed::Client);
        let opened = opened.and_then(|answer| match refusal(&answer) {
            _ if answer.status == StatusCode::METHOD_NOT_ALLOWED => Err(Failed::ServerDoesNotSupportSse),
            Some(refused) => Err(refused),
            None if !answer.is(EVENTS) => Err(Failed::UnexpectedContentType(None)),
            None => Ok(answer),
        });
        match (opened, waiting) {
            (Ok(answer), waiting) => Ok(self.events(answer.body, waiting)),
            (Err(error), None) => Err(error),
            (Err(error), Some(waiting)) => {
                let is_passing = matches!(&error, Failed::Client(error) if error.is_passing());
                self.not_opened(event, waiting, is_passing).ok_or(error)
            }
        }
    }
}
