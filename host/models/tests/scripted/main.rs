//! The model that plays a script: what scripts may hold, and how they are played.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod files;
mod play;
