//! The direction of dependencies between our crates.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::harness::repository;

/// Which crate may depend on which others of ours. Words are everybody's.
const EDGES: &[(&str, &[&str])] = &[
    ("perstack-core", &[]),
    ("perstack-mcp", &["perstack-core"]),
    ("perstack-models", &["perstack-core"]),
    ("perstack-native", &["perstack-core"]),
    ("perstack-sandbox", &["perstack-core"]),
    ("perstack-store", &["perstack-core"]),
    (
        "perstack-runtime",
        &["perstack-core", "perstack-mcp", "perstack-models", "perstack-native", "perstack-sandbox", "perstack-store"],
    ),
    ("perstack-hardening", &[]),
    ("perstack", &["perstack-core", "perstack-runtime", "perstack-hardening", "perstack-guest-build"]),
    ("perstack-guest-macros", &[]),
    ("perstack-guest", &["perstack-guest-macros"]),
    ("perstack-guest-build", &[]),
    ("perstack-base", &["perstack-guest"]),
    ("perstack-git-read", &["perstack-guest"]),
    ("perstack-sqlite", &["perstack-guest"]),
    ("scoreboard", &["perstack-guest"]),
    ("tic-tac-toe", &["perstack-guest"]),
    ("perstack-test-guests", &["perstack-guest"]),
    ("perstack-test-guests-expert", &["perstack-guest"]),
    ("perstack-test-conformance", &["perstack-guest"]),
    ("perstack-test-typed", &[]),
    ("perstack-test-extism", &[]),
    ("perstack-test-extism-handlers", &[]),
    ("perstack-test-artifacts", &["perstack-guest-build"]),
    ("perstack-tests", &["perstack-test-artifacts"]),
];

/// Crates that keep a heavy dependency from the others.
const HEAVY: &[(&str, &str)] = &[
    ("wasmtime", "perstack-sandbox"),
    ("wasmtime-wasi", "perstack-sandbox"),
    ("wasmtime-wasi-http", "perstack-sandbox"),
    ("wit-component", "perstack-sandbox"),
    ("wit-parser", "perstack-sandbox"),
    ("rmcp", "perstack-mcp"),
    ("seccompiler", "perstack-hardening"),
];

#[test]
fn crates_depend_downward_only() {
    let metadata = MetadataCommand::new().current_dir(repository()).no_deps().exec().unwrap();
    let ours: BTreeSet<String> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let edges = EDGES.iter().find(|(from, _)| *from == name);
        let (_, allowed) = edges.unwrap_or_else(|| panic!("`{name}` is not in the list"));
        for dependency in &package.dependencies {
            let to = dependency.name.as_str();
            // The guests that tests run are everybody's too.
            let test = dependency.kind == DependencyKind::Development && to == "perstack-test-artifacts";
            assert!(!ours.contains(to) || test || allowed.contains(&to), "`{name}` may not depend on `{to}`");
            for (heavy, keeper) in HEAVY {
                assert!(to != *heavy || name == *keeper, "only `{keeper}` may depend on `{heavy}`, not `{name}`");
            }
        }
    }
}
