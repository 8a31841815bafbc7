//! One reply of a script, and how it is played.

use std::time::Duration;

use perstack_core::{Deltas, Generation, Message, ModelError, Part};

/// What the model does when it is asked.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// A user message must contain this.
    pub(super) query: Option<String>,
    /// Time before the first piece.
    pub(super) delay: Duration,
    /// Time between two pieces.
    pub(super) piece_delay: Duration,
    /// What is streamed.
    pub(super) pieces: Vec<Piece>,
    /// How it ends. After an error, the pieces were those of a connection that was cut.
    pub(super) outcome: Result<Generation, ModelError>,
}

/// What is streamed at once.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Reasoning(String),
    Text(String),
}

impl Reply {
    /// Whether it is a reply to this conversation.
    pub(super) fn fits(&self, messages: &[Message]) -> bool {
        let Some(query) = &self.query else {
            return true;
        };
        messages.iter().any(|message| match message {
            Message::UserMessage { contents, .. } => {
                contents.iter().any(|part| matches!(part, Part::TextPart { text, .. } if text.contains(query)))
            }
            Message::InstructionMessage { .. } | Message::ExpertMessage { .. } | Message::ToolMessage { .. } => false,
        })
    }

    pub(super) async fn play(&self, deltas: &dyn Deltas) -> Result<Generation, ModelError> {
        pause(self.delay).await;
        for (index, piece) in self.pieces.iter().enumerate() {
            if index > 0 {
                pause(self.piece_delay).await;
            }
            match piece {
                Piece::Reasoning(piece) => deltas.reasoning(piece),
                Piece::Text(piece) => deltas.text(piece),
            }
        }
        self.outcome.clone()
    }
}

/// Without a delay there is no pause: tokio's shortest is a millisecond.
async fn pause(delay: Duration) {
    if delay > Duration::ZERO {
        tokio::time::sleep(delay).await;
    }
}
