//! Runs Experts: jobs, runs, steps, checkpoints and events. The crate that programs embed.
//!
//! A [`Project`] says which Experts there are. A [`Runtime`] runs one of them in a workspace, and tells a [`Listener`]
//! every event:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use perstack_runtime::{Project, Request, Runtime, RuntimeConfig};
//!
//! let project = Project::discover(std::path::Path::new("."))?.ok_or("no perstack.toml")?;
//! let runtime = Runtime::new(RuntimeConfig::default())?;
//! let workspace = perstack_runtime::Workspace::open(std::path::Path::new("."))?;
//! let request = Request::query("tic-tac-toe", "Let's play!");
//! let outcome = runtime.run(&project, &workspace, request, |event: &perstack_core::Event| {
//!     println!("{}", serde_json::to_string(event).unwrap_or_default());
//! });
//! println!("{:?}", outcome.await?);
//! # Ok(())
//! # }
//! ```
//!
//! An Expert's own logic is a component that asks the host for everything. What it is answered goes into a journal
//! (`journal.rs`) before it sees it; a run that was killed starts from the top with the recorded answers (`host.rs`).
//! What the journal means for the conversation, the checkpoints and the events is in `conversation.rs`.

mod agent;
mod announce;
mod calls;
mod cast;
mod clock;
mod conversation;
mod delegation;
mod error;
mod generate;
mod host;
mod job;
mod journal;
mod logic_model;
mod own_state;
mod parts;
mod position;
mod prepare;
mod project;
mod prompt;
mod recorder;
mod request;
mod run;
mod scene;
mod state;
mod toolbox;

pub use error::{ProjectError, RunError};
pub use perstack_models::{ConnectError, Environment, ScriptError, ScriptedModel, connect};
pub use perstack_sandbox::{Cache, CacheError, ComponentBytes, PackError, pack};
pub use perstack_store::{EventEntry, JobHistory, StoreError, Workspace};
pub use prepare::{PreparedExpert, Runtime, RuntimeConfig};
pub use project::{BundledFile, Project};
pub use recorder::Listener;
pub use request::{Input, JobChoice, Outcome, Prepared, Request, Settings, SkillSummary, Stop};
