//! The WIT that comes with a component.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|section: &[u8]| perstack_sandbox::fuzzing::documentation(section));
