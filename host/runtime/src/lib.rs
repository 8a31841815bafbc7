//! Runs Experts: jobs, runs, steps, events. The crate that programs embed.
