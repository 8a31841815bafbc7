//! Doors for the fuzzers in `fuzz/`. They are there in no other build.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::capability::PreparedSecrets;
use crate::typed::Documentation;
use crate::typed::properties::{comes_back, is_read_or_told, shapes_with_values};

/// WIT that comes with a component.
pub fn documentation(section: &[u8]) {
    drop(Documentation::read(&[section]));
}

/// JSON for a type that `seed` stands for: alone, and at one of the places in the JSON of a value.
pub fn values(seed: [u8; 4], place: u8, json: serde_json::Value) {
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed.repeat(8));
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let Ok(tree) = shapes_with_values().new_tree(&mut runner) else { return };
    let (shape, value) = tree.current();
    comes_back(&shape, &value);
    is_read_or_told(&shape, &value, place.into(), json);
}

/// An answer that comes in pieces, with a secret's value anywhere in it.
pub fn scrubbing(cuts: &[u8], text: &[u8]) {
    static SECRETS: LazyLock<PreparedSecrets> = LazyLock::new(|| PreparedSecrets::new(&["abcabcabd"]));
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
    let cuts = cuts.iter().map(|cut| usize::from(*cut)).collect();
    runtime.block_on(SECRETS.pieces_do_not_matter(text, cuts));
}
