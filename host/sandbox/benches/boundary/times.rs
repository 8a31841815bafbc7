//! Times, in turns and as rows of a table.

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

    pub(crate) fn print(&self, name: &str) {
        println!("{name:<44} {:>12.1?} {:>12.1?}", self.min, self.median);
    }
}
