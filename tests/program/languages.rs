//! Skills and Experts in other languages, made with the SDKs from their sources by the real tools. They are built where
//! `PERSTACK_TEST_LANGUAGES` names the folder that `.ci/run` makes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use perstack_test_artifacts as artifacts;
use serde_json::{Value, json};

use crate::harness::{Ran, Workspace, installed, repository};
use crate::network::serve;

/// Where the tools are.
fn tools() -> Option<PathBuf> {
    installed("PERSTACK_TEST_LANGUAGES", "the tools of other languages")
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// Copies a folder, and what links in it lead to.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, name) = {
            let entry = entry.unwrap();
            (entry.path(), entry.file_name())
        };
        if name == "node_modules" || name == "__pycache__" {
        } else if from.is_dir() {
            copy(&from, &to.join(name));
        } else {
            fs::copy(&from, to.join(name)).unwrap();
        }
    }
}

/// The examples of a language with its SDK, in a folder of their own: `guest-sdk/LANGUAGE` and `examples/LANGUAGE`.
fn sources(language: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(language);
    drop(fs::remove_dir_all(&folder));
    for part in ["guest-sdk", "examples"] {
        copy(&repository().join(part).join(language), &folder.join(part).join(language));
    }
    folder
}

/// The weather service, which is the same for all: its port is in what the skill says that it needs.
fn service() -> &'static (u16, String) {
    static SERVICE: OnceLock<(u16, String)> = OnceLock::new();
    SERVICE.get_or_init(|| {
        let (port, authority, _requests) = serve(weather);
        (port, authority)
    })
}

/// Makes an example's weather service the one that is here.
fn meet_service(source: &Path) {
    let text = fs::read_to_string(source).unwrap();
    let url = "[\"https://api.example.com\"]";
    assert!(text.contains(url), "{}", source.display());
    fs::write(source, text.replace(url, &format!("[\"https://api.example.com:{}\"]", service().0))).unwrap();
}

/// The folder with the JavaScript examples, tested and built.
fn javascript() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let modules = tools()?.join("npm/node_modules");
        let folder = sources("javascript");
        let (sdk, examples) = (folder.join("guest-sdk/javascript"), folder.join("examples/javascript"));
        symlink(&modules, sdk.join("node_modules")).unwrap();
        fs::create_dir(examples.join("node_modules")).unwrap();
        symlink(&sdk, examples.join("node_modules/perstack")).unwrap();
        for tested in [&sdk, &examples] {
            run(Command::new("node").arg("--test").current_dir(tested));
        }
        meet_service(&examples.join("src/weather.ts"));
        run(Command::new(modules.join(".bin/tsc")).arg("--project").arg(&examples));
        fs::copy(repository().join("tests/javascript/platform.js"), examples.join("src/platform.js")).unwrap();
        for source in ["hello.js", "scoreboard.js", "weather.ts", "referee.js", "platform.js"] {
            let component = Path::new(source).with_extension("wasm");
            let mut build = Command::new("node");
            build.arg(sdk.join("bin/perstack-build.js")).arg(Path::new("src").join(source)).arg("-o").arg(component);
            run(build.current_dir(&examples));
        }
        Some(examples)
    });
    built.as_deref()
}

/// The folder with the Python examples, tested and built.
fn python() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let interpreter = tools()?.join("python/bin/python");
        let folder = sources("python");
        let (sdk, examples) = (folder.join("guest-sdk/python"), folder.join("examples/python"));
        let python = |arguments: &[&str], folder: &Path| {
            let mut command = Command::new(&interpreter);
            run(command.args(arguments).current_dir(folder).env("PYTHONPATH", &sdk).env("PYTHONDONTWRITEBYTECODE", "1"))
        };
        for tested in [&sdk, &examples] {
            let said = python(&["-m", "unittest", "discover", "-s", "tests", "-t", "."], tested);
            assert!(!said.contains("Ran 0 tests"), "{said}");
        }
        meet_service(&examples.join("weather.py"));
        for name in ["hello", "scoreboard", "weather", "referee"] {
            python(&["-m", "perstack", "build", &format!("{name}.py"), "-o", &format!("{name}.wasm")], &examples);
        }
        Some(examples)
    });
    built.as_deref()
}

/// An interpreter as large as Python takes a minute to compile in a development build, where other tests run.
const SKILLS: &str = r#"
[experts.e]
instruction = "Use them."
[experts.e.skills.hello]
type = "wasmSkill"
component = "hello.wasm"
[experts.e.skills.score]
type = "wasmSkill"
component = "scoreboard.wasm"
[experts.e.skills.weather]
type = "wasmSkill"
component = "weather.wasm"
[experts.e.skills.hello.capabilities]
limits = { compile = "10m" }
[experts.e.skills.score.capabilities]
limits = { compile = "10m" }
[experts.e.skills.weather.capabilities]
limits = { compile = "10m" }
network = ["https://api.example.com:PORT"]
secrets = { WEATHER_KEY = ["api.example.com"] }
env = ["WEATHER_URL"]

[experts.referee]
logic = { component = "referee.wasm", limits = { compile = "10m" } }
[experts.referee.skills.score]
type = "wasmSkill"
component = "scoreboard.wasm"
[experts.referee.skills.score.capabilities]
limits = { compile = "10m" }
[experts.referee.skills.player]
type = "interactiveSkill"
[experts.referee.skills.player.tools.askResult]
description = "Asks"
inputJsonSchema = '{"type":"object"}'
"#;

/// A workspace with the components that a folder has, and a network where `api.example.com` is the service.
fn workspace(built: &Path) -> Workspace {
    let (port, authority) = service();
    let workspace = Workspace::new();
    for name in ["hello.wasm", "scoreboard.wasm", "weather.wasm", "referee.wasm"] {
        workspace.write(name, fs::read(built.join(name)).unwrap());
    }
    let needs = SKILLS.replace("PORT", &port.to_string());
    workspace.write("perstack.toml", needs);
    workspace.write("authority.pem", authority);
    let certificates = workspace.path().join("authority.pem");
    let policy = "[network]\ncertificates = 'FILE'\nhosts = { 'api.example.com' = ['127.0.0.1'] }\n";
    workspace.write("policy.toml", policy.replace("FILE", &certificates.display().to_string()));
    let url = format!("https://api.example.com:{port}");
    workspace.write(".env", format!("WEATHER_KEY=the-very-secret-value\nWEATHER_URL={url}\n"));
    workspace
}

/// Runs the Expert `e`, whose model makes these calls one after the other, and gives what each came to.
fn called(workspace: &Workspace, calls: &[(&str, Value)]) -> Vec<(bool, String)> {
    let reply = |(tool, arguments): &(&str, Value)| {
        format!("[[experts.e.replies]]\ntoolCalls = [{{ name = \"{tool}\", arguments = '''{arguments}''' }}]\n")
    };
    let replies: String = calls.iter().map(reply).collect();
    workspace.write("script.toml", replies + "[[experts.e.replies]]\ntext = 'done'\n");
    let model = ["--provider", "scripted", "--model", "script.toml", "--policy", "policy.toml"];
    let ran = workspace.run(&[&["run", "e", "query"], &model[..]].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!ran.stdout.contains("very-secret"), "{ran:?}");
    let events = ran.events();
    let results = events.iter().filter(|event| event["type"] == "resolveToolResults");
    let answer = |event: &Value| {
        let result = &event["toolResults"][0];
        (result["isError"] == true, result["result"][0]["text"].as_str().unwrap().to_owned())
    };
    results.map(answer).collect()
}

/// What a weather service answers, which redirects once and checks the key.
fn weather(request: &str) -> String {
    let respond = |status: &str, headers: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
    };
    let path = request.split(' ').nth(1).unwrap();
    if path.contains("Nowhere") {
        respond("404 Not Found", "", "")
    } else if !request.contains("x-api-key: the-very-secret-value\r\n") {
        respond("401 Unauthorized", "", "")
    } else if path.starts_with("/forecast") {
        respond("302 Found", &format!("location: {}\r\n", path.replace("/forecast", "/v2")), "")
    } else {
        respond("200 OK", "", &json!({ "days": [path, "☀ 20°"] }).to_string())
    }
}

/// What the examples do, which are the same in each language.
fn serves_an_expert(built: &Path) {
    let workspace = workspace(built);
    let answers = called(
        &workspace,
        &[
            ("greet", json!({ "name": "Zoë" })),
            ("record", json!({ "game": "go", "result": "draw" })),
            ("record", json!({ "game": "go", "result": "user-won" })),
            ("totals", json!({ "game": "go" })),
            ("totals", json!({ "game": "" })),
            ("forecast", json!({ "city": "São Paulo", "unit": null })),
            ("forecast", json!({ "city": "Nowhere", "days": 14 })),
        ],
    );
    assert_eq!(answers[0], (false, "Hello, Zoë!".into()));
    let score: Value = serde_json::from_str(&answers[3].1).unwrap();
    assert_eq!(score.as_object().unwrap().values().collect::<Vec<_>>(), [&json!(0), &json!(1), &json!(1)]);
    assert!(answers[4].0 && answers[4].1.contains("`/game`"), "{answers:?}");
    assert_eq!(answers[5], (false, "/v2?city=S%C3%A3o+Paulo&days=3&unit=celsius\n☀ 20°".into()));
    assert_eq!(answers[6], (true, "invalid arguments: there is no city `Nowhere`".into()));
    referees(&workspace);
    // What is not granted, the network does not give.
    let granted = fs::read_to_string(workspace.path().join("perstack.toml")).unwrap();
    workspace.write(
        "perstack.toml",
        granted.replace(&format!("network = [\"https://api.example.com:{}\"]", service().0), "network = []"),
    );
    let denied = called(&workspace, &[("forecast", json!({ "city": "Rome" }))]);
    assert!(denied[0].0 && denied[0].1.starts_with("denied: the request to api.example.com"), "{denied:?}");
}

/// The Expert asks, stops, goes on in another process, and has a skill record what it heard.
fn referees(workspace: &Workspace) {
    let done = |ran: &Ran| ran.events().into_iter().find(|event| event["type"] == "completeRun");
    let ran = workspace.run(&["run", "referee", "chess"]);
    assert!(done(&ran).is_none() && ran.stdout.contains("How did it end?"), "{ran:?}");
    let ran = workspace.run(&["run", "referee", "expert-won", "--continue", "-i"]);
    let done = done(&ran).unwrap_or_else(|| panic!("{ran:?}"));
    let text = done["text"].as_str().unwrap();
    assert!(text.starts_with("The score is {") && text.contains(":1,"), "{text}");
}

#[test]
fn javascript_serves_an_expert() {
    let Some(built) = javascript() else { return };
    serves_an_expert(built);
}

#[test]
fn javascript_finds_what_it_expects_of_a_platform() {
    let Some(built) = javascript() else { return };
    let workspace = workspace(built);
    workspace.write("platform.wasm", fs::read(built.join("platform.wasm")).unwrap());
    let skill = "[experts.e.skills.platform]\ntype = 'wasmSkill'\ncomponent = 'platform.wasm'\n";
    workspace.write("perstack.toml", format!("[experts.e]\ninstruction = 'Try it.'\n{skill}"));
    let calls = ["platform", "platform", "stuck", "crash"].map(|tool| (tool, json!({})));
    let answers = called(&workspace, &calls);
    let [first, second] = [0, 1].map(|number: usize| serde_json::from_str::<Value>(&answers[number].1).unwrap());
    assert_eq!(first["order"], json!(["microtask", "awaited", "early", "late", 1, 2, "caught"]));
    assert_eq!(first["url"], "https://example.com/b?x=%C3%A4");
    assert_eq!((&first["text"], &first["cloned"], &first["late"]), (&json!("ä€😀"), &json!(0), &json!(true)));
    // Each call starts from the same memory, and not with the same random numbers.
    assert!(first["random"] != second["random"] && first["uuid"] != second["uuid"], "{answers:?}");
    assert_eq!(answers[2], (true, "it waits for something that never happens".into()));
    assert!(answers[3].0 && answers[3].1.contains("call stack exhausted"), "{answers:?}");
}

#[test]
fn python_serves_an_expert() {
    let Some(built) = python() else { return };
    serves_an_expert(built);
}

/// The C example, built.
fn c(tools: &Path) -> PathBuf {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("words.wasm");
    let path = format!("{}:{}", tools.join("cargo/bin").display(), std::env::var("PATH").unwrap());
    run(Command::new(repository().join("examples/c-skill/build")).arg(&out).env("PATH", path));
    out
}

/// A skill in JavaScript, and one in Python, made with the contract and the tools of others alone.
fn plain(tools: &Path) -> [PathBuf; 2] {
    let out =
        ["javascript", "python"].map(|name| Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("plain-{name}.wasm")));
    let mut javascript = Command::new(tools.join("npm/node_modules/.bin/componentize-qjs"));
    javascript.args(["--wit", "wit", "--js", "tests/javascript/plain.js", "--world", "skill", "--sync", "--output"]);
    run(javascript.arg(&out[0]).current_dir(repository()));
    let mut python = Command::new(tools.join("python/bin/componentize-py"));
    python.args(["-d", "wit", "-w", "skill", "componentize", "plain", "-p", "tests/python", "-o"]);
    run(python.arg(&out[1]).current_dir(repository()));
    out
}

#[test]
fn a_skill_in_each_language_serves_one_expert() {
    let (Some(tools), Some(javascript), Some(python)) = (tools(), javascript(), python()) else { return };
    let [plain_javascript, plain_python] = plain(&tools);
    let components = [
        ("rust", Path::new(artifacts::GUESTS).to_owned()),
        ("javascript", javascript.join("hello.wasm")),
        ("python", python.join("scoreboard.wasm")),
        ("c", c(&tools)),
        ("plain-javascript", plain_javascript),
        ("plain-python", plain_python),
    ];
    let workspace = Workspace::new();
    let mut project = "[experts.e]\ninstruction = 'Use them.'\n".to_owned();
    for (name, component) in components {
        workspace.write(&format!("{name}.wasm"), fs::read(component).unwrap());
        project += &format!("[experts.e.skills.{name}]\ntype = 'wasmSkill'\ncomponent = '{name}.wasm'\n");
        project += &format!("[experts.e.skills.{name}.capabilities]\nlimits = {{ compile = '10m' }}\n");
    }
    workspace.write("perstack.toml", project);
    workspace.write("policy.toml", "");
    let calls = [
        ("sandbox_echo", json!({ "text": "Rust" })),
        ("greet", json!({ "name": "JavaScript" })),
        ("record", json!({ "game": "go", "result": "draw" })),
        ("count", json!({ "text": "in plain C" })),
        ("count", json!({ "text": " " })),
        ("plain_js", json!({})),
        ("plain_js", json!({ "fail": true })),
        ("plain_py", json!({})),
        ("plain_py", json!({ "fail": true })),
    ];
    let answers = called(&workspace, &calls);
    let expected = [
        (false, "Rust"),
        (false, "Hello, JavaScript!"),
        (false, "{\"expert_won\":0,\"drawn\":1,\"user_won\":0}"),
        (false, "{\"words\":3,\"longest\":\"plain\"}"),
        (true, "the text has no words"),
        (false, "plain_js 0"),
        (true, "denied: no"),
        (false, "plain_py 0"),
        (true, "denied: no"),
    ];
    assert_eq!(answers, expected.map(|(is_error, text)| (is_error, text.to_owned())));
}
