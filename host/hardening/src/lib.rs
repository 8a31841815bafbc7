//! Gives up for good what the process will not need: starting programs, files outside of a few places, executable
//! memory. What the kernel does not offer is said, never left out in silence.
//!
//! [`Hardening::apply`] comes first thing in `main`, before there is a second thread; nothing undoes it. [`machine`] says
//! what a host offers. The crate knows nothing of policies, components or asynchronous runtimes.

pub mod machine;

mod files;
mod hardening;
mod memory;
mod syscalls;

pub use files::{Place, Reach};
pub use hardening::{ExecutableMemory, Hardening, Missing, Outcome, Protection};
