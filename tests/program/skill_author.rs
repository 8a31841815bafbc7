//! A skill's author: from no folder at all to a skill that an Expert calls. What is typed here is what `docs/authors.md`
//! says.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{Ran, Workspace, command_in, files, repository};

const NAME: &str = "word-count";
const GUIDE: &str = "docs/authors.md";

/// What an author has on the machine, and `perstack` not by itself: Rust.
fn with_rust(command: &mut Command, target: &Path) {
    for name in ["PATH", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    // Rust is found by the user's own home.
    if let Some(home) = env::var_os("HOME") {
        command.env("HOME", home);
    }
    command.env("XDG_CACHE_HOME", target.join("cache")).env("XDG_STATE_HOME", target.join("state"));
    command.env("CARGO_TARGET_DIR", target.join("built"));
}

struct Author {
    folder: PathBuf,
    target: PathBuf,
}

impl Author {
    /// What is built is kept for the next time: all but the skill itself is the same then.
    fn new() -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skill_author");
        let folder = target.join("work");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        Self { folder, target }
    }

    fn skill(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    fn perstack(&self, folder: &Path, arguments: &[&str]) -> Ran {
        let mut command = command_in(folder, arguments);
        with_rust(&mut command, &self.target);
        command.stdin(Stdio::null()).output().unwrap().into()
    }
}

/// The lines of a guide that are commands, as the words that a shell would make of them.
fn commands(guide: &str) -> Vec<Vec<String>> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in guide.lines() {
        if line.starts_with("```") {
            fenced = line == "```sh";
        } else if fenced {
            found.push(words(line));
        }
    }
    found
}

/// Words between spaces; in quotes those are part of a word. What comes after `#` is for the reader.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for character in line.chars() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (None, ' ') => words.push(String::new()),
            (None, '#') => break,
            _ => words.last_mut().unwrap().push(character),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_command_of_the_guide_does_what_it_says() {
    let author = Author::new();
    let guide = fs::read_to_string(repository().join(GUIDE)).unwrap();
    let mut folder = author.folder.clone();
    let mut said = Vec::new();
    for words in commands(&guide) {
        let arguments: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let ran = match words[0].as_str() {
            "perstack" => author.perstack(&folder, &arguments),
            "cd" => {
                folder.push(arguments[0]);
                continue;
            }
            "cargo" => {
                let mut cargo = Command::new("cargo");
                cargo.args(&arguments).current_dir(&folder).env_clear();
                with_rust(&mut cargo, &author.target);
                cargo.output().unwrap().into()
            }
            // It changes the machine, and is there where these tests are built.
            "rustup" => continue,
            other => panic!("`{other}` is not run"),
        };
        said.push((words.join(" "), ran));
    }
    let of = |part: &str| &said.iter().find(|(command, _)| command.contains(part)).expect(part).1;
    for (command, ran) in &said {
        // The one that shows a denial.
        let denied = command.contains("count_file") && !command.contains("--grant");
        assert_eq!(ran.code, Some(i32::from(denied)), "{command}: {ran:?}");
    }
    assert!(of("cargo test").stdout.contains("3 passed"), "{:?}", of("cargo test"));
    let component = author.skill().join("word-count.wasm").display().to_string();
    assert!(of("skill build").stdout.contains(&format!("{component} · 1")), "{:?}", of("skill build"));
    assert_eq!(of("call count ").stdout, "{\"words\":6,\"lines\":1}\n");
    assert!(of("call count ").stderr.ends_with(" ms\n"), "{:?}", of("call count "));
    let denied = of("count_file");
    assert!(denied.stderr.contains("`README.md` cannot be read"), "{denied:?}");
    assert!(denied.stderr.contains("hint: it says that it needs, and was not granted: --grant 'read=.'"), "{denied:?}");
    assert_eq!(denied.stdout, "");
    assert!(of("--grant read=.").stdout.starts_with("{\"words\":"));
    assert!(of("inspect").stdout.contains("count_file(path: string)"), "{:?}", of("inspect"));
    let run = of("perstack run");
    assert!(run.stdout.contains("\"type\":\"completeRun\""), "{run:?}");
    assert!(run.stdout.contains("\"toolName\":\"count_file\"") && !run.stdout.contains("\"isError\":true"), "{run:?}");

    // What it takes is said where it is not there, and nothing is started where the operator allows nothing.
    let skill = author.skill();
    let ran = author_without_rust(&skill);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("`rustc` is not there") && ran.stderr.contains("rustup.rs"), "{}", ran.stderr);
    fs::write(author.folder.join("policy.toml"), "native = \"deny\"\n[ceilings]\nnetwork = []\n").unwrap();
    let bound = |arguments: &[&str]| author.perstack(&skill, &[arguments, &["--policy", "../policy.toml"]].concat());
    let component = skill.join("word-count.wasm");
    fs::remove_file(&component).unwrap();
    let ran = bound(&["skill", "build"]);
    let refused = "error: `perstack skill build` starts the native program `rustc`, and the host policy does not allow it \
                   (../policy.toml:1)";
    assert!(ran.code == Some(2) && ran.stderr.contains(refused) && !component.exists(), "{ran:?}");
}

/// With no program at all in `PATH`.
fn author_without_rust(skill: &Path) -> Ran {
    let mut command = command_in(skill, &["skill", "build"]);
    command.env("PATH", "/nowhere");
    command.output().unwrap().into()
}

#[test]
fn a_new_skill_takes_nobodys_place() {
    let workspace = Workspace::new();
    let new = |name: &str| workspace.run(&["skill", "new", name]);
    assert_eq!(new(NAME).code, Some(0));
    let before = files(workspace.path());
    workspace.write(&format!("{NAME}/src/lib.rs"), "mine");
    let again = new(NAME);
    assert_eq!((again.code, again.stdout.as_str()), (Some(2), ""));
    assert!(again.stderr.contains("`word-count` is there already"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(workspace.path().join(NAME).join("src/lib.rs")).unwrap(), "mine");
    // A link that leads nowhere is somebody's too.
    std::os::unix::fs::symlink("nowhere", workspace.path().join("link")).unwrap();
    for bad in ["link", "../outside", "Weather", "match", ""] {
        assert_eq!(new(bad).code, Some(2), "{bad}");
    }
    fs::remove_file(workspace.path().join("link")).unwrap();
    assert_eq!(files(workspace.path()), before);
}

#[test]
fn a_call_has_what_was_granted_and_the_operator_allows() {
    let workspace = Workspace::new();
    workspace.write("scoreboard.wasm", fs::read(perstack_test_artifacts::SCOREBOARD).unwrap());
    workspace.write("policy.toml", "native = 'deny'\n[ceilings]\nnetwork = []\nfilesystem = []\n");
    let call = |rest: &[&str]| workspace.run(&[&["skill", "call", "scoreboard.wasm"], rest].concat());
    let policy = ["--policy", "policy.toml"];
    for (grant, field) in [("network=https://a.com", "network `https://a.com`"), ("read=.", "files `.`")] {
        let ran = call(&[&["scores", "--grant", grant], &policy[..]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.stderr.contains(field) && ran.stderr.contains("the host policy does not allow it"), "{ran:?}");
    }
    assert!(!workspace.path().join("perstack").exists(), "nothing had begun");
    for (words, said) in [
        (&["nothing_like_it"][..], "nothing_like_it"),
        (&["nothing_like_it", "{}", "--policy", "policy.toml"], "nothing_like_it"),
    ] {
        let ran = call(words);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
        assert!(ran.stderr.contains(said), "{ran:?}");
    }
    for words in [&["scores", "no json"][..], &["scores", "--grant", "read=/etc"], &["scores", "--grant", "all"]] {
        assert_eq!(call(words).code, Some(2), "{words:?}");
    }
}
