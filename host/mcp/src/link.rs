//! What a server is reached by, and who is told what happens: handed over by who uses this crate.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use perstack_core::ServerInfo;
use perstack_core::config::HttpUrl;
use tokio::io::{AsyncRead, AsyncWrite};

/// How a server is reached.
#[derive(Clone)]
pub enum Link {
    /// It is a program on this machine, which talks over its input and output.
    Native(Arc<dyn Launch>),
    /// It is elsewhere.
    Remote {
        /// Where.
        endpoint: HttpUrl,
        /// Opens connections there.
        dial: Arc<dyn Dial>,
        /// What lets in.
        access: Arc<dyn Access>,
    },
}

/// Starts a program.
pub trait Launch: Send + Sync {
    /// Starts it, anew each time.
    ///
    /// # Errors
    /// It cannot be started.
    fn launch(&self) -> io::Result<Launched>;
}

/// A program that was started.
pub struct Launched {
    /// Where it reads from.
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    /// What it writes.
    pub output: Box<dyn AsyncRead + Send + Unpin>,
    /// What it writes to its errors.
    pub errors: Box<dyn AsyncRead + Send + Unpin>,
    /// Its life.
    pub life: Box<dyn Life>,
}

/// The life of a program. It ends at the latest when this is dropped.
#[async_trait::async_trait]
pub trait Life: Send + Sync {
    /// How the program ended, once it has: `exit status 1`.
    async fn ended(&self) -> String;

    /// Ends it, with all that it started.
    async fn end(self: Box<Self>);
}

/// Both directions of a connection.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Opens connections. Whether one may be opened, and to which address, is decided there; it is encrypted, and the other end is
/// who it says.
#[async_trait::async_trait]
pub trait Dial: Send + Sync {
    /// Connects to a host and port: `api.example.com:443`.
    ///
    /// # Errors
    /// [`DialError`].
    async fn dial(&self, authority: &str) -> Result<Box<dyn Duplex>, DialError>;
}

/// What lets in at a server elsewhere.
pub trait Access: Send + Sync {
    /// Headers of each request.
    fn headers(&self) -> Vec<(String, String)>;

    /// What the server says, without secrets that it was sent: it may repeat them.
    fn redact(&self, said: Vec<u8>) -> Vec<u8>;
}

/// Nothing: a server for everybody.
pub struct Anonymous;

impl Access for Anonymous {
    fn headers(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn redact(&self, said: Vec<u8>) -> Vec<u8> {
        said
    }
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// It may not be.
    #[error("denied: {0}")]
    Denied(String),
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

/// Is told what a server does. Must not block for long.
pub trait Listener: Send + Sync {
    /// Something happened.
    fn hear(&self, event: ServerEvent);
}

/// What a server does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// It is about to be started or connected to.
    Starting,
    /// It wrote a line to its errors.
    Wrote(String),
    /// It did something that it should not have, or could not do.
    Noted(String),
    /// It is ready.
    Connected {
        /// What it says it is.
        info: ServerInfo,
        /// How long that took.
        times: Times,
    },
}

/// How long a server took until it was ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Starting its process.
    pub spawn: Duration,
    /// Introducing itself.
    pub handshake: Duration,
    /// Listing its tools.
    pub discovery: Duration,
}
