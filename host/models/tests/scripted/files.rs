//! Scripts, good and bad: each `case.toml` in `files/` is read, and what comes of it is compared with `case.err` beside
//! it. A good script has an empty one. `UPDATE=1` writes them anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use perstack_models::{MAX_REPLIES, MAX_SCRIPT_BYTES, ScriptError, ScriptedModel};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripted/files")
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

#[test]
fn every_script_gives_what_stands_beside_it() {
    let update = std::env::var_os("UPDATE").is_some();
    let cases_with_text = cases("toml");
    assert!(!cases_with_text.is_empty(), "no cases in {}", folder().display());
    let mut wrong = Vec::new();
    for case in &cases_with_text {
        let path = folder().join(case).with_extension("err");
        let text = std::fs::read_to_string(path.with_extension("toml")).unwrap();
        let found = match ScriptedModel::parse(&text, "replies.toml") {
            Ok(_) => String::new(),
            Err(error) => error.render("replies.toml", &text) + "\n",
        };
        assert_eq!(found.is_empty(), case.starts_with("good_"), "{case}: {found}");
        if update {
            std::fs::write(&path, &found).unwrap();
        }
        // A missing file was missed by the author of the case, so it is no empty one.
        let expected = std::fs::read_to_string(&path).unwrap_or_else(|error| format!("{}: {error}", path.display()));
        if found != expected {
            wrong.push(format!("{case}.toml\n  found: {found}  expected: {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(cases_with_text, cases("err"), "every .toml has an .err, and the other way round");
}

#[test]
fn the_scripts_of_the_documentation_are_scripts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/testing-experts.md");
    let page = std::fs::read_to_string(path).unwrap();
    let blocks = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let scripts: Vec<&str> = blocks.filter(|block| block.contains("[[experts.")).collect();
    assert_eq!(scripts.len(), 2);
    for text in scripts {
        ScriptedModel::parse(text, "replies.toml").unwrap_or_else(|error| panic!("{}", error.render("docs", text)));
    }
}

#[test]
fn a_script_is_read_up_to_its_bounds() {
    let replies = |count: usize| {
        ScriptedModel::parse(&format!("[experts.a]\nreplies = [{}]", "{},".repeat(count)), "replies.toml")
    };
    replies(MAX_REPLIES).unwrap();
    let error = replies(MAX_REPLIES + 1).unwrap_err();
    assert_eq!(error.message, "`replies` in Expert `a`: 10001 items are too many, at most 10000 are allowed");

    let mut text = "# ".to_owned() + &"x".repeat(MAX_SCRIPT_BYTES - 2);
    ScriptedModel::parse(&text, "replies.toml").unwrap();
    text.push('x');
    let error = ScriptedModel::parse(&text, "replies.toml").unwrap_err();
    assert_eq!(error.message, "the file is too large: 4194305 bytes, at most 4194304 are read");
}

#[test]
fn a_file_that_is_no_script_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replies.toml");
    let read = || ScriptedModel::read(&path).unwrap_err();

    let error = read();
    assert!(matches!(&error, ScriptError::Unreadable { .. }), "{error}");
    assert_eq!(error.hint().unwrap(), "check the path given with `--model`, and the file's permissions");
    std::fs::write(&path, vec![b'#'; MAX_SCRIPT_BYTES + 1]).unwrap();
    assert!(matches!(read(), ScriptError::TooLarge { limit: MAX_SCRIPT_BYTES, .. }));
    std::fs::write(&path, [b'#', 0xff]).unwrap();
    assert!(matches!(read(), ScriptError::NotText { .. }));
    std::fs::write(&path, "text = 'Hello'").unwrap();
    let ScriptError::Invalid { text, error, .. } = read() else { panic!("not a mistake in the text") };
    assert_eq!(
        error.render("r", &text),
        "r:1:1: unknown field `text`\n  hint: known fields: `contextWindow`, `experts`"
    );
}
