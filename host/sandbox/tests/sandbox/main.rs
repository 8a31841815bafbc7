//! The sandbox, tried by guests that are written to break out of it. `tests/guests` has the guests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod answers;
mod base;
mod cache;
mod extism;
mod fetch;
mod files;
mod harness;
mod interpreter;
mod limits;
mod load;
mod logic;
mod needs;
mod network;
mod output;
mod server;
mod state;
mod typed;
mod workspace;

use answers::*;
use fetch::*;
use files::*;
use limits::*;
use network::*;
use output::*;
use state::*;
use workspace::*;

/// A guest without a test does not compile.
macro_rules! has_a_test {
    ($case:ident) => {
        const _: fn() = $case;
    };
}

perstack_test_artifacts::foreach_sandbox!(has_a_test);
