//! One request and its response, within their bounds.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use perstack_core::config::Destination;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::egress::{Egress, NotConnected};
use super::gate::Call;

/// How long a server may take to begin its answer, and to go on with it. The call's own limit is mostly shorter.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(300);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Headers of a response, and their bytes. Browsers take a hundred and a quarter of a megabyte.
const MAX_HEADERS: usize = 256;
const MAX_HEAD_BYTES: usize = 256 << 10;

/// Sends a request to where it may go.
pub(super) async fn exchange(
    call: Arc<Call>,
    egress: &Egress,
    destination: &Destination,
    request: Request<WasiBody>,
    options: RequestOptions,
    place: OwnedSemaphorePermit,
) -> Result<Response<WasiBody>, Error> {
    let secrets = &call.network.secrets;
    let mut request = request.map(|body| Bounded { body, call: call.clone() }.boxed_unsync());
    if !secrets.is_empty() {
        request = match secrets.fill(&call.placeholders, destination, request).await {
            Ok(request) => request,
            Err(refused) => return Err(refused.tell(&call, destination)),
        };
    }
    let places = (place, egress.place().await?);
    let denied = |error| match error {
        NotConnected::Denied(reason) => call.deny_access(destination, &reason),
        NotConnected::Failed(error) => error,
    };
    let addresses = egress.addresses(destination).await.map_err(denied)?;
    call.allow(destination)?;
    let stream = egress.connect(destination, &addresses, options.connect_timeout).await?;

    let mut connection = http1::Builder::new();
    connection.max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD_BYTES);
    let (mut sender, connection) = connection.handshake(TokioIo::new(stream)).await.map_err(failure)?;
    let driver = spawn(async move {
        // What goes wrong with it, the request or the response's body says.
        drop(connection.await);
    });
    address_to(&mut request, destination)?;
    let limit = options.first_byte_timeout.map_or(FIRST_BYTE_TIMEOUT, |limit| limit.min(FIRST_BYTE_TIMEOUT));
    let response = tokio::time::timeout(limit, sender.send_request(request)).await;
    let response = response.map_err(|_| Error::ConnectionReadTimeout)?.map_err(failure)?;

    let idle = options.between_bytes_timeout.map_or(IDLE_TIMEOUT, |limit| limit.min(IDLE_TIMEOUT));
    let response = response.map(|body| {
        let timer = Box::pin(tokio::time::sleep(idle));
        Received { body, call: call.clone(), idle, timer, _driver: driver, _places: places }.boxed_unsync()
    });
    if secrets.is_empty() { Ok(response) } else { secrets.scrub(&call.placeholders, response) }
}

/// A request to a server has a path, and says which host it is for: the one that was checked.
fn address_to(request: &mut Request<WasiBody>, destination: &Destination) -> Result<(), Error> {
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
    let host = HeaderValue::try_from(destination.authority()).map_err(|_| Error::HttpRequestUriInvalid)?;
    request.headers_mut().insert(header::HOST, host);
    Ok(())
}

/// What went wrong with a connection, in the words of `wasi:http`.
fn failure(error: hyper::Error) -> Error {
    let source = std::error::Error::source(&error);
    let ended = source.and_then(|source| source.downcast_ref()).map(io::Error::kind);
    match source.and_then(|source| source.downcast_ref()) {
        Some(Error::HttpRequestBodySize(size)) => Error::HttpRequestBodySize(*size),
        _ if error.is_incomplete_message() => Error::HttpResponseIncomplete,
        _ if ended == Some(io::ErrorKind::UnexpectedEof) => Error::HttpResponseIncomplete,
        _ => Error::HttpProtocolError,
    }
}

/// What is sent, counted.
struct Bounded {
    body: WasiBody,
    call: Arc<Call>,
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.call.sending(data.len())?;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// What comes, counted and timed. The connection lives as long as it.
struct Received {
    body: Incoming,
    call: Arc<Call>,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
    _driver: AbortOnDropJoinHandle<()>,
    _places: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            ready!(self.timer.as_mut().poll(context));
            return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
        };
        let next = Instant::now() + self.idle;
        self.timer.as_mut().reset(next);
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.call.received(data.len())?;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(failure)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
