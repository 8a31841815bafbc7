//! A stream of events, as `text/event-stream` has them.

use std::time::Duration;

use sse_stream::Sse;

use super::request::{Body, WebError};
use crate::limits::{MAX_EVENT_ID, MAX_MESSAGE_BYTES, REOPEN_AFTER};

/// The events of a body.
pub(crate) struct Events {
    body: Body,
    /// What has come and was not looked at.
    rest: Vec<u8>,
    looked_at: usize,
    event: Pending,
}

/// An event of which not all has come.
#[derive(Default)]
struct Pending {
    event: Option<String>,
    data: Option<String>,
    id: Option<String>,
    retry: Option<u64>,
}

impl Events {
    pub(crate) fn new(body: Body) -> Self {
        Self { body, rest: Vec::new(), looked_at: 0, event: Pending::default() }
    }

    /// The next event; none at the end. What has come of one before the end is none.
    pub(crate) async fn next(&mut self) -> Result<Option<Sse>, WebError> {
        loop {
            while let Some(line) = self.line() {
                if let Some(event) = self.event.take(&line) {
                    return Ok(Some(event));
                }
                if self.event.data.as_ref().is_some_and(|data| data.len() > MAX_MESSAGE_BYTES) {
                    return Err(self.body.too_large());
                }
            }
            if self.rest.len() > MAX_MESSAGE_BYTES {
                return Err(self.body.too_large());
            }
            match self.body.piece().await? {
                Some(piece) => self.rest.extend_from_slice(&piece),
                None => return Ok(None),
            }
        }
    }

    /// The next line, if all of it has come.
    fn line(&mut self) -> Option<String> {
        let found = self.rest[self.looked_at..].iter().position(|byte| *byte == b'\n');
        let Some(end) = found.map(|found| self.looked_at + found) else {
            self.looked_at = self.rest.len();
            return None;
        };
        let line = self.rest[..end].strip_suffix(b"\r").unwrap_or(&self.rest[..end]);
        let line = String::from_utf8_lossy(&self.body.redact(line.to_vec())).into_owned();
        self.rest.drain(..=end);
        self.looked_at = 0;
        Some(line)
    }
}

/// Milliseconds after which a stream is opened again, as a server wants it.
fn pause(wanted: u64) -> u64 {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    wanted.clamp(milliseconds(REOPEN_AFTER.0), milliseconds(REOPEN_AFTER.1))
}

impl Pending {
    /// Takes one line; an empty one ends the event.
    fn take(&mut self, line: &str) -> Option<Sse> {
        if line.is_empty() {
            let Self { event, data, id, retry } = std::mem::take(self);
            let said = data.is_some() || event.is_some() || retry.is_some();
            return said.then_some(Sse { event, data, id, retry });
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "event" => self.event = Some(value.to_owned()),
            "id" => self.id = (value.len() <= MAX_EVENT_ID).then(|| value.to_owned()),
            "retry" => self.retry = value.parse().ok().map(pause),
            // A comment, or of a later version.
            _ => {}
        }
        None
    }
}
