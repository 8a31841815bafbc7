//! Keeps jobs, runs, checkpoints, events, journals and state: in the folder `perstack` of a workspace, or elsewhere.
//!
//! ```text
//! perstack/
//!   jobs/JOB/
//!     job.json                     where the job stands
//!     lock                         held by the one process that works on the job
//!     checkpoints/ID.json
//!     runs/RUN/
//!       run-setting.json
//!       event-TIME-STEP-TYPE.json
//!       latest.json                where the run of a delegate stands
//!       journal/000001.json        what an Expert's own logic was answered, see perstack-runtime
//!     state/EXPERT/SKILL.json      state of scope `job`
//!   state/EXPERT/SKILL.json        state of scope `workspace`
//! ```
//!
//! That is how it looks in files. What is kept are documents of these names, in a [`Storage`]: [`LocalFiles`] below the
//! folder of the workspace, or one that the embedding program brings. The layout, the format, limits, and what is written
//! before what are the same in all of them.
//!
//! Every document is there whole or not at all: whoever is killed leaves the old one or the new one, and never a part. What
//! later steps depend on is durable before they go on.
//!
//! The calls block. They touch a few small documents each.

mod error;
mod folder;
mod history;
mod job;
mod journal;
mod local;
mod name;
mod promises;
mod run;
mod state;
mod storage;
mod workspace;

pub use error::StoreError;
pub use history::{EventEntry, JobHistory};
pub use job::JobStore;
pub use journal::JournalStore;
pub use local::LocalFiles;
pub use name::{InvalidName, StorageName};
pub use promises::{BrokenPromise, check_storage};
pub use run::RunStore;
pub use state::{Commit, StateAccess, StateOwner};
pub use storage::{Durability, Existing, Storage, StorageLock};
pub use workspace::Workspace;
