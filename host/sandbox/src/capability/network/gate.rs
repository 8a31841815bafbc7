//! The gate: every request of a guest passes it, or is denied by it, and is on record either way.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::uri::Scheme;
use http::{HeaderName, Method, Request, Response, header};
use perstack_core::config::{ByteSize, Destination};
use perstack_core::{CallContext, Limits, Observation, Observer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks,
};

use super::exchange::exchange;
use super::{Egress, OpenNetwork, Placeholders};
use crate::error::printable;

/// Bytes of a request's path and query: the most that servers commonly take.
pub(super) const MAX_URI_BYTES: usize = 16 << 10;
/// Denials of one call that the model is told; the first ones say why.
const MAX_NOTES: usize = 4;

/// Headers that a guest may not set, beside those that `wasi:http` keeps for itself: they are about a connection, and each
/// request has its own.
const FORBIDDEN_HEADERS: [HeaderName; 3] = [header::TE, header::TRAILER, header::EXPECT];

type Sent =
    wasmtime_wasi_http::Result<(Response<WasiBody>, Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>)>;

/// A guest's way to the network.
pub(crate) struct Gate {
    egress: Arc<Egress>,
    network: Arc<OpenNetwork>,
    placeholders: Placeholders,
    skill_name: String,
    observer: Arc<dyn Observer>,
    limits: Limits,
    /// There once something was asked for.
    call: Option<Arc<Call>>,
}

/// What one call has used, shared with its requests.
pub(super) struct Call {
    pub(super) network: Arc<OpenNetwork>,
    pub(super) placeholders: Placeholders,
    skill_name: String,
    observer: Arc<dyn Observer>,
    limits: Limits,
    requests: AtomicU64,
    connections: Arc<Semaphore>,
    sent: AtomicU64,
    received: AtomicU64,
    notes: Mutex<VecDeque<String>>,
}

impl Gate {
    pub(crate) fn new(
        egress: Arc<Egress>,
        network: Arc<OpenNetwork>,
        placeholders: Placeholders,
        skill_name: &str,
        context: &CallContext,
        limits: Limits,
    ) -> Self {
        let observer = context.observer.clone();
        Self { egress, network, placeholders, skill_name: skill_name.to_owned(), observer, limits, call: None }
    }

    /// What was denied or passed a limit, for the model: one sentence each.
    pub(crate) fn notes(&self) -> Vec<String> {
        let notes =
            |call: &Arc<Call>| call.notes.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        self.call.as_ref().map(notes).unwrap_or_default()
    }

    fn call(&mut self) -> Arc<Call> {
        let call = || {
            Arc::new(Call {
                network: self.network.clone(),
                placeholders: self.placeholders.clone(),
                skill_name: self.skill_name.clone(),
                observer: self.observer.clone(),
                limits: self.limits,
                requests: AtomicU64::new(0),
                connections: Arc::new(Semaphore::new(usize::try_from(self.limits.connections).unwrap_or(1))),
                sent: AtomicU64::new(0),
                received: AtomicU64::new(0),
                notes: Mutex::default(),
            })
        };
        self.call.get_or_insert_with(call).clone()
    }
}

impl Call {
    /// Whether a request may go where it wants to, by what it is. Gives where that is, and a place among the call's requests.
    fn admit(&self, request: &Request<WasiBody>) -> Result<(Destination, OwnedSemaphorePermit), Error> {
        if self.requests.fetch_add(1, Ordering::Relaxed) >= self.limits.requests {
            self.note(format!(
                "it made more than {} requests over the network (`limits.requests`)",
                self.limits.requests
            ));
            return Err(Error::ConnectionLimitReached);
        }
        let uri = request.uri();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if uri.scheme() != Some(&Scheme::HTTPS) {
            let port = uri.authority().and_then(|authority| authority.port_u16()).unwrap_or(80);
            return Err(self.deny(authority, port, "only `https` is ever granted"));
        }
        let destination = match Destination::https(authority) {
            Ok(destination) => destination,
            Err(error) => return Err(self.deny(authority, 443, &error.to_string())),
        };
        if !self.network.destinations.iter().any(|granted| granted.matches(&destination)) {
            return Err(self.deny_access(&destination, &format!("not granted to skill `{}`", self.skill_name)));
        }
        if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
            return Err(self.deny_access(&destination, &format!("the method {} is not for skills", request.method())));
        }
        if uri.path_and_query().is_some_and(|path| path.as_str().len() > MAX_URI_BYTES) {
            return Err(Error::HttpRequestUriTooLong);
        }
        let Ok(place) = self.connections.clone().try_acquire_owned() else {
            let most = self.limits.connections;
            self.note(format!("it had more than {most} requests over the network under way (`limits.connections`)"));
            return Err(Error::ConnectionLimitReached);
        };
        Ok((destination, place))
    }

    /// Access is given. It is on record, or it is not given.
    pub(super) fn allow(&self, destination: &Destination) -> Result<(), Error> {
        self.record(destination.host(), destination.port(), None)
    }

    /// Access is denied, for this reason.
    pub(super) fn deny_access(&self, destination: &Destination, reason: &str) -> Error {
        self.deny(destination.host(), destination.port(), reason)
    }

    fn deny(&self, host: &str, port: u16, reason: &str) -> Error {
        // What stands before an `@` may be a password.
        let host = printable(host.rsplit('@').next().unwrap_or(host));
        self.note(format!("network access to {host}:{port} denied: {reason}"));
        match self.record(&host, port, Some(reason.to_owned())) {
            Ok(()) => Error::HttpRequestDenied,
            Err(error) => error,
        }
    }

    fn record(&self, host: &str, port: u16, denied: Option<String>) -> Result<(), Error> {
        let skill_name = self.skill_name.clone();
        let access = Observation::NetworkAccess { skill_name, host: host.to_owned(), port, denied };
        self.observer.observe(access).map_err(|error| Error::InternalError(Some(error.to_string())))
    }

    fn note(&self, note: String) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() < MAX_NOTES && !notes.contains(&note) {
            notes.push_back(note);
        }
    }

    /// Bytes of bodies that are about to be sent.
    pub(super) fn sending(&self, bytes: usize) -> Result<(), Error> {
        match counted(&self.sent, bytes, self.limits.upload) {
            true => Ok(()),
            false => {
                self.note(passed("sent", "upload", self.limits.upload));
                Err(Error::HttpRequestBodySize(Some(self.limits.upload)))
            }
        }
    }

    /// Bytes of bodies that have come.
    pub(super) fn received(&self, bytes: usize) -> Result<(), Error> {
        match counted(&self.received, bytes, self.limits.download) {
            true => Ok(()),
            false => {
                self.note(passed("received", "download", self.limits.download));
                Err(Error::HttpResponseBodySize(Some(self.limits.download)))
            }
        }
    }
}

/// Whether all is within the limit, with these.
fn counted(counter: &AtomicU64, bytes: usize, limit: u64) -> bool {
    let bytes = bytes as u64;
    counter.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= limit
}

fn passed(what: &str, name: &str, limit: u64) -> String {
    format!("it {what} more than {} over the network (`limits.{name}`)", ByteSize::from_bytes(limit))
}

impl WasiHttpHooks for Gate {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(|name| DEFAULT_FORBIDDEN_HEADERS.contains(name) || FORBIDDEN_HEADERS.contains(name))
    }

    /// All of them, here: what is not granted is denied with an event.
    fn is_supported_scheme(&mut self, _: &Scheme) -> bool {
        true
    }

    /// It is made from where the request really goes.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let call = self.call();
        let admitted = call.admit(&request);
        let egress = self.egress.clone();
        Box::new(async move {
            let (destination, place) = admitted?;
            let response = exchange(call, &egress, &destination, request, options.unwrap_or_default(), place).await?;
            // What drives the connection belongs to the response's body.
            Ok((response, Box::new(std::future::ready(Ok(()))) as Box<_>))
        })
    }

    fn p2_error_from_connect(&mut self, error: &std::io::Error) -> ErrorCode {
        match error.kind() {
            std::io::ErrorKind::ConnectionRefused => ErrorCode::ConnectionRefused,
            std::io::ErrorKind::TimedOut => ErrorCode::ConnectionTimeout,
            _ => ErrorCode::DestinationUnavailable,
        }
    }

    fn p2_error_from_tls(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::TlsProtocolError
    }
}
