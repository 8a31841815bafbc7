//! The user's Ctrl-C, and a request to end from whoever started the program. The first ends the run between two writes, so
//! that `--continue` goes on from there; the second ends the process at once.

use std::{io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Exit, Failure};

/// Hears signals from when it is made.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    pub(crate) fn listen() -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::new(Exit::NotStarted, format_args!("no signals: {error}"), None);
        let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let terminate = signal(SignalKind::terminate()).map_err(failed)?;
        Ok(Self { interrupt, terminate })
    }

    /// Waits for something, unless a signal comes first. What was waited for is dropped then: its requests end, and what it
    /// had recorded is on the disk.
    pub(crate) async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Exit> {
        let exit = tokio::select! {
            done = work => return Ok(done),
            exit = self.signal() => exit,
        };
        if let Ok(mut second) = Self::listen() {
            tokio::spawn(async move { process::exit(second.signal().await.into()) });
        }
        Err(exit)
    }

    async fn signal(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
        }
    }
}
