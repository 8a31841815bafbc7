//! What the documentation says of the code, held against it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::harness::repository;

/// The names of all functions of the repository's Rust files below a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_attack_names_tests_that_are_there() {
    let mut known = BTreeSet::new();
    for folder in ["host", "tests/program", "guest-sdk", "plugins"] {
        functions(&repository().join(folder), &mut known);
    }
    let text = fs::read_to_string(repository().join("docs/attacks.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| **") && !line.contains("---"));
    let mut named = 0;
    for row in rows.skip(1) {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for test in tests.split('`').filter(|test| !test.trim().is_empty()) {
            assert!(known.contains(test), "`{test}` is not there: {row}");
            named += 1;
        }
    }
    assert!(named > 60, "{named}");
}
