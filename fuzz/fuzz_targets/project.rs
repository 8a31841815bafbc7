//! `perstack.toml`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use perstack_core::config::Config;

fuzz_target!(|text: &str| {
    if let Err(error) = Config::parse(text) {
        perstack_fuzz::is_shown_well(&error, text);
    }
});
