//! Waits in a call to the host.

use std::time::Duration;

use perstack::progress;

pub(crate) fn run(milliseconds: u64) {
    progress::report("asleep");
    std::thread::sleep(Duration::from_millis(milliseconds));
    progress::report("awake");
}
