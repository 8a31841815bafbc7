//! What proves to a provider who asks, and may be told to nobody else.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Keys, and the token that some of them are exchanged for.
pub(crate) struct Credential {
    /// Nothing where the provider asks for none.
    pub(crate) keys: Vec<String>,
    pub(crate) token: TokenSlot,
    /// The variables that have them, or that say where the provider is.
    pub(crate) variables: &'static [&'static str],
}

/// The token of now, of which a request and what hides it know the same.
#[derive(Clone, Default)]
pub(crate) struct TokenSlot(Arc<Mutex<Option<Token>>>);

/// A key that ends soon.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// From when on it is not used any more.
    pub(crate) until: Instant,
}

impl Credential {
    pub(crate) fn key(key: Option<String>, variable: &'static [&'static str]) -> Self {
        Self { keys: key.into_iter().collect(), token: TokenSlot::default(), variables: variable }
    }

    /// The text without the keys, should one be repeated in it.
    pub(crate) fn hidden_in(&self, text: &str) -> String {
        let token = self.token.get().map(|token| token.text);
        self.keys.iter().chain(&token).fold(text.to_owned(), |text, key| text.replace(key.as_str(), "[key]"))
    }

    /// The variables, to be told.
    pub(crate) fn named(&self) -> String {
        self.variables.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
    }
}

impl TokenSlot {
    pub(crate) fn get(&self) -> Option<Token> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn put(&self, token: Token) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }

    /// It may have been taken back: who asks next gets another.
    pub(crate) fn doubt(&self) {
        if let Some(token) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            token.until = Instant::now();
        }
    }
}

impl fmt::Debug for TokenSlot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenSlot")
    }
}
