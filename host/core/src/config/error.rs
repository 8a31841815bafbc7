//! What is wrong with a `perstack.toml` or a file that is read like it, and where.

use std::fmt;
use std::fmt::Write as _;
use std::ops::Range;

/// One mistake in a `perstack.toml`, or in another [`Document`](super::Document).
///
/// The parts are kept apart so that a program can draw the snippet as it likes; [`render`](Self::render) is the plain
/// form. No part contains control characters, whatever the file holds, so all may be written to a terminal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// What is wrong, with the subject in backticks: one line, without a final period.
    pub message: String,
    /// The place in the text, in bytes.
    pub span: Range<usize>,
    /// A few words to stand under the marked place, such as "did you mean `capabilities`?".
    pub label: Option<String>,
    /// What to do about it, in a sentence of its own.
    pub hint: Option<String>,
}

impl ConfigError {
    pub(super) fn new(message: impl AsRef<str>, span: Range<usize>) -> Self {
        Self { message: visible(message.as_ref()), span, label: None, hint: None }
    }

    /// With a few words to stand under the marked place.
    #[must_use]
    pub fn with_label(mut self, label: Option<String>) -> Self {
        self.label = label.map(|label| visible(&label));
        self
    }

    /// With what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.map(|hint| visible(&hint));
        self
    }

    /// Where the mistake begins in `text`, which must be the text that was parsed.
    pub fn line_column(&self, text: &str) -> Position {
        Position::of(self.span.start, text)
    }

    /// `perstack.toml:42:34: unknown field …`, then a line for each hint.
    ///
    /// `path` is shown as it is; `text` must be the text that was parsed.
    pub fn render(&self, path: &str, text: &str) -> String {
        let mut rendered = format!("{path}:{}: {}", self.line_column(text), self.message);
        for advice in [&self.label, &self.hint].into_iter().flatten() {
            // Writing to a String cannot fail.
            let _ = write!(rendered, "\n  hint: {advice}");
        }
        rendered
    }
}

/// A place in a text as editors count it: lines and characters from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

impl Position {
    /// The position of the byte `offset` of `text`; past the end it is the end.
    pub fn of(offset: usize, text: &str) -> Self {
        let before = &text.as_bytes()[..offset.min(text.len())];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: String::from_utf8_lossy(&before[line_start..]).chars().count() + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// Where something is defined, kept beside what was read so that a later message can name the line.
///
/// For a table with a header it is the header; for an inline table the whole of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// Line of the first byte, from 1: the text itself may be gone when the line is wanted.
    pub line: usize,
}

/// Longest name that a message repeats in full: longer ones would hide the message.
const MAX_QUOTED_CHARACTERS: usize = 80;

/// `text` in backticks, cut where it is too long to be read.
pub(super) fn quote(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED_CHARACTERS) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

/// The items in backticks, separated by commas.
pub(super) fn quote_all<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    items.into_iter().map(quote).collect::<Vec<_>>().join(", ")
}

/// A file may have been written to deceive: escape sequences and characters that turn the direction of text are shown
/// as numbers.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || turns {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}
