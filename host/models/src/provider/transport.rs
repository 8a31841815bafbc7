//! How requests are sent: with what the user adds to them, and with bounds on what comes back.

#![expect(clippy::result_large_err, reason = "the errors are rig's")]

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rig_core::http_client::{
    Error, HttpClientExt, LazyBody, MultipartForm, Request, Response, Result, StreamingResponse,
};

/// Bytes of a reply, as it is sent: each piece of text costs a few hundred.
const MAX_REPLY_BYTES: usize = 64 << 20;
/// Bytes of a body that says what went wrong, or that has a token.
const MAX_ERROR_BYTES: usize = 64 << 10;
/// How long connecting may take. The reply as a whole has the run's `timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Gemini's key is in rig's URLs, where it would be logged by every proxy on the way.
const KEY_PARAMETER: &str = "key";
const KEY_HEADER: HeaderName = HeaderName::from_static("x-goog-api-key");

/// Sends requests.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    client: reqwest::Client,
    headers: HeaderMap,
}

#[derive(Debug, thiserror::Error)]
enum TransportError {
    #[error("the provider cannot be reached: {0}")]
    Unreachable(String),
    #[error("the reply has more than {0} bytes")]
    TooLarge(usize),
    #[error("nothing is uploaded here")]
    Upload,
}

impl Transport {
    /// `headers` go with every request.
    pub(crate) fn new(headers: &[(String, String)]) -> std::result::Result<Self, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
            let mut value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
            value.set_sensitive(true);
            map.append(name, value);
        }
        // There is one for the process; if somebody has chosen already, that is it.
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT);
        // A redirect would take the key along.
        let client = builder.redirect(reqwest::redirect::Policy::none()).build().map_err(|error| error.to_string())?;
        Ok(Self { client, headers: map })
    }

    /// A whole reply, where it is small.
    pub(crate) async fn exchange(&self, request: Request<Bytes>) -> Result<Vec<u8>> {
        bounded(self.response(request).await?, MAX_ERROR_BYTES).await
    }

    async fn response<T: Into<Bytes>>(&self, request: Request<T>) -> Result<reqwest::Response> {
        let (mut parts, body) = request.into_parts();
        let mut url = reqwest::Url::parse(&parts.uri.to_string()).map_err(Error::instance)?;
        if let Some((_, key)) = url.query_pairs().find(|(name, _)| name == KEY_PARAMETER) {
            let mut value = HeaderValue::try_from(&*key).map_err(Error::InvalidHeaderValue)?;
            value.set_sensitive(true);
            parts.headers.insert(KEY_HEADER, value);
            let rest: Vec<(String, String)> = url
                .query_pairs()
                .filter(|(name, _)| name != KEY_PARAMETER)
                .map(|(a, b)| (a.into(), b.into()))
                .collect();
            url.query_pairs_mut().clear().extend_pairs(rest);
        }
        for (name, value) in &self.headers {
            parts.headers.insert(name, value.clone());
        }
        let sent = self.client.request(parts.method, url).headers(parts.headers).body(body.into()).send().await;
        let response = sent.map_err(unreachable)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = bounded(response, MAX_ERROR_BYTES).await.unwrap_or_default();
        Err(Error::non_success_with_details(status, headers, String::from_utf8_lossy(&body).into_owned()))
    }
}

/// The reason, without the URL.
fn unreachable(error: reqwest::Error) -> Error {
    use std::error::Error as _;
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = cause.to_string();
        source = cause.source();
    }
    Error::instance(TransportError::Unreachable(reason))
}

/// A whole body; what comes after the limit is not read.
async fn bounded(response: reqwest::Response, limit: usize) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(piece) = stream.try_next().await.map_err(unreachable)? {
        let left = limit - body.len();
        body.extend_from_slice(&piece[..piece.len().min(left)]);
        if body.len() == limit {
            break;
        }
    }
    Ok(body)
}

impl HttpClientExt for Transport {
    fn send<T, U>(&self, request: Request<T>) -> impl Future<Output = Result<Response<LazyBody<U>>>> + Send + 'static
    where
        T: Into<Bytes>,
        U: From<Bytes> + Send + 'static,
    {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, body.into());
        let transport = self.clone();
        async move {
            let response = transport.response::<Bytes>(request).await?;
            let mut built = Response::builder().status(response.status());
            if let Some(headers) = built.headers_mut() {
                *headers = response.headers().clone();
            }
            let body: LazyBody<U> =
                Box::pin(async move { Ok(U::from(Bytes::from(bounded(response, MAX_REPLY_BYTES).await?))) });
            built.body(body).map_err(Error::Protocol)
        }
    }

    fn send_multipart<U>(
        &self,
        _: Request<MultipartForm>,
    ) -> impl Future<Output = Result<Response<LazyBody<U>>>> + Send + 'static
    where
        U: From<Bytes> + Send + 'static,
    {
        std::future::ready(Err(Error::instance(TransportError::Upload)))
    }

    async fn send_streaming<T>(&self, request: Request<T>) -> Result<StreamingResponse>
    where
        T: Into<Bytes> + Send,
    {
        let response = self.response(request).await?;
        let mut built = Response::builder().status(response.status());
        if let Some(headers) = built.headers_mut() {
            *headers = response.headers().clone();
        }
        let mut left = MAX_REPLY_BYTES;
        let pieces = response.bytes_stream().map(move |piece| {
            let piece = piece.map_err(unreachable)?;
            left = left
                .checked_sub(piece.len())
                .ok_or_else(|| Error::instance(TransportError::TooLarge(MAX_REPLY_BYTES)))?;
            Ok(piece)
        });
        built.body(Box::pin(pieces) as _).map_err(Error::Protocol)
    }
}
