//! What a server is reached by, and who is told what happens: handed over by who uses this crate.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use perstack_core::ServerInfo;
use tokio::io::{AsyncRead, AsyncWrite};

/// How a server is reached.
#[derive(Clone)]
pub enum Link {
    /// It is a program on this machine, which talks over its input and output.
    Native(Arc<dyn Launch>),
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
