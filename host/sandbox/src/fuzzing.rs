//! Doors for the fuzzers in `fuzz/`. They are there in no other build.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::capability::PreparedSecrets;
use crate::extism::{Blocks, definitions, output};
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

/// What a plugin answers: a list of tools, and the result of one.
pub fn plugin_answer(json: &[u8]) {
    for tool in definitions(json).unwrap_or_default() {
        assert!(tool.name.bytes().all(|byte| byte.is_ascii_graphic()) && tool.input_schema.is_object());
    }
    drop(output(json));
}

/// What a plugin does with blocks: each step makes one, frees one, or reads and writes near one. Whatever it does, the
/// others stay as they are.
pub fn plugin_blocks(steps: &[u8]) {
    let mut blocks = Blocks::default();
    let mut known: Vec<(u64, Vec<u8>)> = Vec::new();
    for step in steps.chunks_exact(4) {
        let [kind, which, at, byte] = [step[0], step[1], step[2], step[3]];
        let chosen = usize::from(which).checked_rem(known.len());
        match (kind % 4, chosen) {
            (0, _) => {
                let bytes = vec![byte; usize::from(at) + 1];
                known.push((blocks.add(bytes.clone().into()), bytes));
            }
            (1, Some(chosen)) => {
                let (offset, bytes) = known.swap_remove(chosen);
                assert_eq!(blocks.remove(offset).as_deref(), Some(bytes.as_slice()));
                assert_eq!(blocks.read(offset, 1), None);
            }
            (kind, Some(chosen)) => {
                let (offset, bytes) = &mut known[chosen];
                let place = offset.wrapping_add(u64::from(at)).wrapping_sub(8);
                let inside = place.checked_sub(*offset).and_then(|from| usize::try_from(from).ok());
                let width = if kind == 2 { 1 } else { 8 };
                if kind == 2 {
                    blocks.write(place, [byte])
                } else {
                    blocks.write(place, [byte; 8])
                }
                if let Some(within) = inside.and_then(|from| bytes.get_mut(from..from + width)) {
                    within.fill(byte);
                } else if let Some((start, other)) = known
                    .iter_mut()
                    .find(|(start, other)| place >= *start && place + width as u64 <= *start + other.len() as u64)
                {
                    let from = (place - *start) as usize;
                    other[from..from + width].fill(byte);
                }
            }
            (_, None) => {}
        }
    }
    for (offset, bytes) in known {
        assert_eq!(blocks.get(offset), Some(bytes.as_slice()));
    }
}
