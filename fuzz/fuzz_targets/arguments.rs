//! A tool's schema, in the first line; arguments for it in the second.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (schema, arguments) = text.split_once('\n').unwrap_or((text, "{}"));
    if let (Ok(schema), Ok(arguments)) = (serde_json::from_str(schema), serde_json::from_str(arguments)) {
        perstack_runtime::fuzzing::arguments(&schema, &arguments);
    }
});
