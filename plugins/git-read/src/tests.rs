//! What the tools answer is compared with what git itself says of the same repository.

use std::fs;
use std::path::Path;
use std::process::Command;

use perstack::json::{self, Value, json};
use perstack::testing::call;
use tempfile::TempDir;

use super::git::Skill;
use crate::delta::{Damaged, apply};
use crate::revision::{Step, parse};

struct Repository {
    folder: TempDir,
    commits: u32,
}

impl Repository {
    fn new() -> Self {
        let repository = Self { folder: TempDir::new().unwrap(), commits: 0 };
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("LC_ALL", "C")])
            .envs([("GIT_AUTHOR_NAME", "Ada"), ("GIT_AUTHOR_EMAIL", "ada@example.com")])
            .envs([("GIT_COMMITTER_NAME", "Ada"), ("GIT_COMMITTER_EMAIL", "ada@example.com")])
            .envs(
                ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"]
                    .map(|name| (name, format!("{} +0200", 1_700_000_000 + self.commits))),
            )
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn commit(&mut self, file: &str, text: &str) {
        fs::create_dir_all(self.path().join(file).parent().unwrap()).unwrap();
        fs::write(self.path().join(file), text).unwrap();
        self.commits += 1;
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "-m", &format!("Change {file}\n\nFor the {}. time.", self.commits)]);
    }

    fn try_call(&self, tool: &str, arguments: Value) -> Result<Value, String> {
        let mut all = json!({ "repository": self.path().to_str().unwrap() });
        all.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
        let output = call::<Skill>(tool, &all.to_string()).map_err(|error| error.to_string())?;
        Ok(match (output.structured, output.content.into_iter().next()) {
            (Some(data), _) => json::from_str(&data).unwrap(),
            (None, Some(perstack::Content::Text(text))) => text.into(),
            (None, other) => panic!("{other:?}"),
        })
    }

    fn call(&self, tool: &str, arguments: Value) -> Value {
        self.try_call(tool, arguments).unwrap()
    }

    fn text(&self, tool: &str, arguments: Value) -> String {
        self.call(tool, arguments).as_str().unwrap().to_owned()
    }

    fn ids(&self, arguments: Value) -> Vec<String> {
        let commits = self.call("log", arguments);
        commits.as_array().unwrap().iter().map(|commit| commit["id"].as_str().unwrap().to_owned()).collect()
    }

    fn rev_list(&self, arguments: &[&str]) -> Vec<String> {
        self.git(&[&["rev-list", "--date-order"], arguments].concat()).lines().map(str::to_owned).collect()
    }
}

/// A history with a merge, a tag of each kind, and files that changed in large and small ways.
fn history() -> Repository {
    let mut repository = Repository::new();
    let lines =
        |range: std::ops::Range<u32>| range.map(|line| format!("line {line} of the poem\n")).collect::<String>();
    repository.commit("poem.txt", &lines(0..400));
    repository.commit("src/main.rs", "fn main() {}\n");
    repository.commit("poem.txt", &(lines(0..100) + "a new verse\n" + &lines(101..400)));
    repository.git(&["tag", "light"]);
    repository.git(&["tag", "--annotate", "--message", "Version 1", "v1"]);
    repository.git(&["checkout", "--quiet", "-b", "topic/side", "HEAD~1"]);
    repository.commit("src/lib.rs", "pub fn one() -> u8 {\n    1\n}\n");
    repository.git(&["checkout", "--quiet", "main"]);
    repository.commit("src/main.rs", "fn main() {\n    println!(\"hello\");\n}\n");
    repository.commits += 1;
    repository.git(&["merge", "--quiet", "--no-ff", "--message", "Merge", "topic/side"]);
    repository.commit("poem.txt", &(lines(0..100) + "a new verse\n" + &lines(101..350)));
    repository
}

/// The same repository with objects in files of their own, and then in a pack with names in one file.
fn both_ways(check: impl Fn(&Repository)) {
    let repository = history();
    check(&repository);
    repository.git(&["gc", "--quiet", "--aggressive", "--prune=now"]);
    assert!(!repository.path().join(".git/refs/heads/main").exists());
    let packs = fs::read_dir(repository.path().join(".git/objects/pack")).unwrap().count();
    assert!(packs >= 2 && !repository.git(&["verify-pack", "-v", &pack(&repository)]).contains("chain length = 0 "));
    check(&repository);
}

fn pack(repository: &Repository) -> String {
    let packs = fs::read_dir(repository.path().join(".git/objects/pack")).unwrap();
    let mut packs = packs.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned());
    packs.find(|path| path.ends_with(".idx")).unwrap()
}

#[test]
fn the_history_is_that_of_git() {
    both_ways(|repository| {
        assert_eq!(repository.ids(json!({})), repository.rev_list(&["HEAD"]));
        assert_eq!(repository.ids(json!({ "skip": 2, "limit": 3 })), repository.rev_list(&["HEAD"])[2..5]);
        for path in ["poem.txt", "src", "src/main.rs"] {
            let expected = repository.rev_list(&["HEAD", "--", path]);
            assert_eq!(repository.ids(json!({ "path": path })), expected, "{path}");
        }
        let newest = &repository.call("log", json!({ "limit": 1 }))[0];
        assert_eq!(newest["author"], "Ada <ada@example.com>");
        assert_eq!(newest["date"], repository.git(&["log", "-1", "--format=%ai"]).trim());
        assert_eq!(newest["message"], repository.git(&["log", "-1", "--format=%B"]).trim());
    });
}

#[test]
fn revisions_are_those_of_git() {
    both_ways(|repository| {
        let short = repository.git(&["rev-parse", "--short=7", "HEAD~3"]);
        let merge = "HEAD~1^2";
        let names = ["HEAD", "@", "main", "topic/side", "heads/main", "refs/tags/light", "light", "v1", "v1~1", merge];
        for revision in names.into_iter().chain(["HEAD^", "HEAD^^2~1", "main~2^0", short.trim()]) {
            let expected = repository.git(&["rev-parse", &format!("{revision}^{{commit}}")]);
            assert_eq!(repository.ids(json!({ "revision": revision, "limit": 1 })), [expected.trim()], "{revision}");
        }
        for (revision, why) in [
            ("nothing", "there is no revision"),
            ("HEAD~99", "history ends before"),
            ("HEAD^3", "history ends before"),
            ("v1^{tree}", "only digits"),
            ("../../config", "no revision"),
            ("HEAD@{1}", "no revision"),
            ("HEAD~99999999999", "too far back"),
        ] {
            let said = repository.try_call("log", json!({ "revision": revision })).unwrap_err();
            assert!(said.contains(why), "{revision}: {said}");
        }
    });
}

#[test]
fn differences_are_those_of_git() {
    both_ways(|repository| {
        for (from, to) in [("v1", "main"), ("main~4", "topic/side"), ("main", "v1")] {
            let expected = repository.git(&["diff", "--no-renames", "--histogram", from, to]);
            // Which lines changed; git says beside that which function a part is in, and short hashes.
            let lines = |text: &str| {
                let plain = |line: &str| !line.starts_with("index ");
                let line = |line: &str| line.rfind(" @@ ").map_or(line, |end| &line[..end + 3]).to_owned();
                text.lines().filter(|text| plain(text)).map(line).collect::<Vec<_>>()
            };
            let said = repository.text("diff", json!({ "from": from, "to": to }));
            assert_eq!(lines(&said), lines(&expected), "{from}..{to}");
        }
        assert_eq!(repository.text("diff", json!({ "from": "v1", "to": "light" })), "(no differences)");
        let only = repository.text("diff", json!({ "from": "v1", "path": "src" }));
        assert!(only.contains("src/main.rs") && only.contains("src/lib.rs") && !only.contains("poem"), "{only}");
        let first = repository.text("show", json!({ "revision": "HEAD~5" }));
        assert!(first.contains("    Change poem.txt") && first.contains("new file mode 100644"), "{first}");
    });
}

#[test]
fn files_are_read_as_they_were() {
    both_ways(|repository| {
        for (revision, path) in [("HEAD", "poem.txt"), ("v1", "poem.txt"), ("HEAD~3", "src/main.rs")] {
            let expected = repository.git(&["show", &format!("{revision}:{path}")]);
            assert_eq!(repository.text("read", json!({ "revision": revision, "path": path })), expected);
        }
        let listed = repository.call("list", json!({}));
        assert_eq!(listed, json!([{ "name": "poem.txt", "kind": "file" }, { "name": "src", "kind": "folder" }]));
        assert_eq!(repository.call("list", json!({ "path": "src", "revision": "v1" }))[0]["name"], "main.rs");
        for (tool, path) in [("read", "src"), ("read", "none"), ("list", "poem.txt"), ("read", "poem.txt/x")] {
            repository.try_call(tool, json!({ "path": path })).unwrap_err();
        }
        let names = repository.call("references", json!({}));
        let names: Vec<&str> = names.as_array().unwrap().iter().map(|name| name["name"].as_str().unwrap()).collect();
        let expected =
            ["HEAD -> refs/heads/main", "refs/heads/main", "refs/heads/topic/side", "refs/tags/light", "refs/tags/v1"];
        assert_eq!(names, expected);
    });
}

#[test]
fn a_history_that_was_fetched_in_part_ends_there() {
    let whole = history();
    let folder = TempDir::new().unwrap();
    let part = folder.path().join("part").to_str().unwrap().to_owned();
    let from = format!("file://{}", whole.path().display());
    whole.git(&["clone", "--quiet", "--depth", "3", &from, &part]);
    let output = call::<Skill>("log", &json!({ "repository": part }).to_string()).unwrap();
    let commits: Value = json::from_str(&output.structured.unwrap()).unwrap();
    let ids: Vec<&str> = commits.as_array().unwrap().iter().map(|commit| commit["id"].as_str().unwrap()).collect();
    let expected = whole.git(&["-C", &part, "rev-list", "--date-order", "HEAD"]);
    assert_eq!(ids, expected.lines().collect::<Vec<_>>());
    assert_eq!(ids.len(), 4);
    let oldest = json!({ "repository": part, "revision": ids[3] }).to_string();
    let said = call::<Skill>("show", &oldest).unwrap();
    assert!(
        matches!(&said.content[0], perstack::Content::Text(text) if text.contains("its parent is not in")),
        "{said:?}"
    );
}

#[test]
fn what_is_no_repository_is_told() {
    let folder = TempDir::new().unwrap();
    let arguments = json!({ "repository": folder.path().to_str().unwrap() }).to_string();
    let said = call::<Skill>("log", &arguments).unwrap_err().to_string();
    assert!(said.ends_with("is no git repository, or not granted"), "{said}");
    let empty = Repository::new();
    assert_eq!(empty.try_call("log", json!({})).unwrap_err(), "there is no revision `HEAD`");
    let other = TempDir::new().unwrap();
    let path = other.path().join("sha256");
    empty.git(&["init", "--quiet", "--object-format", "sha256", path.to_str().unwrap()]);
    let arguments = json!({ "repository": path.to_str().unwrap() }).to_string();
    assert!(call::<Skill>("log", &arguments).unwrap_err().to_string().contains("SHA-256"));
}

#[test]
fn damaged_packs_are_errors() {
    let repository = history();
    repository.git(&["gc", "--quiet", "--aggressive", "--prune=now"]);
    let pack = pack(&repository).replace(".idx", ".pack");
    fs::set_permissions(&pack, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let whole = fs::read(&pack).unwrap();
    let mut failures = 0;
    for place in (12..whole.len() - 20).step_by(whole.len() / 200 + 1) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0xff;
        fs::write(&pack, damaged).unwrap();
        for tool in ["log", "show", "references"] {
            failures += usize::from(repository.try_call(tool, json!({ "path": "poem.txt" })).is_err());
        }
    }
    assert!(failures > 0);
    fs::write(&pack, &whole[..whole.len() / 2]).unwrap();
    repository.try_call("show", json!({})).unwrap_err();
}

#[test]
fn a_difference_that_does_not_fit_is_refused() {
    let base = b"0123456789";
    // Ten bytes become seven: three copied from the second on, four inserted.
    assert_eq!(apply(base, &[10, 7, 0x91, 1, 3, 4, b'a', b'b', b'c', b'd'], 100), Ok(b"123abcd".to_vec()));
    for wrong in [
        &[][..],
        &[9, 3, 0x91, 1, 3],
        &[10, 3, 0x91, 8, 3],
        &[10, 2, 0x91, 1, 3],
        &[10, 4, 0x91, 1, 3],
        &[10, 3, 0x91, 1],
        &[10, 3, 3, b'a'],
        &[10, 3, 0],
        &[10, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[10, 101, 0x91, 1, 3],
    ] {
        assert_eq!(apply(base, wrong, 100), Err(Damaged), "{wrong:?}");
    }
}

#[test]
fn revisions_are_taken_apart() {
    assert_eq!(parse("main~3^2^").unwrap(), ("main", vec![Step::Ancestor(3), Step::Parent(2), Step::Parent(1)]));
    for wrong in ["", "~1", "a:b", "a..b", "main^x", "main~1x", "main~10000~1"] {
        parse(wrong).unwrap_err();
    }
}
