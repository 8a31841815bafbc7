//! A provider's own items, kept in the signature of the reasoning that they begin with.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An item, and what followed it up to the next one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Items {
    /// The protocol that they are of: in any other they mean nothing.
    pub(crate) protocol: String,
    pub(crate) head: Head,
    /// One for each text and each call; nothing for one that has no item of its own.
    #[serde(default)]
    pub(crate) following: Vec<Option<Value>>,
}

/// What items begin with.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Head {
    /// A thought.
    Thought(Value),
    /// A thought whose text was withheld.
    Redacted(Value),
    /// A step of a tool that the provider ran.
    Hosted(Value),
    /// Nothing, for what came before all of those.
    Nothing,
}

/// What a signature is.
pub(crate) enum Signature {
    /// Items of this protocol.
    Items(Items),
    /// Items of another.
    Foreign(Head),
    /// A provider's own, as it came.
    Plain(String),
}

impl Items {
    pub(crate) fn to_signature(&self) -> String {
        // Values are always JSON.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Signature {
    pub(crate) fn read(signature: &str, protocol: &str) -> Self {
        match serde_json::from_str::<Items>(signature) {
            Ok(items) if items.protocol == protocol => Self::Items(items),
            Ok(items) => Self::Foreign(items.head),
            Err(_) => Self::Plain(signature.to_owned()),
        }
    }
}
