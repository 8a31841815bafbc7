//! Answers that could hold the value of a secret. The input: how often the answer is cut, and where; then the answer.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((count, rest)) = bytes.split_first()
        && let Some((cuts, text)) = rest.split_at_checked(usize::from(count % 8))
    {
        perstack_sandbox::fuzzing::scrubbing(cuts, text);
    }
});
