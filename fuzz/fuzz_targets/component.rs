//! What is read of a component, or a plugin, before it is compiled: what it imports and exports, and what it says that it
//! needs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use perstack_sandbox::{ComponentBytes, inspect};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(component) = ComponentBytes::new(bytes)
        && let Err(error) = inspect(&component)
    {
        assert!(!error.to_string().chars().any(char::is_control));
    }
});
