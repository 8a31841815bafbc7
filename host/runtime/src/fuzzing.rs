//! Doors for the fuzzers in `fuzz/`. They are there in no other build.

use serde_json::Value;

use crate::schema::ArgumentSchema;

/// A tool's schema, and arguments for it.
pub fn arguments(schema: &Value, arguments: &Value) {
    let Ok(schema) = ArgumentSchema::new(schema) else { return };
    // What takes too long is ended elsewhere, but it goes on until the process ends.
    if !schema.refers() {
        drop(schema.check(arguments));
    }
}
