//! Clocks: real ones for skills; for Expert logic what its journal says, see [`GuestClock`].

use std::sync::Arc;
use std::time::Duration;

use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// Answers an Expert's questions for the time, from its journal while a run is repeated.
pub trait GuestClock: Send + Sync {
    /// Time since 1970.
    fn wall(&self) -> Duration;
    /// Nanoseconds since an instant that is the run's own.
    fn monotonic(&self) -> u64;
}

pub(crate) fn journaled(wasi: &mut WasiCtxBuilder, clock: Arc<dyn GuestClock>) {
    wasi.wall_clock(Wall(clock.clone()));
    wasi.monotonic_clock(Monotonic(clock));
}

struct Wall(Arc<dyn GuestClock>);

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.0.wall()
    }
}

struct Monotonic(Arc<dyn GuestClock>);

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        self.0.monotonic()
    }
}
