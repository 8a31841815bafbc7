//! What is both granted and asked for is neither more nor less than either. The input: patterns that are granted, patterns
//! that are asked for, and a destination, a line each; then the same with paths, those that may be written to after a `+`.
#![no_main]

use std::collections::BTreeSet;
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use perstack_core::config::{Access, Destination, FilesystemGrant, GrantPath, Needs, NetworkPattern};

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default();
    let granted = all::<NetworkPattern>(next()).collect();
    let needs = Needs { network: all(next()).collect(), ..Needs::default() };
    if let Ok(destination) = Destination::https(next()) {
        let effective = needs.network_of(&granted);
        let has = |patterns: &BTreeSet<NetworkPattern>| patterns.iter().any(|one| one.matches(&destination));
        assert_eq!(has(&effective), has(&granted) && has(&needs.network), "{destination}");
        assert!(Destination::https(&destination.authority()).as_ref() == Ok(&destination));
    }
    let granted: Vec<FilesystemGrant> = files(next()).collect();
    let needs = Needs { filesystem: files(next()).collect(), ..Needs::default() };
    if let Ok(path) = next().parse::<GrantPath>() {
        let effective: Vec<FilesystemGrant> = granted.iter().flat_map(|one| needs.files_of(one)).collect();
        for access in [Access::Read, Access::Write] {
            let has = |grants: &[FilesystemGrant]| {
                grants
                    .iter()
                    .any(|one| path.within(&one.path) && (access == Access::Read || one.access == Access::Write))
            };
            assert_eq!(has(&effective), has(&granted) && has(&needs.filesystem), "{path:?} {access:?}");
        }
    }
});

fn all<T: FromStr>(line: &str) -> impl Iterator<Item = T> {
    line.split_whitespace().filter_map(|word| word.parse().ok())
}

fn files(line: &str) -> impl Iterator<Item = FilesystemGrant> {
    line.split_whitespace().filter_map(|word| {
        let (access, path) = match word.strip_prefix('+') {
            Some(path) => (Access::Write, path),
            None => (Access::Read, word),
        };
        Some(FilesystemGrant { path: path.parse().ok()?, access })
    })
}
