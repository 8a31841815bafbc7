//! Servers that are played by functions: those that do as they should, and those that do anything else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod harness;
mod honest;
mod hostile;
mod questions;
mod remote;
