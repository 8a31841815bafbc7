//! Connections that the host opens for itself, the same way out as those of guests.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use perstack_core::config::Destination;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::client::TlsStream;
use wasmtime_wasi_http::Error;

use super::egress::NotConnected;
use crate::engine::Sandbox;

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// It may not be.
    #[error("{0}")]
    Denied(String),
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

/// A connection over TLS, to who it was asked for. It has its place among those of all guests.
pub struct Dialed {
    stream: TlsStream<TcpStream>,
    _place: OwnedSemaphorePermit,
}

impl Sandbox {
    /// Connects to a host: its name is looked up once, and only addresses that may be connected to are.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn dial(&self, destination: &Destination) -> Result<Dialed, DialError> {
        let failed = |error: Error| DialError::Failed(error.to_string());
        let egress = self.egress();
        let place = egress.place().await.map_err(failed)?;
        let addresses = egress.addresses(destination).await.map_err(|error| match error {
            NotConnected::Denied(reason) => DialError::Denied(reason),
            NotConnected::Failed(error) => failed(error),
        })?;
        let stream = egress.connect(destination, &addresses, None).await.map_err(failed)?;
        Ok(Dialed { stream, _place: place })
    }
}

impl AsyncRead for Dialed {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Dialed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
