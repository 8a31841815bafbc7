//! The runtime in another program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod memory;
mod storage;
mod tools;
mod weather;
