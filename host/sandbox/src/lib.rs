//! Runs WASI components, each with exactly what it was granted. The only crate that knows wasmtime.
//!
//! - [`Sandbox`] holds the engine: machine code, or an interpreter for hosts that allow no executable memory. It loads components, checks what they import, compiles them or takes them from the
//!   cache, and links them once.
//! - [`Skill`] is a linked skill: a component of our world, or of any other, whose exported functions are its tools.
//!   Each call of a tool runs in a fresh instance with its [`Grants`] and [`Limits`]. An Extism plugin is one too, see
//!   `extism/`.
//! - [`inspect()`] says what a component is, imports and needs.
//! - [`pack()`] puts the documentation of its WIT into a component.
//! - [`Logic`] is a linked Expert. Everything it asks of the host goes to a [`LogicHost`].
//!
//! What a guest can reach is decided in `capability/`, one file each; what it can use up, in `limits.rs`.
//!
//! [`Limits`]: perstack_core::Limits

mod bindings;
mod cache;
mod capability;
mod component;
mod convert;
mod engine;
mod error;
mod extism;
#[cfg(fuzzing)]
pub mod fuzzing;
mod inspect;
mod limits;
mod logic;
mod logic_host;
mod nesting;
mod pack;
mod skill;
mod typed;

pub use cache::{Cache, CacheContents, CacheError};
pub use capability::{
    CONFIG, DialError, Dialed, DirectoryGrant, EgressConfig, EgressError, Grants, GuestClock, HIDDEN, NetworkGrants,
    Redactor, SecretGrant,
};
pub use component::{ComponentBytes, MAX_COMPONENT_BYTES};
pub use engine::{Sandbox, SandboxConfig};
pub use error::{Ended, LoadError};
pub use inspect::{Inspection, Purpose, inspect};
pub use logic::{Logic, LogicResult};
pub use logic_host::{
    Answer, AskError, Halt, LogicDelegation, LogicHost, LogicInput, LogicMessage, LogicModelError, LogicRequest,
    LogicToolCall, LogicToolResult,
};
pub use pack::{PackError, pack};
pub use skill::{LoadTimes, Skill};
pub use typed::{LeftOut, Reason};
