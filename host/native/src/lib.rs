//! Starts native programs: for the base skill's `exec` those that a project lists, with an environment built from nothing, in
//! the workspace, bounded in time and output, and under Landlock; and the servers of native skills, which have more, and
//! which a supervisor ends whatever happens.
//!
//! The only crate that starts a process. A host policy with `native = "deny"` means that it is never called.
//!
//! - [`Programs`] are those that may be started.
//! - [`Program::run`] starts one and waits for it.
//! - [`ServerProgram::start`] starts a server; [`supervise`] is what stands between.
//! - [`Tool::run`] starts a tool of a skill's author, who asked for it: it has all that the user has.

mod confine;
mod output;
mod program;
mod server;
mod supervisor;
mod tool;

pub use confine::Confinement;
pub use program::{BadProgram, Ended, Invocation, Program, Programs, RunError};
pub use server::{Life, RunningServer, ServerProgram, find_program};
pub use supervisor::supervise;
pub use tool::{Tool, ToolEnded};
