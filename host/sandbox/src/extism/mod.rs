//! Extism plugins as skills: core modules that talk to their host through the functions of `extism:host/env`, on our
//! engine, under our grants and limits.
//!
//! - `module.rs` looks at a plugin before it is compiled: what it imports, and which functions list and call its tools.
//! - `store.rs` is what a call has: blocks of bytes (`blocks.rs`) that plugin and host hand to each other, and variables.
//! - `env.rs` has the functions; the one that makes requests is in `http.rs`, behind the gate of every skill.
//! - `tools.rs` reads what a plugin answers.

mod blocks;
mod env;
mod http;
mod module;
mod plugin;
mod store;
mod tools;

#[cfg(fuzzing)]
pub(crate) use self::blocks::Blocks;
pub(crate) use self::env::linker;
pub(crate) use self::module::{check, is_plugin};
pub(crate) use self::plugin::{Plugin, Returned};
pub(crate) use self::store::{Answers, PluginStore};
pub(crate) use self::tools::{definitions, output};
