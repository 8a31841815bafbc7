//! A run: what it stands on, where it is, and whether an answer comes from the journal.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use perstack_core::{Id, StateChange};
use perstack_sandbox::{Answer, Halt};
use perstack_store::{Commit, StateOwner, StoreError};

use crate::cast::LoadedExpert;
use crate::clock::Clock;
use crate::conversation::Conversation;
use crate::error::RunError;
use crate::job::JobScope;
use crate::journal::{Entry, Journal, Record};
use crate::recorder::{Recorder, now};
use crate::request::Stop;
use crate::servers::Servers;
use crate::state::{GuestState, LOGIC, RunState};
use crate::toolbox::Toolbox;

/// Everything that a run stands on. What changes while it runs is in [`Progress`].
pub(crate) struct Scene {
    pub(crate) job: Arc<JobScope>,
    pub(crate) expert: Arc<LoadedExpert>,
    /// Whose journal it is. A run that stops and goes on keeps this name.
    pub(crate) run_id: Id,
    pub(crate) rank: Rank,
    pub(crate) state: RunState,
    /// Journal entries whose events and checkpoints were kept before.
    pub(crate) covered: u64,
    /// Whether the logic is another component than the one that the run began with.
    pub(crate) component_changed: bool,
    /// Bytes of images and files, in base64, that the conversation has.
    pub(crate) files: AtomicUsize,
    /// The Expert's servers, and all tools with theirs.
    pub(crate) servers: Arc<Servers>,
    pub(crate) toolbox: Mutex<Arc<Toolbox>>,
    pub(crate) progress: Mutex<Progress>,
}

/// How far a run is from the job's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rank(pub(crate) usize);

impl Rank {
    /// The run of the job's first Expert.
    pub(crate) const COORDINATOR: Self = Self(0);

    /// Whether it is the run of the job's first Expert: only that may ask the user.
    pub(crate) fn is_coordinator(self) -> bool {
        self == Self::COORDINATOR
    }
}

/// Where the run is.
pub(crate) struct Progress {
    pub(crate) journal: Journal,
    pub(crate) conversation: Conversation,
    /// Why the host stopped the logic.
    pub(crate) halt: Option<Halted>,
    pub(crate) clock: Clock,
}

/// Why a run goes no further.
#[derive(Debug)]
pub(crate) enum Halted {
    /// The run has come to a stop that belongs to it.
    Stopped(Box<Stop>),
    /// The logic did what it may not.
    Refused(String),
    /// The host cannot go on.
    Broken(RunError),
}

impl Progress {
    /// The beginning.
    pub(crate) fn new(journal: Journal, conversation: Conversation) -> Mutex<Self> {
        Mutex::new(Self { journal, conversation, halt: None, clock: Clock::new() })
    }
}

impl Scene {
    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tools that there are now.
    pub(crate) fn toolbox(&self) -> Arc<Toolbox> {
        self.toolbox.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for servers that are still starting, and takes over what has changed of their tools.
    pub(crate) async fn refresh_tools(&self) {
        if let Some(toolbox) = self.servers.refresh(&self.expert).await {
            *self.toolbox.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(toolbox);
        }
    }

    pub(crate) fn is_new(&self, entry: u64) -> bool {
        entry > self.covered
    }

    pub(crate) fn diverged(&self, entry: u64, reason: impl Into<String>) -> RunError {
        RunError::Diverged {
            expert: self.expert.config.key.clone(),
            entry,
            reason: reason.into(),
            component_changed: self.component_changed,
        }
    }

    /// The next recorded entry with its number, once all clock readings before it were used; none when live.
    pub(crate) fn recorded(&self, progress: &mut Progress) -> Result<Option<(u64, Entry)>, RunError> {
        let used = std::mem::take(&mut progress.clock.used);
        let Some(record) = progress.journal.next().cloned() else { return Ok(None) };
        let number = progress.journal.place();
        if record.clock.len() != used {
            return Err(self.diverged(number, format!("it read the clock {used} times, not {}", record.clock.len())));
        }
        Ok(Some((number, record.entry)))
    }

    pub(crate) fn append(&self, progress: &mut Progress, entry: Entry) -> Result<u64, RunError> {
        let clock = std::mem::take(&mut progress.clock.waiting);
        progress.journal.append(Record { at: now(), clock, entry })
    }

    /// The recorded answer, if `same` finds one in the recorded entry; what was asked must be what was recorded. None when
    /// live.
    pub(crate) fn replay<T>(
        &self,
        progress: &mut Progress,
        asked: &str,
        same: impl FnOnce(Entry) -> Option<T>,
    ) -> Result<Option<(u64, T)>, RunError> {
        let Some((number, entry)) = self.recorded(progress)? else { return Ok(None) };
        let answer = same(entry).ok_or_else(|| self.diverged(number, format!("it {asked}, which was not recorded")))?;
        Ok(Some((number, answer)))
    }

    /// Records the end of the run; gives the entries up to there.
    pub(crate) fn record_end(&self, progress: &mut Progress, answer: &Result<String, String>) -> Result<u64, RunError> {
        let same = |entry| match entry {
            Entry::Finished { answer: recorded } if recorded == *answer => Some(()),
            _ => None,
        };
        match self.replay(progress, "ended", same)? {
            Some((entry, ())) => Ok(entry),
            None => self.append(progress, Entry::Finished { answer: answer.clone() }),
        }
    }

    /// Where events are recorded now.
    pub(crate) fn recorder(&self) -> Arc<Recorder> {
        self.progress().conversation.recorder.clone()
    }

    pub(crate) fn skill_state(&self, skill: &str) -> GuestState {
        GuestState::of_skill(&self.job.store, &self.expert.config.name, skill, &self.state)
    }

    pub(crate) fn own_state(&self) -> GuestState {
        let owner = StateOwner { expert: self.expert.config.name.clone(), skill: None };
        GuestState { guest: LOGIC.to_owned(), access: self.job.store.state(owner), run: self.state.clone() }
    }

    /// Makes recorded changes again: those of scope `run` live in memory, and the others may not have been made before the
    /// process was killed.
    pub(crate) async fn reapply(
        &self,
        guest: &GuestState,
        changes: &[StateChange],
        entry: u64,
    ) -> Result<(), RunError> {
        self.state.apply(&guest.guest, changes);
        if self.is_new(entry) && !changes.is_empty() {
            let _held = guest.access.lock().await?;
            guest.access.apply(changes, Commit { run_id: &self.run_id, entry })?;
        }
        Ok(())
    }

    /// The answer, unless the host is at its end; then the logic is stopped, and why is kept.
    pub(crate) fn answer<T, H: Into<Halted>>(&self, answer: Result<T, H>) -> Answer<T> {
        let earlier = self.progress().halt.is_some();
        match answer {
            Ok(answer) if !earlier => Ok(answer),
            Ok(_) => Err(Halt),
            Err(halted) => {
                self.progress().halt.get_or_insert(halted.into());
                Err(Halt)
            }
        }
    }
}

impl From<RunError> for Halted {
    fn from(error: RunError) -> Self {
        match error {
            // The logic filled it.
            RunError::Store(full @ StoreError::JournalFull { .. }) => Self::Refused(full.to_string()),
            error => Self::Broken(error),
        }
    }
}
