//! What guests of a run remember: the store's scopes `job` and `workspace`, and scope `run`, which is part of the run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use perstack_core::{OpenState, Scope, StateChange, StateEntries, StateError, StateSource, StoredValue};
use perstack_store::{JobStore, StateAccess, StateOwner};

/// The entries of scope `run`, by guest and key, as checkpoints have them.
pub(crate) type RunEntries = BTreeMap<String, BTreeMap<String, StoredValue>>;

/// What stands for the Expert's own logic in [`RunEntries`]; no skill is named so.
pub(crate) const LOGIC: &str = "%logic";

/// Scope `run` of all guests of a run. It comes from the checkpoint when a run goes on, and is made anew from
/// the journal for an Expert's own logic.
#[derive(Clone, Default)]
pub(crate) struct RunState(Arc<Mutex<RunEntries>>);

impl RunState {
    /// As it was at a checkpoint.
    pub(crate) fn of(entries: RunEntries) -> Self {
        Self(Arc::new(Mutex::new(entries)))
    }

    /// Makes the changes of scope `run`, and passes over the others.
    pub(crate) fn apply(&self, guest: &str, changes: &[StateChange]) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes.iter().filter(|change| change.scope == Scope::Run) {
            let its = entries.entry(guest.to_owned()).or_default();
            match &change.value {
                Some(value) => drop(its.insert(change.key.clone(), value.clone())),
                None => drop(its.remove(&change.key)),
            }
        }
        entries.retain(|_, its| !its.is_empty());
    }

    /// For a checkpoint.
    pub(crate) fn entries(&self) -> RunEntries {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The state of one guest of a run.
pub(crate) struct GuestState {
    pub(crate) guest: String,
    pub(crate) access: StateAccess,
    pub(crate) run: RunState,
}

impl GuestState {
    /// What a skill of an Expert remembers.
    pub(crate) fn of_skill(job: &JobStore, expert_name: &str, skill: &str, run: &RunState) -> Self {
        let owner = StateOwner { expert: expert_name.to_owned(), skill: Some(skill.to_owned()) };
        Self { guest: skill.to_owned(), access: job.state(owner), run: run.clone() }
    }
}

#[async_trait::async_trait]
impl StateSource for GuestState {
    async fn open(&self) -> Result<OpenState, StateError> {
        let failed = |error: perstack_store::StoreError| StateError::Unavailable(error.to_string());
        let guard = self.access.lock().await.map_err(failed)?;
        let mut entries = StateEntries::default();
        self.access.load(&mut entries).map_err(failed)?;
        for (key, value) in self.run.entries().remove(&self.guest).unwrap_or_default() {
            entries.apply(&StateChange { scope: Scope::Run, key, value: Some(value) })?;
        }
        Ok(OpenState { entries, guard: Box::new(guard) })
    }
}
