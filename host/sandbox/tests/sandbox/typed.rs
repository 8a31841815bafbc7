//! Components of other worlds: their functions are tools. `tests/typed-guest` is one, made with nothing of ours.

use std::path::Path;

use perstack_core::{Limits, ToolDefinition, ToolError, ToolSet};
use perstack_sandbox::{ComponentBytes, Grants, LoadError, Logic, PackError, Skill, pack};
use perstack_test_artifacts as artifacts;
use serde_json::{Value, json};

use crate::harness::{SHORT, call, ended, failed, sandbox, text};

fn component() -> Vec<u8> {
    std::fs::read(artifacts::TYPED).unwrap()
}

fn pack_into(component: &[u8], wit: &Path, world: Option<&str>) -> Result<Vec<u8>, PackError> {
    pack(&ComponentBytes::new(component)?, wit, world)
}

fn packed() -> Vec<u8> {
    pack_into(&component(), Path::new(artifacts::TYPED_WIT), Some("laboratory")).unwrap()
}

async fn load(bytes: &[u8], grants: Grants, limits: Limits) -> Result<Skill, LoadError> {
    Skill::load(&sandbox(), "laboratory", &ComponentBytes::new(bytes)?, grants, limits).await
}

async fn skill() -> Skill {
    load(&component(), Grants::default(), Limits::default()).await.unwrap()
}

fn tool<'a>(skill: &'a Skill, name: &str) -> &'a ToolDefinition {
    skill.tools().iter().find(|tool| tool.name == name).unwrap_or_else(|| panic!("no tool {name}"))
}

/// What a tool answers, as data.
async fn data(skill: &Skill, tool: &str, arguments: Value) -> Value {
    let output = call(skill, tool, arguments).await.result.unwrap();
    let data = output.structured.unwrap();
    assert_eq!(output.content, [perstack_core::Content::Text { text: data.to_string() }]);
    data
}

/// Why arguments were refused.
async fn misfit(skill: &Skill, tool: &str, arguments: Value) -> String {
    match call(skill, tool, arguments).await.result {
        Err(ToolError::InvalidArguments(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_function_is_a_tool() {
    let skill = skill().await;
    let names: Vec<&str> = skill.tools().iter().map(|tool| tool.name.as_str()).collect();
    let values = ["describe", "numbers", "floats", "letters", "reverse", "headers", "allow", "nested", "values_search"];
    let troubles = ["troubles_search", "find", "check", "crash", "flood", "spin", "variable"];
    let mut expected = [&values[..], &troubles[..], &["add", "say"]].concat();
    expected.sort_unstable();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    let mut left_out: Vec<String> = skill.left_out().iter().map(ToString::to_string).collect();
    left_out.sort_unstable();
    let left =
        |function: &str, reason: &str| format!("`lab:shapes/troubles@1.2.3#{function}` is left out: it {reason}");
    assert_eq!(
        left_out,
        [
            left("[constructor]counter", "belongs to a resource"),
            left("[method]counter.next", "belongs to a resource"),
            left("[static]counter.parse", "belongs to a resource"),
            left("open", "takes or returns a resource"),
            left("watch", "takes or returns a resource"),
        ]
    );
}

#[tokio::test]
async fn values_of_every_type_come_back() {
    let skill = skill().await;
    for (tool, arguments, answer) in [
        ("add", json!({ "a": 2, "b": -3 }), json!(-1)),
        (
            "numbers",
            json!({ "a": 255, "b": -128, "c": 65535, "d": -32768, "e": u32::MAX, "f": i32::MIN,
                    "g": u64::MAX, "h": i64::MIN }),
            json!([255, -128, 65535, -32768, u32::MAX, i32::MIN, u64::MAX, i64::MIN]),
        ),
        ("floats", json!({ "small": 0.1, "large": 0.1 }), json!([0.1, 0.1])),
        ("floats", json!({ "small": "NaN", "large": "-Infinity" }), json!(["NaN", "-Infinity"])),
        ("letters", json!({ "letter": "ß" }), json!(["ß", "ß"])),
        ("reverse", json!({ "bytes": "AQID" }), json!("AwIB")),
        ("headers", json!({ "headers": { "b": "1", "a": "2" } }), json!({ "b": "1", "a": "2" })),
        ("headers", json!({ "headers": [["a", "1"], ["a", "2"]] }), json!([["a", "1"], ["a", "2"]])),
        ("allow", json!({ "rights": ["write", "read"], "colour": "green" }), json!(["read", "write", "run"])),
        ("allow", json!({ "rights": [], "colour": "red" }), json!([])),
        ("nested", json!({}), json!(null)),
        ("nested", json!({ "value": { "some": null } }), json!({ "some": null })),
        ("nested", json!({ "value": { "some": { "ok": 1 } } }), json!({ "some": { "ok": 1 } })),
        ("nested", json!({ "value": { "some": { "err": "e" } } }), json!({ "some": { "err": "e" } })),
        ("values_search", json!({ "text": "ab" }), json!(["empty", { "circle": 2.0 }, { "rectangle": [1, 2] }])),
        ("find", json!({ "name": "there" }), json!(7)),
    ] {
        let answered = data(&skill, tool, arguments).await;
        assert_eq!(answered, answer, "{tool}");
        let schema = self::tool(&skill, tool).output_schema.clone().unwrap();
        jsonschema::draft202012::new(&schema).unwrap().validate(&answered).unwrap();
    }
    let sample = json!({
        "id": 9_007_199_254_740_993_u64, "label": "x", "figure": { "rectangle": [1, 2] }, "seen-by": ["Ada"],
        "picture": "AA==",
    });
    let mut next = sample.clone();
    next["id"] = 9_007_199_254_740_994_u64.into();
    assert_eq!(data(&skill, "describe", json!({ "sample": sample })).await, next);
}

#[tokio::test]
async fn what_is_said_is_text() {
    let skill = skill().await;
    assert_eq!(text(call(&skill, "troubles_search", json!({ "text": "\"x\"" })).await), "\"x\"");
    assert_eq!(failed(call(&skill, "troubles_search", json!({ "text": "" })).await), "nothing to look for");
    assert_eq!(failed(call(&skill, "find", json!({ "name": "x" })).await), r#"{"missing":"x"}"#);
    assert_eq!(failed(call(&skill, "find", json!({ "name": "busy" })).await), r#""busy""#);
    assert_eq!(failed(call(&skill, "check", json!({})).await), "it failed, and gave no reason");
    assert!(tool(&skill, "troubles_search").output_schema.is_none());
    // Each call has an instance of its own.
    for _ in 0..2 {
        let outcome = call(&skill, "say", json!({ "text": "hi" })).await;
        assert_eq!(outcome.log.text, "hi, call 1\n");
        assert_eq!(text(outcome), "Done");
    }
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused() {
    let skill = skill().await;
    assert_eq!(misfit(&skill, "add", json!({ "a": 1 })).await, "`/b`: it is missing");
    assert_eq!(misfit(&skill, "add", json!({ "a": 1, "b": 2, "c": 3 })).await, "`/c`: there is no such field");
    let range = "expected an integer from -2147483648 to 2147483647";
    assert_eq!(
        misfit(&skill, "add", json!({ "a": 1, "b": 1_u64 << 31 })).await,
        format!("`/b`: {range}, not 2147483648")
    );
    assert_eq!(misfit(&skill, "open", json!({})).await, "there is no tool `open`");
    assert!(misfit(&skill, "reverse", json!({ "bytes": "=" })).await.starts_with("`/bytes`: this is not base64"));
}

#[tokio::test]
async fn grants_and_limits_are_those_of_any_skill() {
    let limits = Limits { timeout: SHORT, output: 1000, ..Limits::default() };
    let grants = Grants { environment: vec![("REGION".into(), "moon".into())], ..Grants::default() };
    let skill = load(&component(), grants, limits).await.unwrap();
    assert_eq!(data(&skill, "variable", json!({ "name": "REGION" })).await, "moon");
    assert_eq!(data(&skill, "variable", json!({ "name": "HOME" })).await, Value::Null);
    let prefix = "`laboratory` was ended: it ";
    assert_eq!(ended(call(&skill, "spin", json!({})).await), format!("{prefix}ran into its time limit of 1 s"));
    let crash = ended(call(&skill, "crash", json!({ "reason": "for a reason" })).await);
    assert!(crash.starts_with(&format!("{prefix}crashed: ")) && crash.contains("for a reason"), "{crash}");
    let too_large = "`laboratory` was ended: its answer is larger than its output limit of 1000B";
    assert_eq!(ended(call(&skill, "flood", json!({ "size": 100 })).await), too_large);
    let passed = ended(call(&skill, "flood", json!({ "size": 10_000_000 })).await);
    assert!(passed.contains("passed more than 64MiB to the host at once"), "{passed}");
    let memory = ended(call(&skill, "flood", json!({ "size": 100_000_000 })).await);
    assert!(memory.contains("limit of 128MiB memory"), "{memory}");
    assert_eq!(data(&skill, "flood", json!({ "size": 1 })).await, json!([u64::MAX]));
}

#[tokio::test]
async fn packing_brings_what_the_author_wrote() {
    let plain = skill().await;
    assert_eq!(tool(&plain, "describe").description, "Function `lab:shapes/values@1.2.3#describe`.");
    let skill = load(&packed(), Grants::default(), Limits::default()).await.unwrap();
    let describe = tool(&skill, "describe");
    assert_eq!(describe.description, "Gives a sample back.\n\nIts number is one higher.");
    let sample = &describe.input_schema["properties"]["sample"];
    assert_eq!(sample["description"], "What a sample is made of.");
    let fields = &sample["properties"];
    assert_eq!(fields["id"]["description"], "Its number.");
    assert_eq!(fields["figure"]["description"], "How it looks.");
    assert_eq!(fields["figure"]["anyOf"][0]["description"], "`empty`: Nothing to see.");
    assert_eq!(fields["figure"]["anyOf"][1]["description"], "With its radius.");
    let rights = &tool(&skill, "allow").input_schema["properties"]["rights"];
    assert_eq!(rights["items"]["description"], "`read`: May look.\n`write`: May change.");
    // The world that was named, not another of the same package.
    assert_eq!(tool(&skill, "add").description, "Adds two numbers.");
    assert_eq!(data(&skill, "add", json!({ "a": 1, "b": 1 })).await, 2);
    // Without what is said, the schemas are the same.
    let names = |skill: &Skill| skill.tools().iter().map(|tool| tool.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&skill), names(&plain));
    let again = pack_into(&packed(), Path::new(artifacts::TYPED_WIT), Some("laboratory")).unwrap();
    assert_eq!(again, packed());
}

#[test]
fn only_the_wit_of_a_component_is_packed_into_it() {
    let wit = Path::new(artifacts::TYPED_WIT);
    let refused = |component: &[u8], wit: &Path, world: Option<&str>| pack_into(component, wit, world).unwrap_err();
    assert!(matches!(refused(&component(), wit, None), PackError::NoWorld(_)));
    assert!(matches!(refused(&component(), wit, Some("none")), PackError::NoWorld(_)));
    assert!(matches!(refused(&component(), wit, Some("other")), PackError::NotInWorld { .. }));
    assert!(matches!(refused(&component(), Path::new("/none"), None), PackError::Wit(_)));
    assert!(matches!(refused(b"", wit, None), PackError::Component(LoadError::NotAComponent { .. })));
    let ours = std::fs::read(artifacts::SCOREBOARD).unwrap();
    assert!(matches!(refused(&ours, wit, None), PackError::DescribesItself));
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(wit.join("world.wit")).unwrap();
    let more = text.replace("export say: func(text: string);", "export say: func(text: string);\nexport ask: func();");
    std::fs::write(folder.path().join("world.wit"), more).unwrap();
    let error = refused(&component(), folder.path(), Some("laboratory"));
    assert_eq!(error.to_string(), "the world `laboratory` exports `ask()`, which the component does not");
    assert!(error.hint().is_some());
}

/// A component with a section of the name that WIT has, with this in it.
fn with_section(content: &[u8]) -> Vec<u8> {
    let mut bytes = component();
    let mut section = wasm_section("perstack:wit");
    section.extend_from_slice(content);
    bytes.push(0);
    let mut size = section.len();
    while size > 0x7f {
        bytes.push((size & 0x7f) as u8 | 0x80);
        size >>= 7;
    }
    bytes.push(size as u8);
    bytes.extend(section);
    bytes
}

fn wasm_section(name: &str) -> Vec<u8> {
    let mut section = vec![name.len() as u8];
    section.extend_from_slice(name.as_bytes());
    section
}

#[tokio::test]
async fn a_damaged_section_is_refused() {
    let empty = wat::parse_str("(component)").unwrap();
    for content in [&b""[..], b"wit", &empty, &component(), &vec![0; 600 << 10]] {
        let error = load(&with_section(content), Grants::default(), Limits::default()).await.err().unwrap();
        assert!(matches!(error, LoadError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("`perstack:wit`"), "{error}");
        assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
    }
}

async fn refused_text(text: &str) -> LoadError {
    load(&wat::parse_str(text).unwrap(), Grants::default(), Limits::default()).await.err().unwrap()
}

/// A component by hand with a function of this type, which traps.
fn function(types: &str, signature: &str) -> String {
    format!(
        r#"(component
            (core module $m (memory (export "memory") 1) (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                unreachable)
                (func (export "f") (param i32) unreachable))
            (core instance $m (instantiate $m))
            {types}
            (func $f {signature} (canon lift (core func $m "f") (memory $m "memory") (realloc (func $m "realloc"))))
            (export "f" (func $f)))"#
    )
}

#[tokio::test]
async fn types_are_bounded() {
    // Each level names the one below twice.
    let mut types = "(type $t0 (tuple u32 u32))".to_owned();
    for level in 1..15 {
        types.push_str(&format!("(type $t{level} (tuple $t{0} $t{0}))", level - 1));
    }
    let error =
        refused_text(&function(&types, "(param \"a\" (list $t14))").replace("(param i32)", "(param i32 i32)")).await;
    let message =
        "none of the component's functions can be a tool: `f` is left out: its types name more than 2000 others";
    assert_eq!(error.to_string(), message);
    let mut types = "(type $t0 (list u32))".to_owned();
    for level in 1..40 {
        types.push_str(&format!("(type $t{level} (list $t{}))", level - 1));
    }
    let deep = function(&types, "(param \"a\" $t39)").replace("(param i32)", "(param i32 i32)");
    let error = refused_text(&deep).await;
    assert!(error.to_string().ends_with("its types are nested more than 32 deep"), "{error}");
    // A few bytes that stand for a hundred megabytes of names.
    let name = "a".repeat(90_000);
    let mut types = format!("(type $t0' (record (field \"{name}\" u32))) (export $t0 \"r\" (type $t0'))");
    for level in 1..10 {
        types.push_str(&format!("(type $t{level} (tuple $t{0} $t{0}))", level - 1));
    }
    let error =
        refused_text(&function(&types, "(param \"a\" (list $t9))").replace("(param i32)", "(param i32 i32)")).await;
    assert!(error.to_string().ends_with("its schema has more than 65536 bytes"), "{error}");
    let instance = format!("(instance $i (export \"{name}\" (func $f)))");
    let exports: String = (0..20).map(|number| format!("(export \"i{number}\" (instance $i))")).collect();
    let text = function("", "(param \"a\" s32)").replace("(export \"f\" (func $f))", &(instance + &exports));
    let error = refused_text(&text).await;
    assert!(error.to_string().ends_with("functions with names of more than 1048576 bytes"), "{error}");
    let exports: String = (0..256).map(|number| format!("(export \"f{number}\" (func $f))")).collect();
    let text = function("", "(param \"a\" s32)").replace("(export \"f\" (func $f))", &exports);
    let error = refused_text(&text).await;
    assert!(error.to_string().ends_with("more than 255 functions"), "{error}");
    let name = "a".repeat(65);
    let long = function("", "(param \"a\" s32)")
        .replace("(export \"f\" (func $f))", &format!("(export \"{name}\" (func $f))"));
    let error = refused_text(&long).await;
    assert!(error.to_string().ends_with("its name has more than 64 characters"), "{error}");
}

#[tokio::test]
async fn types_that_are_not_ready_are_refused() {
    for (param, feature) in
        [("(list u32 4)", "fixed-length"), ("(map string u32)", "map"), ("error-context", "error-context")]
    {
        let error = refused_text(&function("", &format!("(param \"a\" {param})"))).await;
        assert!(
            matches!(&error, LoadError::Damaged { reason } if reason.to_lowercase().contains(feature)),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn functions_that_are_for_others_are_left_out() {
    for (interface, reason) in [
        ("wasi:cli/run@0.2.0", "it is there for those who run WASI programs"),
        ("exports", "it is there for the tool that made the component"),
    ] {
        let instance = format!("(instance $i (export \"run\" (func $f))) (export \"{interface}\" (instance $i))");
        let text = function("", "(param \"a\" s32)").replace("(export \"f\" (func $f))", &instance);
        let error = refused_text(&text).await;
        assert!(error.to_string().ends_with(reason), "{error}");
    }
    // No function at all.
    let error = refused_text("(component (instance $i) (export \"a:b/c\" (instance $i)))").await;
    assert_eq!(error.to_string(), "the component exports no `perstack:plugin/tools`: it is not for the world `skill`");
}

#[tokio::test]
async fn logic_is_of_its_own_world_only() {
    let component = ComponentBytes::new(&component()).unwrap();
    let error = Logic::load(&sandbox(), &component, Limits::default()).await.err().unwrap();
    assert!(matches!(error, LoadError::WrongWorld { .. }), "{error:?}");
    // An Expert's logic that asks for nothing is no skill either, whatever it exports besides.
    let logic = "(instance $i (export \"run\" (func $f))) (export \"perstack:plugin/logic@0.1.0\" (instance $i))";
    for exports in [logic, &format!("{logic} (export \"f\" (func $f))")] {
        let text = function("", "(param \"a\" s32)").replace("(export \"f\" (func $f))", exports);
        let message = "the component exports no `perstack:plugin/tools`: it is not for the world `skill`";
        assert_eq!(refused_text(&text).await.to_string(), message);
    }
}

/// Written by hand: the world's own function, an interface without a package, and one of another package.
const BY_HAND: &str = r#"(component
    (core module $m (func (export "next") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))
    (core instance $m (instantiate $m))
    (func $next (param "a" s32) (result s32) (canon lift (core func $m "next")))
    (instance $i (export "next" (func $next)))
    (export "next" (func $next))
    (export "inline" (instance $i))
    (export "parts:kit/gears@0.1.0" (instance $i)))"#;

const BY_HAND_WIT: &str = "package my:plant;
    world machine {
        /// Of the world.
        export next: func(a: s32) -> s32;
        export inline: interface {
            /// Without a package.
            next: func(a: s32) -> s32;
        }
        export parts:kit/gears@0.1.0;
    }";

const PARTS_WIT: &str = "package parts:kit@0.1.0;
    interface gears {
        /// Teeth.
        type teeth = s32;
        /// Of another package.
        next: func(a: teeth) -> s32;
    }
    world all {
        /// Not what is meant.
        export next: func(a: s32) -> s32;
    }";

#[tokio::test]
async fn functions_are_found_wherever_they_are() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("deps/kit")).unwrap();
    std::fs::write(folder.path().join("machine.wit"), BY_HAND_WIT).unwrap();
    std::fs::write(folder.path().join("deps/kit/gears.wit"), PARTS_WIT).unwrap();
    let packed = pack_into(&wat::parse_str(BY_HAND).unwrap(), folder.path(), None).unwrap();
    let skill = load(&packed, Grants::default(), Limits::default()).await.unwrap();
    let described: Vec<(&str, &str)> =
        skill.tools().iter().map(|tool| (tool.name.as_str(), tool.description.as_str())).collect();
    let expected =
        [("next", "Of the world."), ("inline_next", "Without a package."), ("gears_next", "Of another package.")];
    assert_eq!(described, expected);
    assert_eq!(tool(&skill, "gears_next").input_schema["properties"]["a"]["description"], "Teeth.");
    for (name, _) in expected {
        assert_eq!(data(&skill, name, json!({ "a": 41 })).await, 42);
    }
}
