//! A host's policy.
#![no_main]

use libfuzzer_sys::fuzz_target;
use perstack_core::policy::Policy;

fuzz_target!(|text: &str| {
    if let Err(error) = Policy::parse(text) {
        perstack_fuzz::is_shown_well(&error, text);
    }
});
