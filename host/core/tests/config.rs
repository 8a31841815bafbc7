//! Files that a project may have, good and bad: each `case.toml` in `config/` is read, and what comes of it is compared
//! with `case.err` beside it. A good file has an empty one. `UPDATE=1` writes them anew.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use perstack_core::Limits;
use perstack_core::config::{
    Access, Config, ExpertKey, Lifetime, MAX_FILE_BYTES, Provider, ReasoningBudget, Skill, SkillKind,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

/// The names of the cases that have a file of this extension.
fn cases(extension: &str) -> BTreeSet<String> {
    std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

fn text(case: &str) -> String {
    std::fs::read_to_string(folder().join(case).with_extension("toml")).unwrap()
}

fn good(case: &str) -> Config {
    let text = text(case);
    Config::parse(&text).unwrap_or_else(|error| panic!("{}", error.render(case, &text)))
}

fn skill<'a>(config: &'a Config, expert: &str, name: &str) -> &'a Skill {
    let skills = &config.expert(expert).unwrap().skills;
    skills.iter().find(|skill| skill.name == name).unwrap()
}

#[test]
fn every_file_gives_what_stands_beside_it() {
    let update = std::env::var_os("UPDATE").is_some();
    let cases_with_text = cases("toml");
    assert!(!cases_with_text.is_empty(), "no cases in {}", folder().display());
    let mut wrong = Vec::new();
    for case in &cases_with_text {
        let text = text(case);
        let mut found = match Config::parse(&text) {
            Ok(_) => String::new(),
            Err(error) => error.render("perstack.toml", &text) + "\n",
        };
        let path = folder().join(case).with_extension("err");
        if update {
            std::fs::write(&path, &found).unwrap();
        }
        // A missing file was missed by the author of the case, so it is no empty one.
        let expected = std::fs::read_to_string(&path).unwrap_or_else(|error| format!("{}: {error}", path.display()));
        if found != expected {
            found = if found.is_empty() { "no error\n".to_owned() } else { found };
            wrong.push(format!("{case}.toml\n  found: {found}  expected: {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(cases_with_text, cases("err"), "every .toml has an .err, and the other way round");
}

#[test]
fn names_of_cases_say_what_to_expect() {
    for case in cases("toml") {
        let text = text(&case);
        assert_eq!(Config::parse(&text).is_ok(), case.starts_with("good_"), "{case}");
    }
}

#[test]
fn everything_that_can_be_written_is_read() {
    let config = good("good_everything");
    assert_eq!(config.model.as_deref(), Some("claude-sonnet-4-5"));
    assert_eq!(config.reasoning_budget, Some(ReasoningBudget::Tokens(2048.try_into().unwrap())));
    assert_eq!(config.max_steps, Some(50));
    assert_eq!(config.timeout.unwrap().as_millis(), 60_000);
    assert_eq!(config.env_path.as_deref().unwrap(), [".env", ".env.local"]);
    assert_eq!(config.perstack_base_skill_command.as_deref().unwrap(), ["npx", "-y", "@perstack/base"]);
    let Some(Provider::OpenAi(setting)) = &config.provider else { panic!("{:?}", config.provider) };
    assert_eq!(setting.http.base_url.as_ref().unwrap().as_str(), "https://gateway.example.com/v1");
    assert_eq!(setting.http.headers, [("X-Team".to_owned(), "search".to_owned()), ("A".to_owned(), "1".to_owned())]);
    assert_eq!(setting.organization.as_deref(), Some("org-1"));

    let keys: Vec<&str> = config.experts.iter().map(|expert| expert.key.as_str()).collect();
    assert_eq!(keys, ["zebra", "@acme/aardvark"], "in the order of the file");
    let zebra = config.expert("zebra").unwrap();
    assert_eq!(zebra.version.as_str(), "2.1.0-beta.1");
    assert_eq!(zebra.delegates, ["@acme/aardvark@1.0.0", "other@latest"].map(|key| key.parse::<ExpertKey>().unwrap()));
    assert_eq!(zebra.provider_tools.len(), 2);
    assert_eq!(zebra.provider_skills.len(), 2);
    assert_eq!(zebra.provider_tool_options.web_search_max_uses, Some(5));
    let names: Vec<&str> = zebra.skills.iter().map(|skill| skill.name.as_str()).collect();
    assert_eq!(names, ["web", "remote", "ask", "component"]);
    let SkillKind::McpStdio(web) = &skill(&config, "zebra", "web").kind else { panic!("not a stdio skill") };
    assert!(web.lazy_init);
    assert_eq!(web.required_env[0].as_str(), "EXA_API_KEY");
    let (ask, tool) = zebra.interactive_tools().next().unwrap();
    assert_eq!((ask.name.as_str(), tool.name.as_str()), ("ask", "askUser"));
    assert_eq!(tool.input_schema["required"][0], "question");
    let SkillKind::Wasm(component) = &skill(&config, "zebra", "component").kind else { panic!("not a component") };
    let limits = component.capabilities.limits;
    assert_eq!((limits.memory, limits.timeout.as_secs(), limits.output), (65_536, 86_400, 64 << 20));
    let logic = config.expert("@acme/aardvark").unwrap().logic.as_ref().unwrap();
    assert_eq!(logic.limits, Limits { memory: 64 << 20, ..Limits::default() });
    assert_eq!(config.expert("@acme/aardvark").unwrap().version.as_str(), "1.0.0");
}

#[test]
fn capabilities_are_read_as_documented() {
    let config = good("good_capabilities");
    let exa = skill(&config, "researcher", "exa");
    let SkillKind::Wasm(wasm) = &exa.kind else { panic!("not a component") };
    assert_eq!(wasm.component.as_str(), "./plugins/exa.wasm");
    assert_eq!(wasm.lifetime, Lifetime::Call);
    let granted = &wasm.capabilities;
    assert_eq!(granted.env.iter().map(ToString::to_string).collect::<Vec<_>>(), ["EXA_REGION"]);
    let (secret, hosts) = granted.secrets.iter().next().unwrap();
    assert_eq!((secret.as_str(), hosts[0].as_str()), ("EXA_API_KEY", "api.exa.ai"));
    let grants: Vec<_> = granted.filesystem.iter().map(|grant| (grant.path.as_str(), grant.access)).collect();
    assert_eq!(grants, [(".", Access::Read), ("reports", Access::Write)]);
    let network: Vec<_> = granted.network.iter().map(ToString::to_string).collect();
    assert_eq!(network, ["https://*.example.com:8443", "https://api.exa.ai"]);
    assert_eq!(granted.limits.memory, 128 << 20);
    assert_eq!(granted.limits.timeout.as_secs(), 30);
    assert_eq!(granted.limits.output, 1 << 20);
}

#[test]
fn hints_can_name_the_line() {
    let text = text("good_capabilities");
    let config = Config::parse(&text).unwrap();
    let exa = skill(&config, "researcher", "exa");
    let SkillKind::Wasm(wasm) = &exa.kind else { panic!("not a component") };
    let line = |line: usize| text.lines().nth(line - 1).unwrap();
    assert_eq!(line(config.experts[0].span.line), r#"[experts."researcher"]"#);
    assert_eq!(line(exa.span.line), r#"[experts."researcher".skills."exa"]"#);
    let capabilities = wasm.capabilities.span.as_ref().unwrap();
    assert_eq!(line(capabilities.line), r#"[experts."researcher".skills."exa".capabilities]"#);
    assert_eq!(&text[capabilities.start..capabilities.end], r#"[experts."researcher".skills."exa".capabilities]"#);
}

#[test]
fn an_expert_with_its_own_logic_needs_no_instruction() {
    let config = good("good_tic_tac_toe");
    let expert = config.expert("tic-tac-toe").unwrap();
    assert_eq!(expert.instruction, "");
    assert_eq!(expert.logic.as_ref().unwrap().component.as_str(), "tic-tac-toe.wasm");
    let SkillKind::Wasm(scoreboard) = &skill(&config, "tic-tac-toe", "scoreboard").kind else {
        panic!("not a component")
    };
    assert_eq!(scoreboard.component.as_str(), "scoreboard.wasm");
    assert!(scoreboard.capabilities.span.is_none());
    assert_eq!(expert.interactive_tools().map(|(_, tool)| tool.name.as_str()).collect::<Vec<_>>(), ["askMove"]);
}

#[test]
fn an_empty_file_is_a_project_without_experts() {
    for text in ["", "\n", "# nothing\n", "\u{feff}", "[experts]\n"] {
        assert_eq!(Config::parse(text).unwrap(), Config::default(), "{text:?}");
    }
}

#[test]
fn a_file_is_read_up_to_its_bound() {
    let mut text = "# ".to_owned() + &"x".repeat(MAX_FILE_BYTES - 2);
    Config::parse(&text).unwrap();
    text.push('x');
    let error = Config::parse(&text).unwrap_err();
    assert_eq!(error.message, "the file is too large: 1048577 bytes, at most 1048576 are read");
}

/// Texts are bounded in characters, so a text of Perstack's bound fits in every script.
#[test]
fn texts_are_read_up_to_their_bounds() {
    let instruction = |text: &str| Config::parse(&format!("[experts.a]\ninstruction = '{text}'"));
    instruction(&"字".repeat(20 * 1024)).unwrap();
    let error = instruction(&"字".repeat(20 * 1024 + 1)).unwrap_err();
    assert_eq!(error.message, "`instruction` in Expert `a`: 20481 characters are too many, at most 20480 are allowed");
}

#[test]
fn lists_are_read_up_to_their_bounds() {
    let skills = |count: usize| {
        let skills: String =
            (0..count).map(|n| format!("skills.s{n} = {{ type = 'wasmSkill', component = 'a' }}\n")).collect();
        Config::parse(&format!("[experts.a]\ninstruction = 'x'\n{skills}"))
    };
    skills(255).unwrap();
    let error = skills(256).unwrap_err();
    assert_eq!(error.message, "`skills` in Expert `a`: 256 skills are too many, at most 255 are allowed");
}

#[test]
fn columns_count_characters() {
    let text = "model = 'a'\r\n[experts.a]\ninstruction = '字'\nlogic = { 'é' = 1 }\n";
    let error = Config::parse(text).unwrap_err();
    let position = error.line_column(text);
    assert_eq!((position.line, position.column), (4, 11));
    assert_eq!(&text[error.span], "'é'");
}

/// Whatever a file holds, its mistakes may be shown on a terminal.
#[test]
fn messages_hold_no_control_characters() {
    let key = r#""\u001b[2J\u202e\u0007""#;
    for text in [
        format!("{key} = 1"),
        format!("[experts.{key}]"),
        format!("[experts.a]\n{key} = 1"),
        format!("runtime = {key}"),
        format!("[experts.a]\ninstruction = 'x'\n[experts.a.skills.{key}]\ntype = 'x'"),
        format!("[provider]\nproviderName = 'openai'\nsetting.headers = {{ {key} = 'x' }}"),
        format!("[experts.a]\ninstruction = 'x'\ndelegates = [{key}]"),
    ] {
        let error = Config::parse(&text).unwrap_err();
        let shown = error.render("perstack.toml", &text);
        let shown = shown.lines().collect::<String>();
        assert!(!shown.chars().any(|shown| shown.is_control() || shown == '\u{202e}'), "{shown:?}");
    }
}

/// Broken files give errors that can be shown, wherever they break.
#[test]
fn any_prefix_of_a_file_can_be_read() {
    let text = text("good_everything");
    for (end, _) in text.char_indices() {
        let prefix = &text[..end];
        if let Err(error) = Config::parse(prefix) {
            assert!(prefix.get(error.span.clone()).is_some(), "{:?} at {end}", error.span);
            error.render("perstack.toml", prefix);
        }
    }
}
