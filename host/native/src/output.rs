//! What a program says, up to a limit. The rest is read and thrown away, so that it does not wait.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// What was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) text: Vec<u8>,
    /// Bytes that were thrown away.
    pub(crate) cut: u64,
}

/// Reads to the end.
pub(crate) async fn read(mut from: impl AsyncRead + Unpin, limit: usize, said: &mut Said) {
    let mut piece = vec![0; PIECE];
    // Where reading fails, there is no more to come.
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        let taken = read.min(limit.saturating_sub(said.text.len()));
        said.text.extend_from_slice(&piece[..taken]);
        said.cut += (read - taken) as u64;
    }
}

impl Said {
    /// As text, with a note where it was cut.
    pub(crate) fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.text);
        match self.cut {
            0 => text.into_owned(),
            cut => format!("{text}\n[cut off here: {cut} more bytes]"),
        }
    }
}
