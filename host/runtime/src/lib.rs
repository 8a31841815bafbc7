//! Runs Experts: jobs, runs, steps, checkpoints and events. The crate that programs embed.
//!
//! A [`Project`] says which Experts there are. A [`Runtime`] runs one of them in a workspace, and tells a [`Listener`]
//! every event. Dropping the future of a run ends it between two writes, to be continued later:
//!
//! ```
//! # async fn example(folder: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use perstack_core::Event;
//! use perstack_runtime::{Project, Request, Runtime, RuntimeConfig, ScriptedModel, Stop, Workspace};
//!
//! std::fs::write(folder.join("perstack.toml"), "[experts.greeter]\ninstruction = 'Greet.'\n")?;
//! let project = Project::read(&folder.join("perstack.toml"))?;
//! let workspace = Workspace::open(folder)?;
//! // A model of one's own is a `perstack_core::Model`; `connect` gives those of providers.
//! let model = ScriptedModel::parse("[[experts.greeter.replies]]\ntext = 'Hello!'\n", "greetings")?;
//! let runtime = Runtime::new(RuntimeConfig { model: Some(Ok(Arc::new(model))), ..RuntimeConfig::default() })?;
//!
//! let listener = |event: &Event| println!("{}", serde_json::to_string(event).unwrap_or_default());
//! let outcome = runtime.run(&project, &workspace, Request::query("greeter", "Hi!"), listener).await?;
//! assert_eq!(outcome.stop, Stop::Completed("Hello!".to_owned()));
//! # Ok(())
//! # }
//! # let folder = tempfile::tempdir().unwrap();
//! # tokio::runtime::Runtime::new().unwrap().block_on(example(folder.path())).unwrap();
//! ```
//!
//! Jobs are kept in files of the workspace, or in whatever [`Storage`] a program brings: [`Workspace::with_storage`].
//!
//! What a host's operator allows is a [`HostPolicy`]: no project is prepared that asks for more.
//!
//! An Expert's own logic is a component that asks the host for everything. What it is answered goes into a journal
//! (`journal.rs`) before it sees it; a run that was killed starts from the top with the recorded answers (`host.rs`).
//! What the journal means for the conversation, the checkpoints and the events is in `conversation.rs`.

mod admission;
mod agent;
mod announce;
mod calls;
mod cast;
mod clock;
mod conversation;
mod delegation;
mod error;
mod exec;
#[cfg(fuzzing)]
pub mod fuzzing;
mod generate;
mod grant;
mod host;
mod inspect;
mod job;
mod journal;
mod logic_model;
mod own_state;
mod parts;
mod policy;
mod position;
mod prepare;
mod project;
mod prompt;
mod recorder;
mod request;
mod run;
mod scene;
mod schema;
mod servers;
mod service;
mod session;
mod state;
mod toolbox;
mod tools;

pub use error::{ProjectError, RunError};
pub use grant::Advice;
pub use inspect::{Inspected, Use};
pub use perstack_mcp::{HTTP_PATH, ServeError, serve_http, serve_lines};
pub use perstack_models::{ConnectError, Environment, ScriptError, ScriptedModel, connect, credentials_file};
pub use perstack_native::{ToolEnded, supervise};
pub use perstack_sandbox::{
    Cache, CacheContents, CacheError, ComponentBytes, EgressConfig, EgressError, LoadError, PackError, Purpose, pack,
};
pub use perstack_store::{
    BrokenPromise, Durability, EventEntry, Existing, InvalidName, JobHistory, LocalFiles, Storage, StorageLock,
    StorageName, StoreError, Workspace, check_storage,
};
pub use policy::{HostPolicy, PolicyError, Refusal};
pub use prepare::{NativeServers, PreparedExpert, Runtime, RuntimeConfig, accept};
pub use project::{BundledFile, Project};
pub use recorder::Listener;
pub use request::{Input, JobChoice, Outcome, Prepared, Request, Settings, SkillSummary, Stop};
pub use service::{Served, Service};
pub use session::Session;
pub use tools::{AuthorToolError, run_author_tool};
