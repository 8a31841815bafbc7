//! A component that knows nothing of us as an Expert's skill, and `perstack skill pack`.

use std::fs;

use perstack_test_artifacts as artifacts;

use crate::harness::{Ran, Workspace, files};

const PROJECT: &str = r#"
[experts."follow"]
logic = { component = "follow.wasm" }

[experts."follow".skills."laboratory"]
type = "wasmSkill"
component = "laboratory.wasm"
"#;

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("perstack.toml", PROJECT);
    workspace.write("follow.wasm", fs::read(artifacts::GUESTS_EXPERT).unwrap());
    workspace.write("laboratory.wasm", fs::read(artifacts::TYPED).unwrap());
    workspace
}

fn pack(workspace: &Workspace, more: &[&str]) -> Ran {
    workspace.run(&[&["skill", "pack", "laboratory.wasm", "--wit", artifacts::TYPED_WIT], more].concat())
}

/// What each line of the query came to.
fn answers(workspace: &Workspace, lines: &[&str]) -> Vec<String> {
    let ran = workspace.run(&["run", "follow", &lines.join("\n")]);
    let events = ran.events();
    let done = events.iter().find(|event| event["type"] == "completeRun").unwrap_or_else(|| panic!("{ran:?}"));
    done["text"].as_str().unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn an_expert_calls_a_component_of_another_world() {
    let workspace = workspace();
    let lines = [
        r#"call-json numbers {"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":18446744073709551615,"h":"-9223372036854775808"}"#,
        r#"call-json values_search {"text": "abc"}"#,
        r#"call-json reverse {"bytes": "AQID"}"#,
        r#"call-json troubles_search {"text": ""}"#,
        r#"call-json add {"a": 1, "b": "2"}"#,
        r#"call-json crash {"reason": "at the disco"}"#,
    ];
    let said = answers(&workspace, &lines);
    let ran = workspace.run(&["run", "follow", ""]);
    assert!(ran.stderr.contains("warning: skill `laboratory`: `"), "{}", ran.stderr);
    assert!(ran.stderr.contains("is left out: it takes or returns a resource"), "{}", ran.stderr);
    assert_eq!(said[0], "[1,2,3,4,5,6,18446744073709551615,-9223372036854775808]");
    assert_eq!(said[1], r#"["empty",{"circle":3.0},{"rectangle":[1,2]}]"#);
    assert_eq!(said[2], r#""AwIB""#);
    assert_eq!(said[3], "nothing to look for");
    assert_eq!(said[4], r#"invalid arguments: `/b`: "2" is not of type "integer""#);
    assert!(said[5].starts_with("`laboratory` was ended: it crashed"), "{}", said[5]);
    // Packed, in place, it is the same with words.
    let ran = pack(&workspace, &["--world", "laboratory", "-o", "laboratory.wasm"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(answers(&workspace, &lines[..1]), said[..1]);
}

#[test]
fn packing_says_what_it_did_or_what_to_do() {
    let workspace = workspace();
    let ran = pack(&workspace, &["--world", "laboratory"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("laboratory.packed.wasm · "), "{}", ran.stdout);
    for (more, error, hint) in [
        (&[][..], "no world can be chosen", "`--world`"),
        (&["--world", "other"], "which the world `other` does not", "`--world`"),
        (&["--world", "laboratory", "-o", "none/out.wasm"], "`none/out.wasm` cannot be written", "`-o`"),
        (&["--world", "laboratory", "-o", "/"], "it names no file", "`-o`"),
    ] {
        let ran = pack(&workspace, more);
        assert_ne!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stderr.contains(error) && ran.stderr.contains("hint: ") && ran.stderr.contains(hint), "{ran:?}");
    }
    for (component, wit, error) in [
        ("none.wasm", artifacts::TYPED_WIT, "there is no component at `none.wasm`"),
        ("perstack.toml", artifacts::TYPED_WIT, "this is not a WebAssembly component"),
        ("laboratory.wasm", "none", "the WIT cannot be read"),
    ] {
        let ran = workspace.run(&["skill", "pack", component, "--wit", wit]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(error) && ran.stderr.contains("hint: "), "{ran:?}");
    }
    // Nothing is left of what was begun.
    let names = files(workspace.path());
    assert_eq!(names.len(), 4, "{names:?}");
}
