//! Where a call stands, for people who wait for it. For skills.

use crate::host;

/// Reports what the call is doing, where the amount of work is unknown. Reports may be dropped.
pub fn report(message: &str) {
    host::report_progress(message, None);
}

/// Reports what the call is doing and how much of it is done, from 0 to 1. Reports may be dropped.
pub fn report_fraction(message: &str, fraction: f32) {
    host::report_progress(message, Some(fraction.clamp(0.0, 1.0)));
}
