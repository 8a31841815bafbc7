//! Pieces of a reply, taken out of the frames that AWS sends them in.

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_types::event_stream::Message;
use bytes::{Buf, Bytes, BytesMut};

/// One piece: an event, or what went wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// An event of this kind, with its JSON.
    Event(String, Bytes),
    /// A failure of this kind, with what is said about it.
    Failure(String, Bytes),
}

/// What has come and is no whole frame yet. Checksums are compared.
#[derive(Default)]
pub(super) struct Frames {
    decoder: MessageFrameDecoder,
    buffer: BytesMut,
}

/// A frame that is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reply makes no sense: {0}")]
pub(super) struct BadFrame(String);

impl Frames {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next piece that is there as a whole.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, BadFrame> {
        match self.decoder.decode_frame(&mut self.buffer) {
            Ok(DecodedFrame::Complete(message)) => piece(&message).map(Some),
            Ok(DecodedFrame::Incomplete) => Ok(None),
            Err(error) => Err(BadFrame(error.to_string())),
        }
    }

    /// Whether something is left over.
    pub(super) fn is_cut(&self) -> bool {
        self.buffer.has_remaining()
    }
}

fn piece(message: &Message) -> Result<Piece, BadFrame> {
    let header = |name: &str| {
        let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
        header.value().as_string().ok().map(|text| text.as_str().to_owned())
    };
    let named = |name: &str| header(name).ok_or_else(|| BadFrame(format!("a frame has no `{name}`")));
    let payload = message.payload().clone();
    Ok(match named(":message-type")?.as_str() {
        "event" => Piece::Event(named(":event-type")?, payload),
        "exception" => Piece::Failure(named(":exception-type")?, payload),
        "error" => {
            let said = header(":error-message").unwrap_or_default();
            Piece::Failure(named(":error-code")?, said.into_bytes().into())
        }
        other => return Err(BadFrame(format!("a frame is of type {other:?}"))),
    })
}

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::write_message_to;
    use aws_smithy_types::event_stream::{Header, HeaderValue};

    use super::*;

    fn frame(headers: &[(&'static str, &'static str)], payload: &'static str) -> Vec<u8> {
        let header =
            |(name, value): &(&'static str, &'static str)| Header::new(*name, HeaderValue::String((*value).into()));
        let message = Message::new_from_parts(headers.iter().map(header).collect(), payload.as_bytes());
        let mut bytes = Vec::new();
        write_message_to(&message, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn frames_may_come_in_any_pieces() {
        let mut bytes = frame(&[(":message-type", "event"), (":event-type", "messageStop")], "{}");
        bytes.extend(frame(&[(":message-type", "exception"), (":exception-type", "throttlingException")], "slow"));
        let mut frames = Frames::default();
        let mut pieces = Vec::new();
        for byte in bytes {
            frames.push(&[byte]);
            pieces.extend(frames.next().unwrap());
        }
        assert!(!frames.is_cut());
        let stop = Piece::Event("messageStop".into(), Bytes::from_static(b"{}"));
        let slow = Piece::Failure("throttlingException".into(), Bytes::from_static(b"slow"));
        assert_eq!(pieces, [stop, slow]);
    }

    #[test]
    fn a_changed_frame_is_noticed() {
        let mut bytes = frame(&[(":message-type", "event"), (":event-type", "messageStop")], "{}");
        let last = bytes.len() - 5;
        bytes[last] ^= 1;
        let mut frames = Frames::default();
        frames.push(&bytes);
        assert!(frames.next().is_err());
        let mut frames = Frames::default();
        frames.push(&frame(&[(":message-type", "gossip")], ""));
        assert!(frames.next().unwrap_err().to_string().contains("gossip"));
    }
}
