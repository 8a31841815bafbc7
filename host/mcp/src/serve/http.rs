//! Clients over streamable HTTP, on this machine. Who has the token may call the tools; a page in a browser may not, whatever
//! name it reached this machine by: `Host` has to be this machine, and `Origin`, if there is one, this server, which has no pages.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::handler::Handler;
use super::{Offer, ServeError};
use crate::limits::MAX_MESSAGE_BYTES;

/// The path that is served.
pub const HTTP_PATH: &str = "/mcp";
/// Connections at the same time; more wait.
const MAX_CONNECTIONS: usize = 256;
/// Sessions at the same time. One that nothing is heard of for five minutes ends.
const MAX_SESSIONS: usize = 64;
/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait where no connection could be taken, for want of open files perhaps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Serves all who connect and have the token. Ends only when it is dropped.
///
/// # Errors
/// [`ServeError`]: the listener is not of this machine alone.
pub async fn serve_http(offer: Arc<dyn Offer>, listener: TcpListener, token: &str) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(|error| ServeError(error.to_string()))?;
    if !address.ip().is_loopback() {
        return Err(ServeError(format!("{address} can be reached from elsewhere")));
    }
    let port = address.port();
    let own = ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("http://{host}:{port}"));
    let config =
        StreamableHttpServerConfig::default().with_allowed_origins(own).with_max_request_body_bytes(MAX_MESSAGE_BYTES);
    let sessions = Arc::<LocalSessionManager>::default();
    let handler = Handler::new(offer);
    let service = StreamableHttpService::new(move || Ok(handler.clone()), sessions.clone(), config);
    let door =
        Arc::new(Door { token: Sha256::digest(token).into(), sessions, inner: TowerToHyperService::new(service) });
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = connections.clone().acquire_owned().await else { return Ok(()) };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let door = door.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let door = door.clone();
                async move { Ok::<_, Infallible>(door.pass(request).await) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
            // A client that breaks off is no news.
            drop(server.serve_connection(TokioIo::new(stream), service).await);
            drop(place);
        });
    }
}

/// What every request passes.
struct Door {
    /// Its digest: comparing those tells nobody how much of a token was right.
    token: [u8; 32],
    sessions: Arc<LocalSessionManager>,
    inner: TowerToHyperService<StreamableHttpService<Handler, LocalSessionManager>>,
}

impl Door {
    async fn pass(&self, request: Request<Incoming>) -> Answer {
        if request.uri().path() != HTTP_PATH {
            return refused(StatusCode::NOT_FOUND, "what is served is at /mcp");
        }
        let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer "));
        if given.map(|token| <[u8; 32]>::from(Sha256::digest(token))) != Some(self.token) {
            let mut answer = refused(StatusCode::UNAUTHORIZED, "the token is missing or wrong");
            answer.headers_mut().insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
            return answer;
        }
        let begins = !request.headers().contains_key("mcp-session-id");
        if begins && self.sessions.sessions.read().await.len() >= MAX_SESSIONS {
            return refused(StatusCode::SERVICE_UNAVAILABLE, "there are too many sessions");
        }
        match self.inner.call(request).await {
            Ok(answer) => answer.map(BodyExt::boxed_unsync),
            Err(never) => match never {},
        }
    }
}

fn refused(status: StatusCode, reason: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(reason.as_bytes())).boxed_unsync());
    *answer.status_mut() = status;
    answer
}
