//! Doors for the fuzzers in `fuzz/`. They are there in no other build.

/// A reply of Bedrock, the one whose bytes no library reads for us.
pub fn bedrock_reply(bytes: &[u8]) {
    crate::provider::reply_of_any_bytes(bytes);
}
