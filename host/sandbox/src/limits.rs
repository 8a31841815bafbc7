//! What a guest may use up: memory and tables through wasmtime's limiter, time through a stopwatch.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use perstack_core::Limits;
use wasmtime::ResourceLimiter;

use crate::error::Ended;

/// Tables of a guest, over all its core instances.
pub(crate) const MAX_TABLES: usize = 100;
/// Linear memories of a guest, over all its core instances.
pub(crate) const MAX_MEMORIES: usize = 20;
/// Random bytes that one request may ask for: a key or a seed, many times over.
pub(crate) const MAX_RANDOM_BYTES: u64 = 64 << 10;

/// Counts memory over all memories of a store, and remembers which limit was hit: the guest sees a failed growth, and
/// mostly crashes a moment later for another reason.
pub(crate) struct Limiter {
    memory_limit: u64,
    memory_used: u64,
    table_limit: u64,
    table_used: u64,
    instances: usize,
    pub(crate) hit: Option<Ended>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_limit: limits.memory,
            memory_used: 0,
            table_limit: limits.table_elements,
            table_used: 0,
            instances: usize::try_from(limits.instances).unwrap_or(usize::MAX),
            hit: None,
        }
    }

    /// Counts memory, unless it is too much: a guest's own, or what the host keeps for it.
    pub(crate) fn take(&mut self, bytes: u64) -> bool {
        let wanted = self.memory_used.saturating_add(bytes);
        if wanted > self.memory_limit {
            self.hit = Some(Ended::Memory(self.memory_limit));
            return false;
        }
        self.memory_used = wanted;
        true
    }

    /// Counts memory no longer that was taken.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        self.memory_used = self.memory_used.saturating_sub(bytes);
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.take(desired.saturating_sub(current) as u64))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.table_used.saturating_add(desired.saturating_sub(current) as u64);
        if wanted > self.table_limit {
            self.hit = Some(Ended::Table(self.table_limit));
            return Ok(false);
        }
        self.table_used = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}

/// Measures the time that counts against a guest's limit. It runs from the start, and stands still while a
/// [`Paused`] lives.
#[derive(Clone)]
pub(crate) struct Stopwatch(Arc<Mutex<Reading>>);

struct Reading {
    before: Duration,
    since: Option<Instant>,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Arc::new(Mutex::new(Reading { before: Duration::ZERO, since: Some(Instant::now()) })))
    }

    /// Stands still until the answer is dropped.
    pub(crate) fn pause(&self) -> Paused {
        let mut reading = self.reading();
        let ran = reading.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        reading.before += ran;
        Paused(self.clone())
    }

    fn elapsed(&self) -> Duration {
        let reading = self.reading();
        reading.before + reading.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the stopwatch run on when it is dropped.
pub(crate) struct Paused(Stopwatch);

impl Drop for Paused {
    fn drop(&mut self) {
        self.0.reading().since = Some(Instant::now());
    }
}

/// Polls `call` until it is done or the stopwatch passes `limit`; then it is dropped, wherever it is.
///
/// # Errors
/// [`Ended::Timeout`].
pub(crate) async fn within<T>(
    limit: Duration,
    stopwatch: &Stopwatch,
    call: impl Future<Output = T>,
) -> Result<T, Ended> {
    let watch = async {
        loop {
            let left = limit.saturating_sub(stopwatch.elapsed());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    };
    tokio::select! {
        biased;
        done = call => Ok(done),
        () = watch => Err(Ended::Timeout(limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_are_added_up() {
        let mut limiter = Limiter::new(&Limits { memory: 100, ..Limits::default() });
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 60, None).unwrap());
        assert_eq!(limiter.hit, Some(Ended::Memory(100)));
        assert!(limiter.memory_growing(60, 100, None).unwrap());
    }

    #[tokio::test]
    async fn a_pause_does_not_count() {
        let stopwatch = Stopwatch::start();
        drop(stopwatch.pause());
        let limit = Duration::from_millis(20);
        let asleep = within(limit, &stopwatch, std::future::pending::<()>()).await;
        assert_eq!(asleep, Err(Ended::Timeout(limit)));
        let stopwatch = Stopwatch::start();
        let paused = stopwatch.pause();
        let waiting = within(limit, &stopwatch, tokio::time::sleep(3 * limit)).await;
        assert_eq!(waiting, Ok(()));
        drop(paused);
    }
}
