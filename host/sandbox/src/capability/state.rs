//! State of a skill. It is opened when a call first asks for it, and from then on the call is alone with it; what the
//! call changes is handed over with its result, for the caller to keep.

use std::sync::Arc;

use perstack_core::{OpenState, Scope, StateChange, StateChanges, StateEntries, StateError, StateSource};

use crate::bindings::state;
use crate::skill::SkillStore;

/// The state of the skill that is being called.
pub(crate) struct SkillState {
    source: Arc<dyn StateSource>,
    open: Option<OpenState>,
    changes: StateChanges,
    /// Bytes of a scope.
    quota: u64,
}

impl SkillState {
    pub(crate) fn new(source: Arc<dyn StateSource>, quota: u64) -> Self {
        Self { source, open: None, changes: Vec::new(), quota }
    }

    async fn entries(&mut self) -> Result<&mut StateEntries, StateError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.source.open().await?,
        };
        let entries = &mut self.open.insert(open).entries;
        entries.limit(self.quota);
        Ok(entries)
    }

    async fn change(&mut self, scope: Scope, key: String, value: Option<Vec<u8>>) -> Result<(), StateError> {
        let entries = self.entries().await?;
        match &value {
            Some(value) => entries.set(scope, key.clone(), value.clone())?,
            None => entries.delete(scope, &key),
        }
        // Only the last change of an entry counts, so a guest cannot pile them up.
        self.changes.retain(|earlier| (earlier.scope, &earlier.key) != (scope, &key));
        self.changes.push(StateChange { scope, key, value: value.map(Into::into) });
        Ok(())
    }

    /// The changes, and what keeps others out until they are kept.
    pub(crate) fn finish(self) -> (StateChanges, Option<OpenState>) {
        (self.changes, self.open)
    }
}

pub(crate) fn scope(scope: state::Scope) -> Scope {
    match scope {
        state::Scope::Run => Scope::Run,
        state::Scope::Job => Scope::Job,
        state::Scope::Workspace => Scope::Workspace,
    }
}

impl From<StateError> for state::Error {
    fn from(error: StateError) -> Self {
        match error {
            StateError::QuotaExceeded(_) => Self::QuotaExceeded,
            StateError::Unavailable(reason) => Self::Other(reason),
        }
    }
}

type Answer<T> = wasmtime::Result<Result<T, state::Error>>;

impl state::Host for SkillStore {
    async fn get(&mut self, its: state::Scope, key: String) -> Answer<Option<Vec<u8>>> {
        let entries = self.state.entries().await;
        Ok(entries.map(|entries| entries.get(scope(its), &key).map(<[u8]>::to_vec)).map_err(Into::into))
    }

    async fn set(&mut self, its: state::Scope, key: String, value: Vec<u8>) -> Answer<()> {
        Ok(self.state.change(scope(its), key, Some(value)).await.map_err(Into::into))
    }

    async fn delete(&mut self, its: state::Scope, key: String) -> Answer<()> {
        Ok(self.state.change(scope(its), key, None).await.map_err(Into::into))
    }

    async fn list_keys(&mut self, its: state::Scope) -> Answer<Vec<String>> {
        let entries = self.state.entries().await;
        Ok(entries.map(|entries| entries.keys(scope(its))).map_err(Into::into))
    }
}
