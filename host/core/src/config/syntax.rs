//! From text to TOML values, bounded so that no text can exhaust the stack.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;

use super::bounds::MAX_KEY_PARTS;
use super::error::{ConfigError, quote};

/// Parses `text` of at most `most` bytes, or says what is wrong with its syntax.
pub(super) fn parse(text: &str, most: usize) -> Result<Spanned<DeTable<'_>>, ConfigError> {
    if text.len() > most {
        return Err(ConfigError::new(
            format!("the file is too large: {} bytes, at most {most} are read", text.len()),
            0..0,
        ));
    }
    if let Some(span) = overlong_key(text.as_bytes()) {
        return Err(ConfigError::new(format!("a key has more than {MAX_KEY_PARTS} parts"), span));
    }
    DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        match (error.message(), text.get(span.clone())) {
            ("duplicate key", Some(key)) => {
                ConfigError::new(format!("duplicate key {}", quote(key.trim_matches(['"', '\'']))), span)
                    .with_hint(Some("a key or table can be defined once only".into()))
            }
            (message, _) => ConfigError::new(format!("not valid TOML: {message}"), span),
        }
    })
}

/// The place where a dotted key has too many parts.
///
/// The parser bounds the nesting of brackets and the parts of a key, each to 80. But keys within brackets multiply the
/// two, and dropping tables thousands of levels deep exhausts the stack of a thread. What is a string or a comment is
/// decided by the same rules as in the parser's lexer, broken strings included.
fn overlong_key(text: &[u8]) -> Option<Range<usize>> {
    let mut at = if text.starts_with("\u{feff}".as_bytes()) { "\u{feff}".len() } else { 0 };
    let mut key_start = at;
    let mut dots = 0;
    while let Some(byte) = text.get(at) {
        let rest = &text[at..];
        let length = match byte {
            b'.' => {
                dots += 1;
                if dots >= MAX_KEY_PARTS {
                    return Some(key_start..at);
                }
                1
            }
            b'=' | b',' | b'[' | b']' | b'{' | b'}' | b'\n' | b'\r' => {
                dots = 0;
                key_start = at + 1;
                1
            }
            b'#' => find(rest, |tail| matches!(tail[0], b'\r' | b'\n')).unwrap_or(rest.len()),
            b'"' | b'\'' => string_length(rest, *byte),
            // A quote within a bare word does not begin a string.
            b' ' | b'\t' => 1,
            _ => find(rest, |tail| b".=,[]{} \t#\r\n".contains(&tail[0])).unwrap_or(rest.len()),
        };
        at += length;
    }
    None
}

/// The length of the string that `text` begins with, in bytes.
fn string_length(text: &[u8], quote: u8) -> usize {
    let multi_line = text.starts_with(&[quote; 3]);
    let mut at = if multi_line { 3 } else { 1 };
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += if matches!(text.get(at + 1), Some(b'\\' | b'"')) { 2 } else { 1 },
            b'\n' if !multi_line => return at,
            byte if *byte == quote && !multi_line => return at + 1,
            byte if *byte == quote && text[at..].starts_with(&[quote; 3]) => {
                // Up to two quotes before the closing three belong to the string.
                let extra = text[at + 3..].iter().take(2).take_while(|byte| **byte == quote).count();
                return at + 3 + extra;
            }
            _ => at += 1,
        }
    }
    text.len()
}

fn find(text: &[u8], matches: impl Fn(&[u8]) -> bool) -> Option<usize> {
    (0..text.len()).find(|at| matches(&text[*at..]))
}

/// Where the lines of a text begin.
pub(super) struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let after_newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { starts: std::iter::once(0).chain(after_newlines).collect() }
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MAX_FILE_BYTES;

    fn dotted(parts: usize) -> String {
        vec!["a"; parts].join(".")
    }

    #[test]
    fn nesting_that_would_exhaust_the_stack_is_refused() {
        let key = dotted(79);
        let nested = format!("[{key}]\n{}b = 1{}", format!("{key} = {{").repeat(79), "}".repeat(79));
        let arrays = format!("a = {}{}", "[".repeat(10_000), "]".repeat(10_000));
        let tables = format!("{}1{}", "a = {".repeat(10_000), "}".repeat(10_000));
        for text in [nested, arrays, tables, format!("{} = 1", dotted(10_000)), format!("[{}]", dotted(10_000))] {
            parse(&text, MAX_FILE_BYTES).unwrap_err();
        }
    }

    #[test]
    fn the_deepest_nesting_allowed_fits_the_stack_of_a_thread() {
        let key = dotted(MAX_KEY_PARTS);
        let text = format!("[{key}]\n{}b = 1{}\n", format!("{key} = {{").repeat(80), "}".repeat(80));
        parse(&text, MAX_FILE_BYTES).unwrap();
    }

    #[test]
    fn dots_in_strings_and_comments_are_no_key() {
        let dots = ".".repeat(100);
        let text = format!(
            "# {dots}\na = \"{dots}\"\nb = '{dots}'\nc = \"\"\"\"{dots}\n\\\"\"\"{dots}\"\"\"\"\"\nd = ''''{dots}'''''\n\
             e = \"\\\\\" # {dots}\nf = \"\\\"{dots}\"\n\"{dots}\" = 1\n"
        );
        parse(&text, MAX_FILE_BYTES).unwrap();
    }

    #[test]
    fn a_broken_string_does_not_hide_a_key() {
        for broken in ["\u{feff}\"#\" = 1, ", "a = \"x\n", "a = 'x\n", "a = x'\n", "a = \"\\\n"] {
            assert!(overlong_key(format!("{broken}{} = 1", dotted(40)).as_bytes()).is_some(), "{broken:?}");
        }
    }

    #[test]
    fn lines_are_counted_from_one() {
        let lines = Lines::of("a\nb\n");
        assert_eq!([0, 1, 2, 3, 4].map(|offset| lines.line(offset)), [1, 1, 2, 2, 3]);
    }
}
