//! Takes memory until there is no more.

/// Small enough that the limit is hit exactly, large enough to be quick.
const STEP: usize = 1 << 20;

/// A guest that is careful notices that it got nothing and goes on; one that is not is aborted by its allocator.
pub(crate) fn run(careful: bool) -> String {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut step = Vec::new();
        if careful && step.try_reserve_exact(STEP).is_err() {
            return format!("{} MiB", taken.len());
        }
        step.resize(STEP, 1);
        taken.push(step);
    }
}
