//! Other Experts. For Experts.

use crate::host;

/// An Expert that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegate {
    /// Its key, with version where it has one.
    pub expert_key: String,
    /// What it is for.
    pub description: String,
}

/// One request to another Expert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// Key of the Expert.
    pub expert_key: String,
    /// What it is asked.
    pub query: String,
}

impl Delegation {
    /// A request to an Expert.
    pub fn new(expert_key: impl Into<String>, query: impl Into<String>) -> Self {
        Self { expert_key: expert_key.into(), query: query.into() }
    }
}

/// The Experts that may be asked.
pub fn list() -> Vec<Delegate> {
    host::list_delegates()
}

/// Runs each delegation as its own run of the job, side by side, and returns the answers in order. A failed run is
/// its error's text.
pub fn run(delegations: Vec<Delegation>) -> Vec<Result<String, String>> {
    host::run_delegates(delegations)
}
