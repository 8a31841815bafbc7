//! Crashes, and says why.

#[expect(clippy::panic, reason = "this is the case")]
pub(crate) fn run(message: &str) {
    panic!("{message}");
}
