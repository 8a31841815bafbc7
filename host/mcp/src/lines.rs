//! Messages as lines: what a native server reads from its input, and writes to its output; and what we do as one.

use std::io;
use std::sync::Arc;

use rmcp::service::{RxJsonRpcMessage, ServiceRole, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::Mutex;

use crate::guard::Budget;
use crate::limits::MAX_MESSAGE_BYTES;

type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// Both directions. What is no message is left out: some servers write more to their output than they should.
pub(crate) struct Lines {
    from: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    /// What has come of the line. Kept here, since a read may be given up in its midst.
    line: Vec<u8>,
    to: Arc<Mutex<Option<Output>>>,
    budget: Arc<Budget>,
}

impl Lines {
    pub(crate) fn new(from: Box<dyn AsyncRead + Send + Unpin>, to: Output, budget: Arc<Budget>) -> Self {
        Self { from: BufReader::new(from), line: Vec::new(), to: Arc::new(Mutex::new(Some(to))), budget }
    }

    /// The next line, without its end; none where there is no more, or too much.
    async fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            let piece = self.from.fill_buf().await.ok().filter(|piece| !piece.is_empty())?;
            let end = piece.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(piece.len(), |end| end + 1);
            self.line.extend_from_slice(&piece[..end.unwrap_or(taken)]);
            self.from.consume(taken);
            if self.line.len() > MAX_MESSAGE_BYTES {
                self.budget.end(format!("it sent a message of more than {} MiB", MAX_MESSAGE_BYTES >> 20));
                return None;
            }
            if !self.budget.bytes(taken) {
                return None;
            }
            if end.is_some() {
                return Some(std::mem::take(&mut self.line));
            }
        }
    }
}

impl<R: ServiceRole> Transport<R> for Lines {
    type Error = io::Error;

    fn send(&mut self, item: TxJsonRpcMessage<R>) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        let to = self.to.clone();
        async move {
            let mut line = serde_json::to_vec(&item)?;
            line.push(b'\n');
            let mut to = to.lock().await;
            let to = to.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            to.write_all(&line).await?;
            to.flush().await
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<R>> {
        loop {
            let line = self.line().await?;
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice(&line) {
                Ok(message) => return Some(message),
                Err(_) if self.budget.unasked() => {}
                Err(_) => return None,
            }
        }
    }

    async fn close(&mut self) -> Result<(), io::Error> {
        // A message that is being written goes with it.
        if let Ok(mut to) = self.to.try_lock() {
            *to = None;
        }
        Ok(())
    }
}
