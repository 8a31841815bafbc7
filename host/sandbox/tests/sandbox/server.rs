//! A server to talk to: HTTP over TLS on this machine, under a name that an operator pinned, with an authority of its own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use perstack_sandbox::EgressConfig;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The names that it has, and that its certificate is for.
pub(crate) const HOST: &str = "api.example.com";
pub(crate) const OTHER: &str = "other.example.com";
/// A name that it has, and that its certificate is not for.
pub(crate) const UNPROVEN: &str = "unproven.example.com";

/// A server that answers as the path says.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    authority: String,
    /// Each request that came, whole.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec![HOST.to_owned(), OTHER.to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            authority: authority.pem(),
            requests: Arc::default(),
            connections: Arc::default(),
        };
        let (requests, connections) = (server.requests.clone(), server.connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (acceptor, requests) = (acceptor.clone(), requests.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        drop(serve(stream, &requests).await);
                    }
                });
            }
        });
        server
    }

    /// What an operator says who knows it.
    pub(crate) fn egress(&self) -> EgressConfig {
        let mut egress = EgressConfig::default();
        egress.trust(self.authority.as_bytes()).unwrap();
        for host in [HOST, OTHER, UNPROVEN] {
            egress.pin(host, vec![self.address.ip()]);
        }
        egress
    }

    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.address.port())
    }

    /// What the grant of a host says.
    pub(crate) fn pattern(&self, host: &str) -> String {
        self.url(host, "")
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn last_request(&self) -> String {
        self.requests.lock().unwrap().last().cloned().unwrap()
    }
}

async fn serve(mut stream: TlsStream<TcpStream>, requests: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let request = read(&mut stream).await?;
    requests.lock().unwrap().push(request.clone());
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let head = |rest: &str| format!("HTTP/1.1 200 OK\r\n{rest}\r\n");
    match path.split('?').next().unwrap_or_default() {
        "/redirect" => {
            let to = path.split_once('?').map_or("", |(_, to)| to);
            stream
                .write_all(format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n").as_bytes())
                .await?;
        }
        "/endless" => {
            stream.write_all(head("transfer-encoding: chunked\r\n").as_bytes()).await?;
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            while stream.write_all(chunk.as_bytes()).await.is_ok() {}
        }
        "/silent" => tokio::time::sleep(Duration::from_secs(3600)).await,
        "/slow" => {
            stream.write_all(head("content-length: 10\r\n").as_bytes()).await?;
            stream.write_all(b"x").await?;
            stream.flush().await?;
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        "/headers" => {
            let many: String = (0..100_000).map(|header| format!("x-{header}: {}\r\n", "y".repeat(100))).collect();
            stream.write_all(head(&many).as_bytes()).await?;
        }
        "/cut" => stream.write_all(head("content-length: 100\r\n").as_bytes()).await?,
        "/gzip" => stream.write_all(head("content-encoding: gzip\r\ncontent-length: 3\r\n").as_bytes()).await?,
        "/part" => stream.write_all(b"HTTP/1.1 206 Partial Content\r\ncontent-length: 1\r\n\r\nx").await?,
        "/nonsense" => stream.write_all(b"220 smtp.example.com ready\r\n").await?,
        // The request comes back, in the body and as a header, with pieces that cut it anywhere.
        _ => {
            let key = request.lines().find_map(|line| line.strip_prefix("x-key: ")).unwrap_or_default();
            stream.write_all(head(&format!("x-echo: {key}\r\ntransfer-encoding: chunked\r\n")).as_bytes()).await?;
            for piece in request.as_bytes().chunks(7) {
                stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
                stream.write_all(piece).await?;
                stream.write_all(b"\r\n").await?;
                stream.flush().await?;
            }
            stream.write_all(b"0\r\n\r\n").await?;
        }
    }
    stream.shutdown().await
}

/// A request with its body, as long as its headers say.
async fn read(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    let mut request = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await?;
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if read == 0 {
                return Ok(text);
            }
            continue;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let chunked = head.contains("transfer-encoding: chunked");
        if read == 0 || if chunked { body.ends_with("0\r\n\r\n") } else { body.len() >= length } {
            return Ok(text);
        }
    }
}
