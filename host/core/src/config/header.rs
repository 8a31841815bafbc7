//! Headers whose values have variables in them: `Bearer ${TOKEN}`.

use std::str::FromStr;

use super::error::{ConfigError, quote};
use super::fields::Field;
use super::provider::read_headers;
use super::values::{EnvName, ValueError};

/// Headers that say how a message is sent, and are the protocol's own. Cookies are for browsers.
const RESERVED: [&str; 16] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// A header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: HeaderValue,
}

/// The value of a header, with variables in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderValue(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(EnvName),
}

impl HeaderValue {
    /// The variables in it.
    pub fn variables(&self) -> impl Iterator<Item = &EnvName> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Variable(name) => Some(name),
        })
    }

    /// The value, with those of its variables.
    ///
    /// # Errors
    /// Those of `value_of`.
    pub fn fill<E>(&self, mut value_of: impl FnMut(&EnvName) -> Result<String, E>) -> Result<String, E> {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => Ok(text.clone()),
            Piece::Variable(name) => value_of(name),
        };
        self.0.iter().map(piece).collect()
    }
}

impl FromStr for HeaderValue {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, after)) = after.split_once('}') else {
                return Err(ValueError::new("`${` without a `}` after it").with_hint("a variable is written `${NAME}`"));
            };
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Variable(name.parse()?));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        Ok(Self(pieces))
    }
}

/// The headers of a server elsewhere.
pub(super) fn read(field: &Field<'_>) -> Result<Vec<Header>, ConfigError> {
    let headers = read_headers(field)?;
    let table = field.named_table()?;
    let read = |((name, value), field): ((String, String), Field<'_>)| {
        if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            let message = format!("{} is set by the host, and not in {}", quote(&name), table.place());
            return Err(field.invalid_name(message));
        }
        Ok(Header { name, value: value.parse().map_err(|error| field.value_error(error))? })
    };
    headers.into_iter().zip(table.entries()).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in() {
        let filled = |text: &str| {
            let value: HeaderValue = text.parse().unwrap();
            value.fill(|name| if name.as_str() == "A" { Ok("1".to_owned()) } else { Err(()) })
        };
        assert_eq!(filled("Bearer ${A}"), Ok("Bearer 1".into()));
        assert_eq!(filled("${A}${A}, $A {A} $"), Ok("11, $A {A} $".into()));
        assert_eq!(filled("plain"), Ok("plain".into()));
        assert_eq!(filled("${B}"), Err(()));
        for text in ["${", "${A", "${}", "${a b}", "${A}${"] {
            text.parse::<HeaderValue>().unwrap_err();
        }
    }
}
