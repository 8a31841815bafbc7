//! Speaks the Model Context Protocol: skills from servers, native ones and those elsewhere. The only crate that knows rmcp.
//!
//! It starts no process and opens no connection: who uses it hands over what does, see [`Launch`] and [`Dial`].
//!
//! - [`Server`] is one server during one run: connected when it is needed, again if it ended, and closed at last.
//! - [`ServerTools`] are the tools that it had at one time, as a tool set.
//!
//! - [`Offer`] is what MCP clients are offered, by [`serve_lines`] and [`serve_http`].
//!
//! No server is trusted. Whatever it does is an error of a call at the most; what it can make larger is bounded in
//! `limits.rs`, and what passes between it and rmcp goes through `guard.rs`.

mod calls;
mod connection;
mod definitions;
mod guard;
mod harmless;
mod http;
mod limits;
mod lines;
mod link;
mod questions;
mod results;
mod serve;
mod server;
mod stderr;

pub use harmless::harmless;
pub use link::{
    Access, Anonymous, Dial, DialError, Duplex, Launch, Launched, Life, Link, Listener, ServerEvent, Times,
};
pub use serve::{HTTP_PATH, MAX_CALLS, Offer, Progress, Report, ServeError, serve_http, serve_lines};
pub use server::{Server, ServerConfig, ServerTools};
