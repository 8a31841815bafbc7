//! Random numbers, from both of WASI's sources.

use std::hash::{BuildHasher, RandomState};

pub(crate) fn run() -> Result<String, String> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| error.to_string())?;
    Ok(format!("{:032x} {:016x}", u128::from_le_bytes(key), RandomState::new().hash_one(())))
}
