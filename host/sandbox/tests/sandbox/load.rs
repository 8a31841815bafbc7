//! What is refused before it runs, or ends while its tools are listed: files that are no components, components that
//! want too much, and components that take too much.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use perstack_core::{Limits, ToolSet};
use perstack_sandbox::{ComponentBytes, Grants, LoadError, Logic, Sandbox, SandboxConfig, Skill};

use crate::harness::{SHORT, guests, sandbox, skill, still_works};

async fn load(bytes: &[u8]) -> Result<Skill, LoadError> {
    let limits = Limits { timeout: SHORT, ..Limits::default() };
    Skill::load(&sandbox(), "cases", &ComponentBytes::new(bytes)?, Grants::default(), limits).await
}

async fn refused(bytes: &[u8]) -> LoadError {
    match load(bytes).await {
        Err(error) => error,
        Ok(_) => panic!("it was loaded"),
    }
}

/// Why a component in text form was refused.
async fn refused_text(text: &str) -> LoadError {
    refused(&wat::parse_str(text).unwrap()).await
}

/// What a component's `list-tools` ended with.
async fn list_tools_ended(text: &str) -> String {
    match refused_text(text).await {
        LoadError::ListTools(reason) => reason,
        other => panic!("{other}"),
    }
}

/// A component that exports what a skill does as far as its name goes, with these definitions before.
fn component(definitions: &str) -> String {
    format!(
        r#"(component
            {definitions}
            (core module $tools (func (export "f")))
            (core instance $tools (instantiate $tools))
            (func $f (canon lift (core func $tools "f")))
            (instance $exported (export "list-tools" (func $f)) (export "call-tool" (func $f)))
            (export "perstack:plugin/tools@0.1.0" (instance $exported)))"#
    )
}

/// The same with a core module that is instantiated first.
fn with_module(fields: &str) -> String {
    component(&format!("(core module $first {fields}) (core instance (instantiate $first))"))
}

#[tokio::test]
async fn what_is_no_component_is_named() {
    for (bytes, reason) in [
        (&b""[..], "it is empty"),
        (b"\0", "it does not start like one"),
        (b"\0asm", "its header is cut off or of an unknown version"),
        (b"\0asm\x0d\0\x01", "its header is cut off or of an unknown version"),
        (b"\0asm\x01\0\0\0", "it is a core module"),
        (b"(component)", "it does not start like one"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0", "it does not start like one"),
        (b"#!/bin/sh\nexit 0\n", "it does not start like one"),
    ] {
        let error = refused(bytes).await;
        assert!(matches!(error, LoadError::NotAComponent { .. }), "{error:?}");
        assert_eq!(error.to_string(), format!("this is not a WebAssembly component: {reason}"));
        assert!(error.hint().unwrap().contains("wasm32-wasip2"));
    }
    let module = wat::parse_str("(module (func (export \"f\")))").unwrap();
    assert!(matches!(refused(&module).await, LoadError::NotAComponent { .. }));
}

#[tokio::test]
async fn random_bytes_are_damaged() {
    // A small generator of its own: the same bytes in every run.
    let mut number = 1_u64;
    let mut next = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) as u8
    };
    for length in [1, 8, 9, 100, 10_000] {
        let noise: Vec<u8> = (0..length).map(|_| next()).collect();
        assert!(matches!(refused(&noise).await, LoadError::NotAComponent { .. }));
        let error = refused(&[b"\0asm\x0d\0\x01\0", &noise[..]].concat()).await;
        assert!(matches!(error, LoadError::Damaged { .. }), "{error:?}");
    }
    // Every byte of a small component changed in turn: refused, or harmless. With another letter in the name of its
    // interface it is a component of another world.
    let genuine = wat::parse_str(component("")).unwrap();
    for place in 8..genuine.len() {
        for change in [1, 0x80, 0xff] {
            let mut changed = genuine.clone();
            changed[place] ^= change;
            let tools = load(&changed).await.map(|skill| skill.tools().len());
            assert!(matches!(tools, Err(_) | Ok(2)), "{place}: {tools:?}");
        }
    }
    still_works(&skill().await).await;
}

#[tokio::test]
async fn a_file_that_is_cut_off_is_damaged() {
    let guests = guests();
    let bytes = guests.bytes();
    for part in 0..60 {
        let error = refused(&bytes[..bytes.len() * part / 60]).await;
        let kind = match part {
            0 => matches!(error, LoadError::NotAComponent { .. }),
            _ => matches!(error, LoadError::Damaged { .. } | LoadError::WrongWorld { .. }),
        };
        assert!(kind, "{part}: {error:?}");
    }
    for left in 1..20 {
        refused(&bytes[..bytes.len() - left]).await;
    }
    still_works(&skill().await).await;
}

#[tokio::test]
async fn a_file_that_is_too_large_is_not_read() {
    let message = |size: &str, limit: &str| {
        format!("the component has {size}, more than the {limit} that are allowed (`limits.component`)")
    };
    let mut bytes = vec![0; 65 << 20];
    bytes[..8].copy_from_slice(b"\0asm\x0d\0\x01\0");
    let error = refused(&bytes).await;
    assert_eq!(error.to_string(), message("65MiB", "64MiB"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.wasm");
    let file = File::create(&path).unwrap();
    file.set_len(257 << 20).unwrap();
    assert_eq!(unreadable(&path).to_string(), message("257MiB", "256MiB"));
    // As large as all memory, and then some.
    file.set_len(1 << 42).unwrap();
    assert!(matches!(unreadable(&path), LoadError::TooLarge { .. }));
}

#[tokio::test]
async fn what_takes_too_long_to_compile_is_given_up() {
    let fresh = Sandbox::new(SandboxConfig::default()).unwrap();
    let limits = Limits { compile: Duration::from_millis(1), ..Limits::default() };
    let error = Skill::load(&fresh, "cases", &guests(), Grants::default(), limits).await.err().unwrap();
    assert_eq!(error.to_string(), "compiling the component took longer than 1ms (`limits.compile`)");
}

fn unreadable(path: &Path) -> LoadError {
    match ComponentBytes::read(path) {
        Err(error) => error,
        Ok(_) => panic!("{} was read", path.display()),
    }
}

#[tokio::test]
async fn what_is_no_file_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(unreadable(&folder.path().join("none.wasm")), LoadError::Missing { .. }));
    assert!(matches!(unreadable(folder.path()), LoadError::Unreadable { .. }));
    assert!(matches!(unreadable(Path::new("/dev/zero")), LoadError::Unreadable { .. }));
    // A pipe without a writer would keep its reader for ever.
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    assert!(matches!(unreadable(&pipe), LoadError::Unreadable { .. }));
}

#[tokio::test]
async fn each_world_has_its_place() {
    let error = refused_text("(component)").await;
    assert!(matches!(error, LoadError::WrongWorld { .. }), "{error:?}");
    assert_eq!(error.to_string(), "the component exports no `perstack:plugin/tools`: it is not for the world `skill`");
    for expert in [perstack_test_artifacts::GUESTS_EXPERT, perstack_test_artifacts::TIC_TAC_TOE] {
        let expert = ComponentBytes::read(Path::new(expert)).unwrap();
        let error = refused(expert.bytes()).await;
        // What it imports comes first in the file, and is refused first.
        assert!(matches!(error, LoadError::ImportNotGranted { .. } | LoadError::WrongWorld { .. }), "{error:?}");
    }
    for skill in [perstack_test_artifacts::GUESTS, perstack_test_artifacts::SCOREBOARD] {
        let skill = ComponentBytes::read(Path::new(skill)).unwrap();
        let error = Logic::load(&sandbox(), &skill, Limits::default()).await.err().unwrap();
        assert!(matches!(error, LoadError::ImportNotGranted { .. } | LoadError::WrongWorld { .. }), "{error:?}");
    }
    // An export of that name within a component that is inside does not count.
    let inside = component("");
    let error = refused_text(&format!("(component {inside})")).await;
    assert!(matches!(error, LoadError::WrongWorld { .. }), "{error:?}");
}

#[tokio::test]
async fn an_import_that_is_not_granted_is_refused_by_name() {
    for (import, reason) in [
        ("wasi:http/incoming-handler@0.2.0", "no grant gives it"),
        ("perstack:plugin/user@0.1.0", "the world `skill` does not have"),
        ("perstack:plugin/model@0.1.0", "the world `skill` does not have"),
        ("evil:thing/api", "no grant gives it"),
        ("wasi:clocks-evil/api", "no grant gives it"),
        ("wasi:nn/graph@0.2.0", "no grant gives it"),
    ] {
        // It runs for ever, if it runs.
        let first = "(core module $m (func $f (loop br 0)) (start $f)) (core instance (instantiate $m))";
        let error = refused_text(&component(&format!("(import \"{import}\" (instance)) {first}"))).await;
        assert!(matches!(error, LoadError::ImportNotGranted { .. }), "{error:?}");
        assert_eq!(error.to_string(), format!("the component imports `{import}`, which {reason}"));
    }
    // A function of an interface that is there, but does not have it.
    let error = refused_text(&component(
        "(import \"wasi:clocks/wall-clock@0.2.0\" (instance (export \"set-time\" (func (param \"to\" u64)))))",
    ))
    .await;
    assert!(matches!(error, LoadError::DoesNotLink { .. }), "{error:?}");
    assert!(error.to_string().contains("set-time"), "{error}");
}

#[tokio::test]
async fn a_name_in_a_component_does_not_control_the_terminal() {
    for text in [
        "(component (import \"\\1b[2Jevil\" (instance)))",
        "(component (component $c) (export \"\\1b[2Jevil\" (component $c)))",
        "(component (import \"evil:thing/api\" (instance (export \"\\1b[2J\" (func)))))",
        "(component (import \"wasi:clocks/wall-clock@0.2.0\" (instance (export \"\\1b[2J\" (func)))))",
        "(component (import \"wasi:clocks/\\1b[2J\" (instance)))",
    ] {
        let shown = refused_text(text).await.to_string();
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
    }
}

#[tokio::test]
async fn an_endless_start_ends_at_the_time_limit() {
    let reason = list_tools_ended(&with_module("(func $f (loop br 0)) (start $f)")).await;
    assert_eq!(reason, "it ran into its time limit of 1 s");
    still_works(&skill().await).await;
}

#[tokio::test]
async fn memory_is_bounded_from_the_start() {
    let too_much = "it ran into its limit of 128MiB memory";
    assert_eq!(list_tools_ended(&with_module("(memory 2049)")).await, too_much);
    // Grown at once, in one module or several.
    let grow = "(memory 1) (func $f (if (i32.eq (memory.grow (i32.const 3000)) (i32.const -1)) (then unreachable)))
        (start $f)";
    assert_eq!(list_tools_ended(&with_module(grow)).await, too_much);
    let several = "(core module $m (memory 1000)) (core instance (instantiate $m)) (core instance (instantiate $m))
        (core instance (instantiate $m))";
    assert_eq!(list_tools_ended(&component(several)).await, too_much);
    // More than any guest can have is refused before it runs.
    let error = refused_text(&with_module("(memory 16385)")).await;
    assert!(matches!(error, LoadError::TooDemanding { .. }), "{error:?}");
    assert!(error.to_string().contains("exceeds the limit of 0x40000000 bytes"), "{error}");
    still_works(&skill().await).await;
}

#[tokio::test]
async fn tables_are_bounded() {
    let too_many = "it ran into its limit of 60000 table elements";
    let two =
        "(core module $m (table 40000 funcref)) (core instance (instantiate $m)) (core instance (instantiate $m))";
    assert_eq!(list_tools_ended(&component(two)).await, too_many);
    let grow = "(table 1 funcref) (func $f (if (i32.eq (table.grow (ref.null func) (i32.const 60000)) (i32.const -1))
        (then unreachable))) (start $f)";
    assert_eq!(list_tools_ended(&with_module(grow)).await, too_many);
    let error = refused_text(&with_module("(table 60001 funcref)")).await;
    assert!(matches!(error, LoadError::TooDemanding { .. }), "{error:?}");
    assert!(error.to_string().ends_with("which exceeds the limit of 60000"), "{error}");
    still_works(&skill().await).await;
}

#[tokio::test]
async fn instances_are_bounded() {
    for (field, instances, what) in [
        ("", 101, "102 core module instances, which exceeds the configured maximum of 100"),
        ("(memory 0)", 21, "21 Wasm linear memories, which exceeds the configured maximum of 20"),
        ("(table 0 funcref) (table 0 funcref)", 51, "102 tables, which exceeds the configured maximum of 100"),
    ] {
        let many = format!("(core module $m {field}) {}", "(core instance (instantiate $m))".repeat(instances));
        let error = refused_text(&component(&many)).await;
        assert!(matches!(error, LoadError::TooDemanding { .. }), "{error:?}");
        assert!(error.to_string().contains(what), "{error}");
    }
    still_works(&skill().await).await;
}

/// Components within components, by hand: text is not parsed that deep.
fn nested(depth: usize) -> Vec<u8> {
    const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";
    const COMPONENT_SECTION: u8 = 4;
    let mut sections: Vec<Vec<u8>> = Vec::new();
    let mut size = HEADER.len();
    for _ in 0..depth {
        let mut section = vec![COMPONENT_SECTION];
        let mut left = size;
        while left > 0x7f {
            section.push((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        section.push(left as u8);
        section.extend_from_slice(HEADER);
        size += section.len();
        sections.push(section);
    }
    [HEADER.to_vec(), sections.into_iter().rev().flatten().collect()].concat()
}

#[tokio::test]
async fn nesting_is_bounded() {
    for depth in [33, 1000, 100_000] {
        let error = refused(&nested(depth)).await;
        assert_eq!(
            error.to_string(),
            "the component takes more than is allowed: its components or types are nested more than 32 deep"
        );
    }
    // As deep as is allowed, it is only none of ours; with what a skill exports, it is compiled.
    assert!(matches!(refused(&nested(32)).await, LoadError::WrongWorld { .. }));
    let mut skill = wat::parse_str(component("")).unwrap();
    skill.extend_from_slice(&nested(32)[8..]);
    assert!(matches!(refused(&skill).await, LoadError::ListTools(_)));
    // Types within types.
    let mut types = "(type $t0 (list u8))".to_owned();
    for depth in 1..5000 {
        types.push_str(&format!("(type $t{depth} (list $t{}))", depth - 1));
    }
    let error = refused_text(&component(&types)).await;
    assert!(matches!(error, LoadError::Damaged { .. }), "{error:?}");
    still_works(&crate::harness::skill().await).await;
}

/// A component whose start asks for random bytes, and has `realloc` for them.
fn asks_for_random(bytes: u64, realloc: &str) -> String {
    component(&format!(
        r#"(import "wasi:random/random@0.2.0" (instance $random
            (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
        (core module $memory
            (memory (export "memory") 64)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc}))
        (core instance $memory (instantiate $memory))
        (core func $get (canon lower (func $random "get-random-bytes")
            (memory $memory "memory") (realloc (func $memory "realloc"))))
        (core module $ask
            (import "random" "get" (func $get (param i64 i32)))
            (func $f (call $get (i64.const {bytes}) (i32.const 0)))
            (start $f))
        (core instance (instantiate $ask (with "random" (instance (export "get" (func $get))))))"#
    ))
}

#[tokio::test]
async fn a_request_for_random_bytes_is_bounded() {
    // It gets them, and is refused only for its tools.
    let got = list_tools_ended(&asks_for_random(64 << 10, "(i32.const 1024)")).await;
    for bytes in [(64 << 10) + 1, 1 << 32, u64::MAX] {
        let refused = list_tools_ended(&asks_for_random(bytes, "(i32.const 1024)")).await;
        assert_ne!(refused, got);
        assert_eq!(refused, format!("it crashed: requested len {bytes} exceeds limit 65536"));
    }
}

#[tokio::test]
async fn an_allocator_that_never_returns_ends_at_the_time_limit() {
    let reason = list_tools_ended(&asks_for_random(16, "(loop br 0) (i32.const 0)")).await;
    assert_eq!(reason, "it ran into its time limit of 1 s");
    // And one that gives what it does not have.
    let reason = list_tools_ended(&asks_for_random(16, "(i32.const -8)")).await;
    assert!(reason.starts_with("it crashed: "), "{reason}");
}

#[tokio::test]
async fn functions_of_another_type_do_not_fit() {
    let reason = list_tools_ended(&component("")).await;
    assert!(reason.contains("expected 1-tuple, found 0-tuple"), "{reason}");
}

#[tokio::test]
async fn the_plugins_load() {
    for (path, tools) in [(perstack_test_artifacts::SCOREBOARD, 2)] {
        let component = ComponentBytes::read(Path::new(path)).unwrap();
        let skill = Skill::load(&sandbox(), "plugin", &component, Grants::default(), Limits::default()).await.unwrap();
        assert_eq!(skill.tools().len(), tools);
        assert_eq!(skill.size().bytes(), component.bytes().len() as u64);
    }
}
