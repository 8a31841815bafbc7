//! The state of an Expert's logic itself. Every answer is recorded, so that a run that is repeated reads what it read.

use perstack_core::{Limits, Scope, StateChange, StateError, StateSource, StoredValue};
use perstack_store::Commit;

use crate::error::RunError;
use crate::journal::Entry;
use crate::scene::Scene;

impl Scene {
    pub(crate) async fn state_get(
        &self,
        scope: Scope,
        key: String,
    ) -> Result<Result<Option<Vec<u8>>, StateError>, RunError> {
        let damaged = || RunError::DamagedJournal("a value of the state cannot be read".into());
        let same = |entry| match entry {
            Entry::StateRead { scope: its, key: recorded, value } => (its == scope && recorded == key).then_some(value),
            _ => None,
        };
        let recorded = self.replay(&mut self.progress(), "read its state", same)?;
        if let Some((_, value)) = recorded {
            return Ok(Ok(value.map(|value| value.to_bytes().ok_or_else(damaged)).transpose()?));
        }
        let open = match self.own_state().open().await {
            Ok(open) => open,
            Err(error) => return Ok(Err(error)),
        };
        let value = open.entries.get(scope, &key).map(<[u8]>::to_vec);
        let stored = value.clone().map(StoredValue::from);
        self.append(&mut self.progress(), Entry::StateRead { scope, key, value: stored })?;
        Ok(Ok(value))
    }

    pub(crate) async fn state_keys(&self, scope: Scope) -> Result<Result<Vec<String>, StateError>, RunError> {
        let same = |entry| match entry {
            Entry::StateListed { scope: its, keys } => (its == scope).then_some(keys),
            _ => None,
        };
        let recorded = self.replay(&mut self.progress(), "listed its state", same)?;
        if let Some((_, keys)) = recorded {
            return Ok(Ok(keys));
        }
        let open = match self.own_state().open().await {
            Ok(open) => open,
            Err(error) => return Ok(Err(error)),
        };
        let keys = open.entries.keys(scope);
        self.append(&mut self.progress(), Entry::StateListed { scope, keys: keys.clone() })?;
        Ok(Ok(keys))
    }

    pub(crate) async fn state_set(&self, change: StateChange) -> Result<Result<(), StateError>, RunError> {
        let full = || StateError::QuotaExceeded("it was, when this was recorded".into());
        let same = |entry| match entry {
            Entry::StateChanged { change: recorded } => (recorded == change).then_some(Ok(())),
            Entry::StateRefused { scope, key } => (scope == change.scope && key == change.key).then(|| Err(full())),
            _ => None,
        };
        let state = self.own_state();
        let recorded = self.replay(&mut self.progress(), "changed its state", same)?;
        if let Some((entry, answer)) = recorded {
            if answer.is_ok() {
                self.reapply(&state, std::slice::from_ref(&change), entry).await?;
            }
            return Ok(answer);
        }
        let mut open = match state.open().await {
            Ok(open) => open,
            Err(error) => return Ok(Err(error)),
        };
        open.entries.limit(Limits::DEFAULT_STATE);
        if let Err(error) = open.entries.apply(&change) {
            let entry = Entry::StateRefused { scope: change.scope, key: change.key };
            self.append(&mut self.progress(), entry)?;
            return Ok(Err(error));
        }
        let entry = self.append(&mut self.progress(), Entry::StateChanged { change: change.clone() })?;
        let changes = std::slice::from_ref(&change);
        self.state.apply(&state.guest, changes);
        state.access.apply(changes, Commit { run_id: &self.run_id, entry })?;
        Ok(Ok(()))
    }
}
