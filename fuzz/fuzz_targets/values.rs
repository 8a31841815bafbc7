//! JSON ↔ the values of a component. The input: four bytes that choose a type, one that chooses a place, then JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((seed, [place, json @ ..])) = bytes.split_first_chunk()
        && let Ok(json) = serde_json::from_slice(json)
    {
        perstack_sandbox::fuzzing::values(*seed, *place, json);
    }
});
