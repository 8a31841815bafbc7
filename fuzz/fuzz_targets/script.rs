//! Scripted replies.
#![no_main]

use libfuzzer_sys::fuzz_target;
use perstack_models::ScriptedModel;

fuzz_target!(|text: &str| {
    if let Err(error) = ScriptedModel::parse(text, "script") {
        perstack_fuzz::is_shown_well(&error, text);
    }
});
