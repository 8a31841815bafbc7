//! A model's reply, in the frames of Bedrock.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| perstack_models::fuzzing::bedrock_reply(bytes));
