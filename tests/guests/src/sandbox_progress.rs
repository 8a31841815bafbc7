//! Reports progress, more often and at greater length than anyone can read.

use perstack::progress;

pub(crate) fn run(reports: u32, characters: usize) {
    let message = "ü".repeat(characters);
    for report in 0..reports {
        progress::report_fraction(&message, report as f32 / reports as f32);
    }
    progress::report("and on");
}
