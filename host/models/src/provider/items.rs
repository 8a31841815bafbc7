//! A provider's own items, kept in the signature of the reasoning that they begin with.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A thought, and what followed it up to the next one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Items {
    pub(crate) reasoning: Value,
    /// Whether its text was withheld.
    #[serde(default)]
    pub(crate) redacted: bool,
    /// One for each text and each call; nothing for one that has no item of its own.
    #[serde(default)]
    pub(crate) following: Vec<Option<Value>>,
}

impl Items {
    pub(crate) fn to_signature(&self) -> String {
        // Values are always JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The items, unless it is a signature of the provider's.
    pub(crate) fn from_signature(signature: &str) -> Option<Self> {
        serde_json::from_str(signature).ok()
    }
}
