//! The way out: one for all guests. Connections go to addresses that were checked, over TLS that was verified.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use perstack_core::Limits;
use perstack_core::config::Destination;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wasmtime_wasi_http::Error;

use super::resolve::{Known, NoAddress, Resolver, SystemResolver, address, addresses};

/// How long connecting may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections of all guests together. More wait: each is an open file.
const MAX_CONNECTIONS: usize = Limits::MAX_CONNECTIONS as usize;

/// What the operator of the machine says about its network. By default:
/// - certificates are checked against the system's authorities
/// - names are looked up by the system's resolver
/// - only public addresses are connected to
#[derive(Clone, Debug, Default)]
pub struct EgressConfig {
    authorities: Vec<CertificateDer<'static>>,
    known: Known,
}

/// What of it cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The certificates are not in the form of PEM, or there is none.
    #[error("there is no certificate in the form of PEM: {0}")]
    NoCertificate(String),
}

impl EgressConfig {
    /// Trusts the authorities of these certificates, in the form of PEM, beside the system's own.
    ///
    /// # Errors
    /// [`EgressError::NoCertificate`].
    pub fn trust(&mut self, pem: &[u8]) -> Result<(), EgressError> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let read = read.map_err(|error| EgressError::NoCertificate(error.to_string()))?;
        if read.is_empty() {
            return Err(EgressError::NoCertificate("it is empty".into()));
        }
        self.authorities.extend(read);
        Ok(())
    }

    /// Connects to these addresses for a host, whatever they are, and does not look it up.
    pub fn pin(&mut self, host: &str, addresses: Vec<IpAddr>) {
        self.known.hosts.insert(host.to_ascii_lowercase(), addresses);
    }

    /// Connects to addresses of a range even if they are not public: those that have the first `prefix` bits in common with
    /// `first`. A range that there is not allows nothing.
    pub fn allow(&mut self, first: IpAddr, prefix: u8) {
        self.known.ranges.extend(IpNet::new(first, prefix).ok());
    }

    /// With what another says too.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.authorities.extend(other.authorities.iter().cloned());
        self.known.hosts.extend(other.known.hosts.clone());
        self.known.ranges.extend(&other.known.ranges);
        self
    }
}

/// See [`EgressConfig`].
pub(crate) struct Egress {
    config: EgressConfig,
    resolver: Box<dyn Resolver>,
    /// Read when it is first needed: the system's authorities take milliseconds.
    tls: OnceCell<TlsConnector>,
    connections: Arc<Semaphore>,
}

/// Why there is no connection.
pub(super) enum NotConnected {
    /// It may not be.
    Denied(String),
    /// It failed.
    Failed(Error),
}

impl Egress {
    pub(crate) fn new(config: EgressConfig) -> Self {
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Self { config, resolver: Box::new(SystemResolver), tls: OnceCell::new(), connections }
    }

    /// A place among the connections of all guests.
    pub(super) async fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        self.connections.clone().acquire_owned().await.map_err(|_| Error::ConnectionLimitReached)
    }

    /// The addresses of a destination, if it may be connected to.
    pub(super) async fn addresses(&self, destination: &Destination) -> Result<Vec<SocketAddr>, NotConnected> {
        addresses(destination, &self.config.known, &*self.resolver).await.map_err(|error| match error {
            NoAddress::Prohibited(address) => NotConnected::Denied(format!("its address {address} is not public")),
            NoAddress::TooMany => NotConnected::Denied("it has too many addresses".to_owned()),
            NoAddress::NotFound => NotConnected::Failed(Error::DnsError {
                rcode: Some("the name is not known".to_owned()),
                info_code: None,
            }),
            NoAddress::Timeout => NotConnected::Failed(Error::DnsTimeout),
        })
    }

    /// Connects to one of the addresses, the first that answers.
    pub(super) async fn connect(
        &self,
        destination: &Destination,
        addresses: &[SocketAddr],
        limit: Option<Duration>,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let limit = limit.map_or(CONNECT_TIMEOUT, |limit| limit.min(CONNECT_TIMEOUT));
        let connecting = async {
            let tls = self.tls.get_or_try_init(|| self.tls()).await?;
            let stream = first(addresses).await?;
            let name = match address(destination.host()) {
                Some(address) => ServerName::from(address),
                None => {
                    ServerName::try_from(destination.host().to_owned()).map_err(|_| Error::HttpRequestUriInvalid)?
                }
            };
            tls.connect(name, stream).await.map_err(tls_error)
        };
        tokio::time::timeout(limit, connecting).await.map_err(|_| Error::ConnectionTimeout)?
    }

    async fn tls(&self) -> Result<TlsConnector, Error> {
        let authorities = self.config.authorities.clone();
        let failed =
            |error: &dyn std::fmt::Display| Error::InternalError(Some(format!("TLS cannot be set up: {error}")));
        let read = tokio::task::spawn_blocking(move || {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let verifier = Verifier::new_with_extra_roots(authorities, provider.clone())?;
            let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
            // The verifier is that of the platform: nothing is left out.
            let mut config =
                config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Ok::<_, rustls::Error>(TlsConnector::from(Arc::new(config)))
        });
        read.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }
}

async fn first(addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
    let mut latest = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Requests are small; where this fails they are slower.
                drop(stream.set_nodelay(true));
                return Ok(stream);
            }
            Err(error) => latest = error,
        }
    }
    Err(Error::Connect(latest))
}

fn tls_error(error: io::Error) -> Error {
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
        _ => Error::Tls(error),
    }
}
