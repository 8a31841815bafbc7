//! Events: made, kept, told, in this order.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use perstack_core::{Event, EventBody, Id, NotKept, Observation, Observer, ProxyAction, RunEvent, RuntimeEvent};
use perstack_store::RunStore;

use crate::error::RunError;

/// Is told every event, after it was kept. Must not block for long.
pub trait Listener: Send + Sync {
    /// Something happened.
    fn hear(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Listener for F {
    fn hear(&self, event: &Event) {
        self(event);
    }
}

/// Records the events of one run.
pub(crate) struct Recorder {
    job_id: Id,
    run_id: Id,
    store: RunStore,
    listener: Arc<dyn Listener>,
    latest: Mutex<u64>,
}

impl Recorder {
    pub(crate) fn new(job_id: Id, run_id: Id, store: RunStore, listener: Arc<dyn Listener>) -> Self {
        Self { job_id, run_id, store, listener, latest: Mutex::new(0) }
    }

    pub(crate) fn job_id(&self) -> &Id {
        &self.job_id
    }

    pub(crate) fn run_id(&self) -> &Id {
        &self.run_id
    }

    /// Records what happened around the run.
    pub(crate) fn runtime(&self, event: RuntimeEvent) -> Result<(), RunError> {
        self.record(EventBody::Runtime(Box::new(event)))
    }

    /// Records what happened in a step.
    pub(crate) fn step(&self, expert_key: &str, step_number: u64, event: RunEvent) -> Result<(), RunError> {
        self.record(EventBody::Run { expert_key: expert_key.to_owned(), step_number, event: Box::new(event) })
    }

    fn record(&self, body: EventBody) -> Result<(), RunError> {
        // Held while the event is told too: listeners hear events in the order of their times.
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let timestamp = now().max(*latest + 1);
        let event = Event { id: new_id()?, timestamp, job_id: self.job_id.clone(), run_id: self.run_id.clone(), body };
        self.store.put_event(&event)?;
        *latest = timestamp;
        self.listener.hear(&event);
        Ok(())
    }
}

impl Observer for Recorder {
    fn observe(&self, observation: Observation) -> Result<(), NotKept> {
        let event = match observation {
            Observation::Progress { skill_name, tool_call_id, message, fraction } => {
                RuntimeEvent::SkillProgress { skill_name, tool_call_id, message, fraction }
            }
            Observation::FileDenied { skill_name, path, reason } => {
                RuntimeEvent::FileDenied { skill_name, path, reason }
            }
            Observation::NetworkAccess { skill_name, host: domain, port, denied: reason } => {
                let action = if reason.is_some() { ProxyAction::Blocked } else { ProxyAction::Allowed };
                RuntimeEvent::ProxyAccess { action, domain, port, reason, skill_name }
            }
        };
        self.runtime(event).map_err(|error| NotKept(error.to_string()))
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A new identifier.
pub(crate) fn new_id() -> Result<Id, RunError> {
    let mut entropy = [0; 24];
    getrandom::fill(&mut entropy).map_err(|error| RunError::NoEntropy(error.to_string()))?;
    Ok(Id::from_entropy(entropy))
}
