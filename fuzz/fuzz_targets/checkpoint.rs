//! A checkpoint that somebody may have changed: what is read is written again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use perstack_core::Checkpoint;

fuzz_target!(|bytes: &[u8]| {
    let Ok(checkpoint) = serde_json::from_slice::<Checkpoint>(bytes) else { return };
    let written = serde_json::to_vec(&checkpoint).unwrap();
    let again: Checkpoint = serde_json::from_slice(&written).unwrap();
    assert_eq!(serde_json::to_vec(&again).unwrap(), written);
});
