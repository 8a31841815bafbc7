//! Keeps jobs, runs, checkpoints, events, journals and state in the folder `perstack` of a workspace.
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
//! Every file is written under another name and then renamed: whoever is killed leaves the old file or the new one,
//! and never a part. What later steps depend on has reached the disk before they go on.
//!
//! The calls block. They touch a few small local files each.

mod error;
mod file;
mod history;
mod job;
mod journal;
mod run;
mod state;
mod workspace;

pub use error::StoreError;
pub use history::{EventEntry, JobHistory};
pub use job::JobStore;
pub use journal::JournalStore;
pub use run::RunStore;
pub use state::{Commit, StateAccess, StateOwner};
pub use workspace::Workspace;
