//! Starts native programs, for the base skill's `exec`: only those that a project lists, with an environment built from
//! nothing, in the workspace, bounded in time and output, and under Landlock where there is one.
//!
//! The only crate that starts a process. A host policy with `native = "deny"` means that it is never called.
//!
//! - [`Programs`] are those that may be started.
//! - [`Program::run`] starts one and waits for it.

mod confine;
mod output;
mod program;

pub use confine::Confinement;
pub use program::{BadProgram, Ended, Invocation, Program, Programs, RunError};
