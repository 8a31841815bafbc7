//! Both clocks: milliseconds since 1970, and nanoseconds between two readings.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub(crate) fn run() -> Result<String, String> {
    let since = Instant::now();
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    Ok(format!("{} {}", wall.as_millis(), since.elapsed().as_nanos()))
}
