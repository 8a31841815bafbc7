//! The clocks that an Expert's logic sees: what was recorded, then the real ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use perstack_sandbox::GuestClock;

use crate::journal::Reading;
use crate::scene::{Halted, Scene};

/// Clock readings that may wait for the next entry: a logic that only looks at the clock makes no progress.
const MAX_READINGS: usize = 65_536;
/// What the clocks said since the last entry.
pub(crate) struct Clock {
    started: Instant,
    /// Where the monotonic clock stood when the run went live.
    offset: Option<u64>,
    latest: u64,
    pub(crate) used: usize,
    pub(crate) waiting: Vec<Reading>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), offset: None, latest: 0, used: 0, waiting: Vec::new() }
    }
}

/// The clocks that the logic sees.
pub(crate) struct SceneClock(pub(crate) Arc<Scene>);

impl GuestClock for SceneClock {
    fn wall(&self) -> Duration {
        let live = |_: &mut Clock| {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            Reading::Wall(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
        };
        Duration::from_nanos(self.0.read_clock(live))
    }

    /// Goes on from where it was recorded last: it never runs backwards, in whatever process.
    fn monotonic(&self) -> u64 {
        self.0.read_clock(|clock| {
            let since = u64::try_from(clock.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let offset = *clock.offset.get_or_insert(clock.latest.saturating_sub(since));
            Reading::Monotonic(offset.saturating_add(since).max(clock.latest))
        })
    }
}

impl Scene {
    fn read_clock(&self, live: impl FnOnce(&mut Clock) -> Reading) -> u64 {
        let mut progress = self.progress();
        let progress = &mut *progress;
        let used = progress.clock.used;
        let recorded = progress.journal.peek().map(|record| record.clock.get(used).copied());
        let reading = match recorded {
            // The kind is compared by the caller's use of it: another kind gives another way, which the next entry finds.
            Some(Some(reading)) => {
                progress.clock.used += 1;
                reading
            }
            Some(None) => {
                progress.clock.used += 1;
                live(&mut progress.clock)
            }
            None => {
                let reading = live(&mut progress.clock);
                if progress.clock.waiting.len() < MAX_READINGS {
                    progress.clock.waiting.push(reading);
                } else {
                    let reason = format!("it read the clock more than {MAX_READINGS} times in a row");
                    progress.halt.get_or_insert(Halted::Refused(reason));
                }
                reading
            }
        };
        let (Reading::Wall(nanoseconds) | Reading::Monotonic(nanoseconds)) = reading;
        if let Reading::Monotonic(nanoseconds) = reading {
            progress.clock.latest = nanoseconds;
        }
        nanoseconds
    }
}
