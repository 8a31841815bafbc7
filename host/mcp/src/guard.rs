//! Between a server and rmcp: what was not asked for is counted, and what nobody waits for is dropped.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rmcp::RoleClient;
use rmcp::model::{ClientNotification, JsonRpcMessage, RequestId, ServerNotification};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::sync::Notify;

use crate::calls::Calls;
use crate::http::is_same;
use crate::limits::{MAX_BYTES_BETWEEN, MAX_REOPENED, MAX_UNASKED_MESSAGES};

/// What a server has said since its last answer, and why the connection was ended, if we did.
#[derive(Default)]
pub(crate) struct Budget {
    messages: AtomicU64,
    bytes: AtomicU64,
    reopened: AtomicU64,
    ended: OnceLock<String>,
    end: Notify,
}

impl Budget {
    /// So many bytes have come. False where that is too much.
    pub(crate) fn bytes(&self, bytes: usize) -> bool {
        let all = self.bytes.fetch_add(bytes as u64, Ordering::Relaxed).saturating_add(bytes as u64);
        all <= MAX_BYTES_BETWEEN
            || self.end(format!("it sent more than {} MiB without an answer among them", MAX_BYTES_BETWEEN >> 20))
    }

    /// A message has come that nobody asked for. False where there were too many.
    pub(crate) fn unasked(&self) -> bool {
        self.messages.fetch_add(1, Ordering::Relaxed) < MAX_UNASKED_MESSAGES
            || self.end(format!("it sent more than {MAX_UNASKED_MESSAGES} messages that nobody asked for"))
    }

    /// A stream of its messages is opened again. False where there were too many.
    pub(crate) fn reopened(&self) -> bool {
        self.reopened.fetch_add(1, Ordering::Relaxed) < MAX_REOPENED
            || self.end(format!("it ended its streams more than {MAX_REOPENED} times without an answer"))
    }

    pub(crate) fn answered(&self) {
        self.reopened.store(0, Ordering::Relaxed);
        self.messages.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// Keeps why the connection is ended. Always false.
    pub(crate) fn end(&self, reason: String) -> bool {
        drop(self.ended.set(reason));
        self.end.notify_waiters();
        false
    }

    /// Waits until the connection is ended, if we do.
    pub(crate) async fn over(&self) {
        let mut ended = std::pin::pin!(self.end.notified());
        ended.as_mut().enable();
        if self.ended.get().is_none() {
            ended.await;
        }
    }

    /// Why the connection was ended, if we did.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.ended.get().map(String::as_str)
    }
}

/// A transport that passes on what is expected.
pub(crate) struct Guarded<T> {
    inner: T,
    budget: Arc<Budget>,
    calls: Arc<Calls>,
    /// Requests without an answer.
    open: HashSet<RequestId>,
}

impl<T> Guarded<T> {
    pub(crate) fn new(inner: T, budget: Arc<Budget>, calls: Arc<Calls>) -> Self {
        Self { inner, budget, calls, open: HashSet::new() }
    }

    /// Whether somebody waits for this answer; not for another.
    fn is_expected(&mut self, id: &RequestId) -> bool {
        match self.open.iter().find(|open| is_same(open, id)).cloned() {
            Some(open) => self.open.remove(&open),
            None => false,
        }
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Guarded<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        match &item {
            JsonRpcMessage::Request(request) => {
                self.open.insert(request.id.clone());
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.open.remove(id);
                }
            }
            _ => {}
        }
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            let message = tokio::select! {
                message = self.inner.receive() => message?,
                () = self.budget.over() => return None,
            };
            let answers = match &message {
                JsonRpcMessage::Response(response) => Some(self.is_expected(&response.id)),
                JsonRpcMessage::Error(error) => match &error.id {
                    Some(id) => Some(self.is_expected(id)),
                    // It could not read which request it was.
                    None => Some(!self.open.is_empty()),
                },
                _ => None,
            };
            if answers == Some(true) {
                self.budget.answered();
                return Some(message);
            }
            if !self.budget.unasked() {
                return None;
            }
            if let JsonRpcMessage::Notification(notification) = &message
                && let ServerNotification::ProgressNotification(said) = &notification.notification
            {
                // Here, in the order in which they come: rmcp may take up an answer before what came ahead of it.
                self.calls.report(&said.params);
            }
            if answers.is_none() {
                return Some(message);
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}
