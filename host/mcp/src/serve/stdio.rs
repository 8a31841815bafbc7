//! One client, at the other end of two streams of lines.

use std::sync::Arc;

use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::io::{AsyncRead, AsyncWrite};

use super::handler::Handler;
use super::{Offer, ServeError};
use crate::guard::Budget;
use crate::lines::Lines;

/// Serves one client until it leaves.
///
/// # Errors
/// [`ServeError`]: it did not introduce itself, or sent more than is taken.
pub async fn serve_lines(
    offer: Arc<dyn Offer>,
    from: impl AsyncRead + Send + Unpin + 'static,
    to: impl AsyncWrite + Send + Unpin + 'static,
) -> Result<(), ServeError> {
    let budget = Arc::new(Budget::default());
    let lines = Lines::new(Box::new(from), Box::new(to), budget.clone());
    let passed = |budget: &Budget| budget.reason().map(|reason| ServeError(format!("the client: {reason}")));
    let client = Client { lines, budget: budget.clone() };
    let running = match rmcp::serve_server(Handler::new(offer), client).await {
        Ok(running) => running,
        // Whoever leaves without a word wanted to know whether there is a server.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) if budget.reason().is_none() => return Ok(()),
        Err(error) => return Err(passed(&budget).unwrap_or_else(|| ServeError(error.to_string()))),
    };
    let ended = running.waiting().await;
    match (passed(&budget), ended) {
        (Some(error), _) => Err(error),
        (None, Ok(_)) => Ok(()),
        (None, Err(error)) => Err(ServeError(error.to_string())),
    }
}

/// A client's messages. Each that makes sense gives it the whole of what it may send again: it is the one who asks.
struct Client {
    lines: Lines,
    budget: Arc<Budget>,
}

impl Transport<RoleServer> for Client {
    type Error = std::io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        Transport::<RoleServer>::send(&mut self.lines, item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let message = Transport::<RoleServer>::receive(&mut self.lines).await?;
        self.budget.answered();
        Some(message)
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        Transport::<RoleServer>::close(&mut self.lines).await
    }
}
