//! What a server writes to its errors, as events.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::harmless::harmless;
use crate::limits::{MAX_LINE_BYTES, MAX_LINES, MAX_STDERR_BYTES};
use crate::link::{Listener, ServerEvent};

/// Bytes that are read at once.
const PIECE: usize = 8 << 10;

/// What is left of what a server may write in a run.
pub(crate) struct Allowance {
    lines: AtomicUsize,
    bytes: AtomicUsize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { lines: AtomicUsize::new(MAX_LINES), bytes: AtomicUsize::new(MAX_STDERR_BYTES) }
    }
}

impl Allowance {
    fn take(&self, bytes: usize) -> bool {
        let less = |by: usize| move |left: usize| left.checked_sub(by);
        self.lines.try_update(Ordering::Relaxed, Ordering::Relaxed, less(1)).is_ok()
            && self.bytes.try_update(Ordering::Relaxed, Ordering::Relaxed, less(bytes)).is_ok()
    }
}

/// Tells every line, to the end; those that are too many are read and dropped, so that the server does not wait.
pub(crate) async fn tell(
    mut from: Box<dyn AsyncRead + Send + Unpin>,
    listener: Arc<dyn Listener>,
    allowance: Arc<Allowance>,
) {
    let mut piece = vec![0; PIECE];
    let mut line = Vec::new();
    let mut silent = false;
    let mut say = |line: &[u8]| {
        let text = harmless(&String::from_utf8_lossy(line));
        let text = text.trim_end();
        if silent || text.is_empty() {
            return;
        }
        if allowance.take(text.len()) {
            listener.hear(ServerEvent::Wrote(text.to_owned()));
        } else {
            silent = true;
            listener.hear(ServerEvent::Noted("what it writes to its errors is not kept any more".to_owned()));
        }
    };
    // Where reading fails, there is no more to come.
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        for byte in &piece[..read] {
            if *byte != b'\n' {
                line.push(*byte);
            }
            if *byte == b'\n' || line.len() >= MAX_LINE_BYTES {
                say(&line);
                line.clear();
            }
        }
    }
    say(&line);
}
