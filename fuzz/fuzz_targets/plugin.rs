//! What is read of an Extism plugin while it is called: what it answers, if the input looks like JSON, and what it does with
//! the blocks that it shares with the host.
#![no_main]

use libfuzzer_sys::fuzz_target;
use perstack_sandbox::fuzzing::{plugin_answer, plugin_blocks};

fuzz_target!(|bytes: &[u8]| if bytes.starts_with(b"{") { plugin_answer(bytes) } else { plugin_blocks(bytes) });
