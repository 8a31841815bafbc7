//! Times of many calls.

use std::time::{Duration, Instant};

pub(crate) async fn timed(work: impl Future<Output = ()>) -> Duration {
    let started = Instant::now();
    work.await;
    started.elapsed()
}

pub(crate) struct Row {
    pub(crate) min: Duration,
    pub(crate) median: Duration,
}

impl Row {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self { min: times[0], median: times[times.len() / 2] }
    }
}
