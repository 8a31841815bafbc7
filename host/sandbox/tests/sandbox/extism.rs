//! Extism plugins, made with the official PDK: what they may want works, what they may try does not.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use perstack_core::config::Access;
use perstack_core::policy::EngineKind;
use perstack_core::{CallOutcome, Content, Limits, Observation, ToolSet};
use perstack_sandbox::{
    ComponentBytes, Grants, LoadError, NetworkGrants, Purpose, Sandbox, SandboxConfig, SecretGrant, Skill, inspect,
};
use perstack_test_artifacts::{EXTISM, EXTISM_HANDLERS};
use serde_json::{Value, json};

use crate::harness::{Host, SHORT, Workspace, call, directories, ended, failed, sandbox, sandbox_on, text};
use crate::server::{HOST, OTHER, Server};

/// Everything that a plugin loads with.
#[derive(Default)]
struct Setup {
    config: Vec<(&'static str, &'static str)>,
    grants: Grants,
    limits: Limits,
}

impl Setup {
    async fn load(self, sandbox: &Sandbox, plugin: &ComponentBytes) -> Result<Skill, LoadError> {
        let config: BTreeMap<String, String> =
            self.config.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Skill::load_plugin(sandbox, "plugin", plugin, config, self.grants, self.limits).await
    }
}

fn bytes(path: &str) -> ComponentBytes {
    ComponentBytes::read(Path::new(path)).unwrap()
}

/// The plugin built with WASI.
async fn plugin(setup: Setup) -> Skill {
    setup.load(&sandbox(), &bytes(EXTISM[1])).await.unwrap()
}

async fn limited(limits: Limits) -> Skill {
    plugin(Setup { limits, ..Setup::default() }).await
}

async fn say(skill: &Skill, tool: &str, said: &str) -> CallOutcome {
    call(skill, tool, json!({ "text": said })).await
}

async fn still_works(skill: &Skill) {
    assert_eq!(text(say(skill, "echo", "still here").await), "still here");
}

fn wat(text: &str) -> ComponentBytes {
    ComponentBytes::new(&wat::parse_str(text).unwrap()).unwrap()
}

/// Why a module of this text is not loaded.
async fn refused(module: &str) -> LoadError {
    match Setup::default().load(&sandbox(), &wat(module)).await {
        Ok(_) => panic!("it was loaded"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_plugin_is_a_skill() {
    for path in EXTISM {
        let skill = Setup::default().load(&sandbox(), &bytes(path)).await.unwrap();
        let echo = &skill.tools()[0];
        assert_eq!((echo.name.as_str(), echo.description.as_str()), ("echo", "Does `echo`"));
        assert_eq!(echo.input_schema["properties"]["text"]["type"], "string");
        for said in ["", "ä", "{\"a\": [1, 2]}", &"long ".repeat(50_000)] {
            assert_eq!(text(say(&skill, "echo", said).await), said);
        }
        let picture = call(&skill, "picture", json!({})).await.result.unwrap();
        let expected = Content::Image { media_type: "image/png".into(), base64: "iVBORw0KGgo=".into() };
        assert_eq!(picture.content, [expected]);
        assert_eq!(failed(call(&skill, "fails", json!({})).await), "it cannot be done");
        assert!(failed(call(&skill, "errs", json!({})).await).starts_with("an error of its own"));
        let log = say(&skill, "log", "on the way").await.log;
        assert_eq!(log.text, "info: on the way\n");
        // Extism's number for `info`.
        assert_eq!(text(call(&skill, "level", json!({})).await), "2");
        let crashed = ended(say(&skill, "panic", "on purpose").await);
        assert!(crashed.starts_with("`plugin` was ended: it crashed: wasm trap: wasm `unreachable`"), "{crashed}");
        still_works(&skill).await;
    }
}

#[tokio::test]
async fn the_second_interface_of_hyper_mcp_is_one_too() {
    let skill = Setup::default().load(&sandbox(), &bytes(EXTISM_HANDLERS)).await.unwrap();
    let greet = &skill.tools()[0];
    assert_eq!((greet.title.as_deref(), greet.hints.read_only), (Some("Greeting"), true));
    let output = call(&skill, "greet", json!({ "name": "Ada" })).await.result.unwrap();
    assert_eq!(output.content, [Content::Text { text: "Hello, \"Ada\"! (\"call-7\")".into() }]);
    assert_eq!(output.structured, Some(json!({ "tool": "greet" })));
}

#[tokio::test]
async fn configuration_is_given_and_variables_end_with_the_call() {
    let grants = Grants { environment: vec![("REGION".into(), "eu".into())], ..Grants::default() };
    let skill = plugin(Setup { config: vec![("units", "metric")], grants, ..Setup::default() }).await;
    for (name, value) in [("units", "Some(\"metric\")"), ("REGION", "Some(\"eu\")"), ("HOME", "None"), ("", "None")] {
        let told = say(&skill, "config", name).await;
        // A name that is empty is no block.
        let told = if name.is_empty() { ended(told) } else { text(told) };
        assert!(told == value || name.is_empty() && told.contains("a block of memory"), "{name}: {told}");
    }
    for _ in 0..2 {
        assert_eq!(text(say(&skill, "variable", "a").await), "None Some(\"a\") None");
    }
}

#[tokio::test]
async fn what_cannot_be_a_plugin_is_refused_by_name() {
    let tools =
        r#"(func (export "describe") (result i32) i32.const 0) (func (export "call") (result i32) i32.const 0)"#;
    for (module, said) in [
        ("(component)".to_owned(), "this is a component, and not an Extism plugin"),
        ("(module)".to_owned(), "it exports neither `describe` and `call` nor"),
        (
            format!("(module (import \"extism:host/user\" \"kv_read\" (func (param i64) (result i64))) {tools})"),
            "`extism:host/user::kv_read`",
        ),
        (format!("(module (import \"extism:host/env\" \"reset\" (func)) {tools})"), "`extism:host/env::reset`"),
        (format!("(module (import \"extism:host/env\" \"alloc\" (global i64)) {tools})"), "`extism:host/env::alloc`"),
        (format!("(module (import \"env\" \"memory\" (memory 1)) {tools})"), "`env::memory`"),
        (format!("(module (import \"env\" \"\\1b[2J\" (func)) {tools})"), "`env::\\u{1b}[2J`"),
        (format!("(module (import \"extism:host/env\" \"alloc\" (func)) {tools})"), "alloc"),
        (format!("(module (import \"wasi_snapshot_preview1\" \"fd_steal\" (func)) {tools})"), "fd_steal"),
    ] {
        let error = refused(&module).await;
        assert!(error.to_string().contains(said) && error.hint().is_some(), "{module}: {error}");
    }
    // The other way round, the type to use is named.
    let told = Skill::load(&sandbox(), "plugin", &bytes(EXTISM[0]), Grants::default(), Limits::default()).await;
    let Err(told) = told else { panic!("it was loaded") };
    assert_eq!(told.to_string(), "this is an Extism plugin, and not a component");
    assert!(told.hint().unwrap().contains("extismSkill"));
    assert!(refused("(component)").await.hint().unwrap().contains("wasmSkill"));
}

#[tokio::test]
async fn files_are_not_granted_to_a_plugin() {
    let workspace = Workspace::new();
    let grants = directories(workspace.root(), &[("in", Access::Read)]);
    let loaded = Setup { grants, ..Setup::default() }.load(&sandbox(), &bytes(EXTISM[1])).await;
    assert!(matches!(loaded, Err(LoadError::BadDirectory { .. })));
}

#[tokio::test]
async fn a_plugin_is_looked_at_before_it_runs() {
    for (path, imports) in
        [(EXTISM[0], vec!["extism:host/env"]), (EXTISM[1], vec!["extism:host/env", "wasi_snapshot_preview1"])]
    {
        let mut inspection = inspect(&bytes(path)).unwrap();
        inspection.imports.sort();
        assert_eq!(
            (inspection.purpose, inspection.imports),
            (Purpose::Plugin, imports.iter().map(|name| (*name).into()).collect())
        );
        assert_eq!(inspection.needs, None);
    }
}

#[tokio::test]
async fn a_list_of_tools_that_is_none_is_refused() {
    for (describe, said) in [
        ("nonsense", "it is not a list of tools"),
        ("other", "it is not a list of tools"),
        ("nested", "it is not a list of tools: recursion limit"),
        ("huge", "output limit of 1MiB"),
        ("many", "300 tools, more than 255"),
        ("twice", "two tools are named `echo`"),
        ("name", "`\\u{1b}[2J` is no tool's name"),
        ("base", "`../etc/passwd` is no tool's name"),
        ("spin", "time limit of 1 s"),
    ] {
        let timeout = if describe == "spin" { SHORT } else { Limits::DEFAULT_TIMEOUT };
        let limits = Limits { timeout, ..Limits::default() };
        let config = vec![("describe", describe)];
        let loaded = Setup { config, limits, ..Setup::default() }.load(&sandbox(), &bytes(EXTISM[0])).await;
        let Err(error) = loaded else { panic!("{describe}: it was loaded") };
        let told = error.to_string();
        assert!(told.contains(said) && !told.chars().any(char::is_control), "{describe}: {told}");
    }
}

#[tokio::test]
async fn time_counts() {
    let skill = limited(Limits { timeout: SHORT, ..Limits::default() }).await;
    for (tool, said) in [("spin", ""), ("time", "600000")] {
        assert_eq!(ended(say(&skill, tool, said).await), "`plugin` was ended: it ran into its time limit of 1 s");
    }
    still_works(&skill).await;
    assert_eq!(text(say(&skill, "time", "2").await), "true true");
}

#[tokio::test]
async fn its_memory_and_what_is_kept_for_it_have_one_limit() {
    let limit = "`plugin` was ended: it ran into its limit of 16MiB memory";
    let skill = limited(Limits { memory: 16 << 20, ..Limits::default() }).await;
    assert_eq!(ended(say(&skill, "memory", "").await), limit);
    still_works(&skill).await;
    let blocks = async |length: &str| text(say(&skill, "blocks", length).await).parse::<u64>().unwrap();
    // Something of the sixteen is its own memory.
    assert!((10..16).contains(&blocks("1000000").await));
    assert!((10_000..(16 << 20) / 96).contains(&blocks("1").await));
    for huge in [1_u64 << 33, u64::MAX - 50, u64::MAX] {
        assert_eq!(blocks(&huge.to_string()).await, 0);
    }
    assert_eq!(text(say(&skill, "freed", "").await), "all");
    // An input that does not fit.
    assert_eq!(ended(say(&skill, "echo", &"x".repeat(17 << 20)).await), limit);
    still_works(&skill).await;
}

#[tokio::test]
async fn floods_are_cut() {
    let skill = plugin(Setup::default()).await;
    assert_eq!(
        ended(say(&skill, "output", "1048577").await),
        "`plugin` was ended: its answer is larger than its output limit of 1MiB"
    );
    assert_eq!(text(say(&skill, "variables", "900").await), "");
    let reason = ended(say(&skill, "variables", "1000").await);
    assert_eq!(reason, "`plugin` was ended: it kept more than 1MiB in variables");
    for (tool, said) in [("messages", ""), ("print", "2000")] {
        let log = say(&skill, tool, said).await.log.text;
        assert!(log.ends_with(" more bytes were dropped]\n") && log.len() < (1 << 20) + 100, "{tool}: {}", log.len());
    }
    still_works(&skill).await;
}

#[tokio::test]
async fn offsets_that_are_none_reach_nothing() {
    let skill = plugin(Setup::default()).await;
    assert_eq!(text(call(&skill, "offsets", json!({})).await), "nothing");
    for offset in [1, u64::MAX] {
        let told = ended(say(&skill, "handles", &offset.to_string()).await);
        assert!(told.ends_with("it named a block of memory that is not there"), "{told}");
    }
    let output = |offset: i64, length: i64| {
        wat(&format!(
            r#"(module (import "extism:host/env" "output_set" (func $set (param i64 i64)))
                (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
                (func (export "describe") (result i32)
                    (call $set (i64.add (call $alloc (i64.const 8)) (i64.const {offset})) (i64.const {length})) i32.const 0)
                (func (export "call")))"#
        ))
    };
    for (offset, length) in [(0, 9), (1, 8), (-1, 8), (0, -1), (1 << 40, 1)] {
        let Err(error) = Setup::default().load(&sandbox(), &output(offset, length)).await else { panic!("loaded") };
        let told = error.to_string();
        assert!(told.contains("not in its memory") || told.contains("output limit"), "{offset} {length}: {told}");
    }
}

#[tokio::test]
async fn functions_of_other_types_are_not_called() {
    for function in ["(param i32)", "(result i64) i64.const 0", "(result i32 i32) i32.const 0 i32.const 0"] {
        let module = format!("(module (func (export \"describe\") {function}) (func (export \"call\")))");
        let told = refused(&module).await.to_string();
        assert!(told.contains("`describe` "), "{told}");
    }
    // An endless start, and a number that says that it failed.
    let endless =
        "(module (func $start (loop br 0)) (start $start) (func (export \"describe\")) (func (export \"call\")))";
    let limits = Limits { timeout: Duration::from_millis(200), ..Limits::default() };
    let Err(error) = (Setup { limits, ..Setup::default() }).load(&sandbox(), &wat(endless)).await else {
        panic!("loaded")
    };
    assert!(error.to_string().contains("time limit"), "{error}");
    let failing = "(module (func (export \"describe\") (result i32) i32.const 3) (func (export \"call\")))";
    assert!(refused(failing).await.to_string().contains("`describe` returned 3"));
}

/// Each language is made ready as Extism does it, once and in its order.
#[tokio::test]
async fn a_language_is_made_ready_first() {
    let list = r#"{\"tools\":[{\"name\":\"a\",\"inputSchema\":{}}]}"#;
    let plain = r#"{"tools":[{"name":"a","inputSchema":{}}]}"#;
    let stores: String = (0..plain.len())
        .map(|at| format!("(call $store (i64.add (local.get 0) (i64.const {at})) (i32.load8_u (i32.const {at})))"))
        .collect();
    let module = |initializers: &str| {
        wat(&format!(
            r#"(module
                (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
                (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
                (import "extism:host/env" "output_set" (func $set (param i64 i64)))
                (memory 1) (data (i32.const 0) "{list}")
                (global $ready (mut i32) (i32.const 0))
                {initializers}
                (func (export "call"))
                (func (export "describe") (result i32) (local i64)
                    (if (i32.ne (global.get $ready) (i32.const 1)) (then unreachable))
                    (local.set 0 (call $alloc (i64.const {length})))
                    {stores}
                    (call $set (local.get 0) (i64.const {length}))
                    i32.const 0))"#,
            length = plain.len()
        ))
    };
    let count = "(global.set $ready (i32.add (global.get $ready) (i32.const 1)))";
    for (initializers, works) in [
        (format!("(func (export \"_initialize\") {count})"), true),
        (format!("(func (export \"__wasm_call_ctors\") {count})"), true),
        (format!("(func (export \"__wasm_call_ctors\") {count}) (func (export \"_initialize\") {count})"), true),
        (format!("(func (export \"hs_init\") (param i32 i32) {count})"), true),
        (format!("(func (export \"_initialize\") (param i32) {count})"), false),
        (format!("(func (export \"_start\") {count})"), false),
    ] {
        let loaded = Setup::default().load(&sandbox(), &module(&initializers)).await;
        assert_eq!(loaded.is_ok(), works, "{initializers}: {:?}", loaded.err());
    }
}

#[tokio::test]
async fn wasi_gives_what_was_granted() {
    let grants = Grants { environment: vec![("REGION".into(), "eu".into())], ..Grants::default() };
    let skill = plugin(Setup { grants, ..Setup::default() }).await;
    assert_eq!(text(call(&skill, "environment", json!({})).await), r#"[("REGION", "eu")]"#);
    let files = text(call(&skill, "files", json!({})).await);
    assert!(!files.contains("Ok("), "{files}");
    let exited = ended(say(&skill, "exit", "3").await);
    assert!(exited.contains("Exited with i32 exit status 3"), "{exited}");
    // As with Extism that is a call that returned, though here without an answer.
    let exited = ended(say(&skill, "exit", "0").await);
    assert!(exited.contains("not the result of a tool"), "{exited}");
    still_works(&skill).await;
}

async fn networked(server: &Server, network: NetworkGrants, limits: Limits) -> Skill {
    let setup = Setup { grants: Grants { network, ..Grants::default() }, limits, ..Setup::default() };
    setup.load(&sandbox_on(server.egress()), &bytes(EXTISM[0])).await.unwrap()
}

fn granted(destinations: &[String]) -> NetworkGrants {
    let destinations = destinations.iter().map(|pattern| pattern.parse().unwrap()).collect();
    NetworkGrants { destinations, ..NetworkGrants::default() }
}

async fn fetch(host: &Host, skill: &Skill, url: &str, more: Value) -> CallOutcome {
    let mut arguments = json!({ "url": url });
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    host.call(skill, "fetch", arguments).await
}

fn denials(host: &Host) -> Vec<Option<String>> {
    let access = |observation: &Observation| match observation {
        Observation::NetworkAccess { denied, .. } => denied.clone(),
        other => panic!("not about access: {other:?}"),
    };
    host.observed.lock().unwrap().iter().map(access).collect()
}

#[tokio::test]
async fn requests_pass_the_gate() {
    let server = Server::start().await;
    let skill = networked(&server, granted(&[server.pattern(HOST)]), Limits::default()).await;
    let host = Host::default();
    let more = json!({ "method": "post", "headers": { "x-key": "one", "Content-Length": "1" }, "body": "the body" });
    let answer = text(fetch(&host, &skill, &server.url(HOST, "/a?b=c"), more).await);
    assert!(answer.starts_with("200 Some(\"one\") POST /a?b=c"), "{answer}");
    let request = server.last_request();
    assert!(request.starts_with("POST /a?b=c HTTP/1.1\r\n") && request.contains("the body"), "{request}");
    assert!(request.contains("x-key: one") && request.contains("content-length: 8"), "{request}");
    assert_eq!(denials(&host), [None]);
    let before = server.connections();
    for url in [server.url(OTHER, "/"), server.url(HOST, "/").replace("https", "http"), "https://127.0.0.1/".into()] {
        let host = Host::default();
        let reason = ended(fetch(&host, &skill, &url, json!({})).await);
        assert!(reason.contains("a request that it made failed") && reason.contains("network access to"), "{reason}");
        assert!(matches!(denials(&host).as_slice(), [Some(_)]), "{:?}", denials(&host));
    }
    for (url, more) in [
        (server.url(HOST, "/"), json!({ "headers": { "host": OTHER } })),
        (server.url(HOST, "/"), json!({ "headers": { "x": "a\r\nb: c" } })),
        (server.url(HOST, "/"), json!({ "method": "A B" })),
        (server.url(HOST, "/"), json!({ "method": "CONNECT" })),
        ("not a url".into(), json!({})),
    ] {
        let reason = ended(fetch(&Host::default(), &skill, &url, more).await);
        assert!(reason.contains("a request that it made failed"), "{reason}");
    }
    assert_eq!(server.connections(), before);
    still_works(&skill).await;
    let skill = networked(&server, NetworkGrants::default(), Limits::default()).await;
    ended(fetch(&Host::default(), &skill, &server.url(HOST, "/"), json!({})).await);
    assert_eq!(server.connections(), before);
}

/// What its tools are does not depend on what a plugin is granted, and nobody looks on while it is asked.
#[tokio::test]
async fn nothing_is_granted_while_tools_are_listed() {
    let server = Server::start().await;
    let load = async |describe: String| {
        let config = [("describe".to_owned(), describe)].into();
        let secret = SecretGrant { name: "KEY".into(), value: "0123456789".into(), hosts: vec![HOST.parse().unwrap()] };
        let network = NetworkGrants { secrets: vec![secret], ..granted(&[server.pattern(HOST)]) };
        let grants = Grants { network, ..Grants::default() };
        let sandbox = sandbox_on(server.egress());
        Skill::load_plugin(&sandbox, "plugin", &bytes(EXTISM[0]), config, grants, Limits::default()).await
    };
    let Err(error) = load(server.url(HOST, "/")).await else { panic!("it was loaded") };
    assert!(error.to_string().contains("a request that it made failed"), "{error}");
    assert_eq!(server.connections(), 0);
    assert_eq!(load("secret".into()).await.unwrap().tools()[0].name, "nothing");
}

#[tokio::test]
async fn no_redirect_is_followed_for_a_plugin() {
    let server = Server::start().await;
    let skill = networked(&server, granted(&[server.pattern(HOST)]), Limits::default()).await;
    let url = server.url(HOST, &format!("/redirect?{}", server.url(OTHER, "/")));
    let answer = text(fetch(&Host::default(), &skill, &url, json!({})).await);
    assert_eq!((answer.as_str(), server.connections()), ("302 None ", 1));
}

#[tokio::test]
async fn answers_to_a_plugin_are_bounded() {
    let server = Server::start().await;
    let network = || granted(&[server.pattern(HOST)]);
    let endless = server.url(HOST, "/endless");
    let skill = networked(&server, network(), Limits { download: 200_000, ..Limits::default() }).await;
    let reason = ended(fetch(&Host::default(), &skill, &endless, json!({})).await);
    assert!(reason.contains("(it received more than 200000B over the network (`limits.download`))"), "{reason}");
    // What has come is kept for the plugin, so it counts as its memory.
    let limits = Limits { download: 1 << 30, memory: 8 << 20, ..Limits::default() };
    let skill = networked(&server, network(), limits).await;
    let reason = ended(fetch(&Host::default(), &skill, &endless, json!({})).await);
    assert!(reason.contains("limit of 8MiB memory"), "{reason}");
    let skill = networked(&server, network(), Limits { timeout: SHORT, ..Limits::default() }).await;
    for path in ["/silent", "/slow"] {
        let reason = ended(fetch(&Host::default(), &skill, &server.url(HOST, path), json!({})).await);
        assert!(reason.contains("time limit of 1 s"), "{path}: {reason}");
    }
    still_works(&skill).await;
}

#[tokio::test]
async fn a_plugin_uses_a_secret_and_never_sees_it() {
    const VALUE: &str = "sk-live/Value+0123456789";
    let server = Server::start().await;
    let secret = SecretGrant { name: "KEY".into(), value: VALUE.into(), hosts: vec![HOST.parse().unwrap()] };
    let network = NetworkGrants { secrets: vec![secret], ..granted(&[server.pattern(HOST), server.pattern(OTHER)]) };
    let skill = networked(&server, network, Limits::default()).await;
    let seen = text(say(&skill, "config", "KEY").await);
    assert!(seen.starts_with("Some(\"perstack_secret_"), "{seen}");
    let more = json!({ "method": "POST", "headers": { "x-key": "Bearer $KEY" }, "body": "$KEY" });
    let answer = text(fetch(&Host::default(), &skill, &server.url(HOST, "/?k=$KEY"), more.clone()).await);
    assert!(server.last_request().contains(&format!("x-key: Bearer {VALUE}\r\n")), "{}", server.last_request());
    assert!(answer.matches("perstack_secret_").count() >= 4 && !answer.contains("Value"), "{answer}");
    let before = server.connections();
    let host = Host::default();
    let reason = ended(fetch(&host, &skill, &server.url(OTHER, "/"), more).await);
    assert!(reason.contains("secret `KEY` may not be sent to this host"), "{reason}");
    assert_eq!((server.connections(), denials(&host).len()), (before, 1));
}

#[tokio::test]
async fn plugins_run_on_the_interpreter_and_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let load = async |engine| {
        let cache = perstack_sandbox::Cache::open(&folder.path().join("cache"), &folder.path().join("key")).unwrap();
        let sandbox = Sandbox::new(SandboxConfig { cache: Some(cache), engine, ..SandboxConfig::default() }).unwrap();
        let limits = Limits { timeout: SHORT, ..Limits::default() };
        let skill = Setup { limits, ..Setup::default() }.load(&sandbox, &bytes(EXTISM[1])).await.unwrap();
        still_works(&skill).await;
        (sandbox.cached().unwrap().unwrap().components, skill)
    };
    assert_eq!(load(EngineKind::Compiled).await.0, 1);
    assert_eq!(load(EngineKind::Compiled).await.0, 1);
    let (components, skill) = load(EngineKind::Interpreter).await;
    assert_eq!(components, 2);
    assert!(ended(say(&skill, "spin", "").await).contains("time limit of 1 s"));
    // A file that somebody has changed is compiled anew.
    let files = || std::fs::read_dir(folder.path().join("cache")).unwrap().map(|entry| entry.unwrap().path());
    let genuine: Vec<(_, Vec<u8>)> = files().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect();
    for (file, code) in &genuine {
        let mut changed = code.clone();
        *changed.last_mut().unwrap() ^= 1;
        std::fs::write(file, changed).unwrap();
    }
    for engine in [EngineKind::Compiled, EngineKind::Interpreter] {
        load(engine).await;
    }
    for (file, code) in genuine {
        assert!(std::fs::read(&file).unwrap() == code, "{}", file.display());
    }
}

/// A plugin on one thread gives way to others, and a call that is dropped ends.
#[tokio::test]
async fn a_plugin_that_computes_for_ever_does_not_hold_up_others() {
    let skill = limited(Limits { timeout: Duration::from_secs(600), ..Limits::default() }).await;
    let good = async {
        for _ in 0..10 {
            still_works(&skill).await;
        }
    };
    tokio::select! {
        biased;
        outcome = say(&skill, "spin", "") => panic!("{:?}", outcome.result),
        () = good => {}
    }
}
