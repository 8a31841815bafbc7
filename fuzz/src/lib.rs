//! What fuzzers have in common.

use perstack_core::config::ConfigError;

/// A mistake in a file is at a place in it, and can be written to a terminal.
pub fn is_shown_well(error: &ConfigError, text: &str) {
    assert!(text.get(error.span.clone()).is_some(), "{:?} is no part of the text", error.span);
    let parts = [Some(&error.message), error.label.as_ref(), error.hint.as_ref()];
    for part in parts.into_iter().flatten() {
        assert!(!part.chars().any(char::is_control), "{part:?}");
    }
    assert!(error.render("file", text).starts_with("file:"));
}
