//! What all runs of a job share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use perstack_store::JobStore;

use crate::cast::Cast;
use crate::error::RunError;
use crate::prepare::RunDefaults;
use crate::recorder::{Listener, Recorder, new_id};

/// Runs of a job that may be under way at once. Each run of an Expert's own logic keeps a place in the sandbox while it
/// waits for its delegates, so a job that could begin more might wait for itself.
const MAX_LIVE_RUNS: usize = 100;

/// What all runs of a job share.
pub(crate) struct JobScope {
    pub(crate) cast: Arc<Cast>,
    pub(crate) store: Arc<JobStore>,
    pub(crate) listener: Arc<dyn Listener>,
    pub(crate) settings: RunDefaults,
    live: Arc<AtomicUsize>,
}

/// One of the runs that are under way.
pub(crate) struct Place(Arc<AtomicUsize>);

impl JobScope {
    pub(crate) fn new(
        cast: Arc<Cast>,
        store: Arc<JobStore>,
        listener: Arc<dyn Listener>,
        settings: RunDefaults,
    ) -> Arc<Self> {
        Arc::new(Self { cast, store, listener, settings, live: Arc::default() })
    }

    /// Records events under a run of a new name.
    pub(crate) fn recorder(&self) -> Result<Arc<Recorder>, RunError> {
        let run_id = new_id()?;
        let run = self.store.run(&run_id);
        Ok(Arc::new(Recorder::new(self.store.id().clone(), run_id, run, self.listener.clone())))
    }

    /// A place for one more run; none where there are too many.
    pub(crate) fn place(&self) -> Result<Place, String> {
        let place = Place(self.live.clone());
        if self.live.fetch_add(1, Ordering::Relaxed) >= MAX_LIVE_RUNS {
            return Err(format!("more than {MAX_LIVE_RUNS} runs of one job at once"));
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
