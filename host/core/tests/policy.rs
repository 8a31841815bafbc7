//! Host policies, good and bad: each `case.toml` in `policy/` is read, and what comes of it is compared with `case.err`
//! beside it. A good file has an empty one. `UPDATE=1` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use perstack_core::config::Access;
use perstack_core::policy::{EngineKind, MAX_POLICY_BYTES, MachineNetwork, Native, Policy};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policy")
}

fn text(case: &str) -> String {
    std::fs::read_to_string(folder().join(case).with_extension("toml")).unwrap()
}

fn cases() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let texts = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    texts.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_file_gives_what_stands_beside_it() {
    assert!(!cases().is_empty(), "no cases in {}", folder().display());
    let mut wrong = Vec::new();
    for case in cases() {
        let text = text(&case);
        let found = match Policy::parse(&text) {
            Ok(_) => String::new(),
            Err(error) => error.render("policy.toml", &text) + "\n",
        };
        assert_eq!(found.is_empty(), case.starts_with("good_"), "{case}: {found}");
        let path = folder().join(&case).with_extension("err");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        // A missing file was missed by the author of the case, so it is no empty one.
        let expected = std::fs::read_to_string(&path).unwrap_or_else(|error| format!("{}: {error}", path.display()));
        if found != expected {
            wrong.push(format!("{case}.toml\n  found: {found}  expected: {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let files = std::fs::read_dir(folder()).unwrap().count();
    assert_eq!(files, 2 * cases().len(), "every .toml has an .err, and the other way round");
}

#[test]
fn everything_that_can_be_written_is_read() {
    let policy = Policy::parse(&text("good_everything")).unwrap();
    assert_eq!(policy.native.as_ref().map(|native| (native.value, native.line)), Some((Native::Deny, 1)));
    assert_eq!((policy.denies_native(), policy.engine(), policy.strict), (Some(1), EngineKind::Interpreter, true));
    let network = policy.ceilings.network.unwrap();
    let shown: Vec<&str> = network.value.iter().map(|pattern| pattern.as_str()).collect();
    assert_eq!((shown.as_slice(), network.line), (["https://*.corp.example", "https://api.exa.ai:8443"].as_slice(), 6));
    let filesystem = policy.ceilings.filesystem.unwrap();
    let shown: Vec<_> = filesystem.value.iter().map(|ceiling| (ceiling.path.as_str(), ceiling.access)).collect();
    assert_eq!(shown, [("/srv/work", Access::Write), ("/usr/share/dict", Access::Read)]);
    assert_eq!(filesystem.line, 7);
    assert_eq!(policy.ceilings.memory.map(|memory| (memory.value, memory.line)), Some((256 << 20, 8)));
    assert_eq!(policy.ceilings.timeout.map(|timeout| (timeout.value.as_secs(), timeout.line)), Some((60, 9)));
    assert_eq!(policy.ceilings.output.map(|output| (output.value, output.line)), Some((1 << 20, 10)));
    let MachineNetwork { certificates, hosts, addresses } = policy.network;
    assert_eq!(certificates.unwrap().as_str(), "/etc/corp/ca.pem");
    let hosts: Vec<_> = hosts.iter().map(|(host, addresses)| (host.as_str(), addresses.len())).collect();
    assert_eq!(hosts, [("api.corp.example", 2)]);
    assert_eq!(addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.1.0.0/16"]);
    assert_eq!(policy.require_signature.map(|signature| (signature.value.len(), signature.line)), Some((1, 13)));
}

#[test]
fn what_is_left_out_does_not_restrict() {
    let policy = Policy::parse(&text("good_empty")).unwrap();
    assert_eq!(policy, Policy::default());
    assert_eq!((policy.denies_native(), policy.engine(), policy.strict), (None, EngineKind::Compiled, false));
}

#[test]
fn an_empty_list_is_one() {
    let ceilings = Policy::parse(&text("good_deny_all")).unwrap().ceilings;
    assert_eq!(ceilings.network.map(|network| network.value.len()), Some(0));
    assert_eq!(ceilings.filesystem.map(|filesystem| filesystem.value.len()), Some(0));
}

#[test]
fn a_file_is_read_up_to_its_bound() {
    let mut text = "# ".to_owned() + &"x".repeat(MAX_POLICY_BYTES - 2);
    Policy::parse(&text).unwrap();
    text.push('x');
    let error = Policy::parse(&text).unwrap_err();
    assert_eq!(error.message, "the file is too large: 65537 bytes, at most 65536 are read");
}

/// Broken files give errors that can be shown, wherever they break.
#[test]
fn any_prefix_of_a_file_can_be_read() {
    let text = text("good_everything");
    for (end, _) in text.char_indices() {
        if let Err(error) = Policy::parse(&text[..end]) {
            assert!(text[..end].get(error.span.clone()).is_some(), "{:?} at {end}", error.span);
        }
    }
}
