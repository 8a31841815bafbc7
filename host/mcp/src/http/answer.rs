//! Streams of events on which an answer is waited for. One that ends without it goes on in another, where the server has said
//! after which event; else it is answered here that there is none, so that nobody waits until the time is up.

use std::sync::{MutexGuard, PoisonError};

use futures::StreamExt;
use futures::stream::{BoxStream, once, unfold};
use rmcp::model::RequestId;
use rmcp::transport::streamable_http_client::SseError;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use sse_stream::Sse;

use super::events::Events;
use super::request::{Body, Web};

/// How often in a row a stream that is to go on may fail to open.
const MAX_FAILURES: u32 = 3;
/// Answers that are waited for on streams that have ended: more than calls are made side by side.
const MAX_WAITING: usize = 256;
/// Of the range that the protocol leaves to its users.
const NO_ANSWER: i32 = -32000;

pub(super) type SseStream = BoxStream<'static, Result<Sse, SseError>>;

/// A request whose answer is to come on a stream.
pub(super) struct Waiting {
    id: RequestId,
    failures: u32,
}

impl Waiting {
    pub(super) fn new(id: RequestId) -> Self {
        Self { id, failures: 0 }
    }

    /// The answer that there is none.
    fn unanswered(&self, reason: &str) -> Sse {
        let error = json!({ "code": NO_ANSWER, "message": reason });
        let message = json!({ "jsonrpc": "2.0", "id": self.id, "error": error });
        Sse { data: Some(message.to_string()), ..Sse::default() }
    }
}

/// What tells an answer from other messages.
#[derive(Deserialize)]
struct Head {
    id: Option<RequestId>,
    method: Option<IgnoredAny>,
}

impl Web {
    fn waiting(&self) -> MutexGuard<'_, std::collections::HashMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_after(&self, event: String, waiting: Waiting) {
        let mut all = self.waiting();
        // Calls that were given up are not waited for any more.
        if all.len() >= MAX_WAITING {
            all.clear();
        }
        all.insert(event, waiting);
    }

    /// What is waited for after this event.
    pub(super) fn waits_after(&self, event: Option<&str>) -> Option<Waiting> {
        self.waiting().remove(event?)
    }

    /// A stream could not be opened that was to go on after this event. None where it is tried again.
    pub(super) fn not_opened(&self, event: Option<&str>, mut waiting: Waiting, is_passing: bool) -> Option<SseStream> {
        waiting.failures += 1;
        match event {
            Some(event) if is_passing && waiting.failures < MAX_FAILURES => {
                self.wait_after(event.to_owned(), waiting);
                None
            }
            _ => {
                let sse = waiting.unanswered("it ended the stream of its answer, which could not be opened again");
                Some(once(async move { Ok(sse) }).boxed())
            }
        }
    }

    /// The events of a body.
    pub(super) fn events(&self, body: Body, waiting: Option<Waiting>) -> SseStream {
        let reading = Reading { web: self.clone(), events: Some(Events::new(body)), waiting, latest: None };
        unfold(reading, |mut reading| async move { Some((reading.next().await?, reading)) }).boxed()
    }
}

/// A stream that is read.
struct Reading {
    web: Web,
    /// None after its end.
    events: Option<Events>,
    waiting: Option<Waiting>,
    latest: Option<String>,
}

impl Reading {
    async fn next(&mut self) -> Option<Result<Sse, SseError>> {
        let ended = loop {
            match self.events.as_mut()?.next().await {
                Ok(Some(event)) if self.is_expected(&event) => return Some(Ok(event)),
                // An answer to something else; whoever takes it for ours would read no further.
                Ok(Some(_)) if self.web.budget().unasked() => {}
                Ok(_) => break None,
                // Nothing is read of it after what went wrong.
                Err(error) => break Some(Err(SseError::Body(Box::new(error)))),
            }
        };
        self.events = None;
        let Some(waiting) = self.waiting.take() else { return ended };
        match self.latest.take() {
            Some(event) => {
                self.web.wait_after(event, waiting);
                ended
            }
            None => Some(Ok(waiting.unanswered("it ended the stream of its answer without one"))),
        }
    }

    fn is_expected(&mut self, event: &Sse) -> bool {
        self.latest = event.id.clone().or_else(|| self.latest.take());
        let Some(waiting) = &mut self.waiting else { return true };
        waiting.failures = 0;
        let head = event.data.as_deref().and_then(|data| serde_json::from_str::<Head>(data).ok());
        let Some(id) = head.filter(|head| head.method.is_none()).and_then(|head| head.id) else { return true };
        let is_ours = is_same(&id, &waiting.id);
        if is_ours {
            self.waiting = None;
        }
        is_ours
    }
}

/// Some servers write numbers as texts.
pub(crate) fn is_same(one: &RequestId, other: &RequestId) -> bool {
    one == other || one.to_string() == other.to_string()
}
