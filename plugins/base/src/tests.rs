use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use perstack::testing::call;
use perstack::{Content, Output, ToolError};
use tempfile::TempDir;

use crate::base::Skill;
use crate::info::Kind;
use crate::{files, folders, info, media, text};

fn workspace() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    fs::write(folder.path().join("in/file.txt"), "one\ntwo\nthree\n").unwrap();
    folder
}

fn said(output: Output) -> String {
    match output.content.as_slice() {
        [Content::Text(text)] => text.clone(),
        other => panic!("not one text: {other:?}"),
    }
}

fn tool(name: &str, arguments: &str) -> String {
    said(call::<Skill>(name, arguments).unwrap())
}

fn failure<T: std::fmt::Debug>(result: Result<T, ToolError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn todos_are_kept_until_they_are_done() {
    assert_eq!(tool("attemptCompletion", "{}"), "{}");
    assert_eq!(tool("todo", "{}"), r#"{"todos":[]}"#);
    let both = r#"{"todos":[{"id":0,"title":"a","completed":false},{"id":1,"title":"b","completed":false}]}"#;
    assert_eq!(tool("todo", r#"{"newTodos":["a","b"]}"#), both);
    assert_eq!(
        tool("attemptCompletion", "{}"),
        r#"{"remainingTodos":[{"id":0,"title":"a","completed":false},{"id":1,"title":"b","completed":false}]}"#
    );
    tool("todo", r#"{"completedTodos":[0],"newTodos":["c"]}"#);
    assert_eq!(
        tool("attemptCompletion", "{}"),
        r#"{"remainingTodos":[{"id":1,"title":"b","completed":false},{"id":2,"title":"c","completed":false}]}"#
    );
    let wrong = call::<Skill>("todo", r#"{"completedTodos":[1,7],"newTodos":["lost"]}"#);
    assert_eq!(wrong, Err(ToolError::InvalidArguments("there is no todo with the id 7".into())));
    assert!(
        tool("todo", "{}")
            .ends_with(r#"{"id":1,"title":"b","completed":false},{"id":2,"title":"c","completed":false}]}"#)
    );
    tool("todo", r#"{"completedTodos":[1,2]}"#);
    assert_eq!(tool("attemptCompletion", "{}"), "{}");
    assert_eq!(tool("clearTodo", "{}"), r#"{"todos":[]}"#);
    assert_eq!(tool("todo", r#"{"newTodos":["d"]}"#), r#"{"todos":[{"id":0,"title":"d","completed":false}]}"#);
}

#[test]
fn todos_are_bounded() {
    let long = format!(r#"{{"newTodos":["{}"]}}"#, "x".repeat(501));
    let many = format!(r#"{{"newTodos":[{}"x"]}}"#, r#""x","#.repeat(500));
    for arguments in [&long, &many] {
        assert!(matches!(call::<Skill>("todo", arguments), Err(ToolError::InvalidArguments(_))));
    }
    assert_eq!(tool("todo", "{}"), r#"{"todos":[]}"#);
}

#[test]
fn has_perstacks_tools_and_arguments() {
    let expected = [
        ("attemptCompletion", ""),
        ("todo", "completedTodos newTodos"),
        ("clearTodo", ""),
        ("healthCheck", ""),
        ("exec", "args command cwd env stderr stdout timeout"),
        ("readTextFile", "from path to"),
        ("readImageFile", "path"),
        ("readPdfFile", "path"),
        ("writeTextFile", "path text"),
        ("appendTextFile", "path text"),
        ("editTextFile", "newText oldText path"),
        ("moveFile", "destination source"),
        ("deleteFile", "path"),
        ("getFileInfo", "path"),
        ("listDirectory", "path"),
        ("createDirectory", "path"),
        ("deleteDirectory", "path recursive"),
    ];
    let tools = <Skill as perstack::Skill>::tools();
    let arguments = |schema: &str| {
        let schema: perstack::json::Value = perstack::json::from_str(schema).unwrap();
        let mut names: Vec<String> =
            schema["properties"].as_object().map(|names| names.keys().cloned().collect()).unwrap_or_default();
        names.sort();
        names.join(" ")
    };
    let actual: Vec<(String, String)> =
        tools.iter().map(|tool| (tool.name.clone(), arguments(&tool.input_schema))).collect();
    let actual: Vec<(&str, &str)> = actual.iter().map(|(name, arguments)| (&**name, &**arguments)).collect();
    assert_eq!(actual, expected);
}

#[test]
fn starts_no_program() {
    let arguments =
        r#"{"command":"ls","args":[],"env":{"A":"b"},"cwd":".","stdout":true,"stderr":false,"timeout":300}"#;
    for arguments in [arguments, r#"{"command":"ls"}"#] {
        let reason = failure(call::<Skill>("exec", arguments));
        assert!(reason.starts_with("`ls` was not run: the base skill is a component and cannot start programs"));
    }
    assert_eq!(tool("healthCheck", "{}"), r#"{"status":"ok","workspace":"."}"#);
}

#[test]
fn reads_lines() {
    let root = workspace();
    let read = |from, to| said(text::read(root.path(), "in/file.txt", from, to).unwrap());
    for (from, to, json) in [
        (None, None, r#""content":"one\ntwo\nthree\n","from":0,"to":4}"#),
        (Some(1), None, r#""content":"two\nthree\n","from":1,"to":4}"#),
        (Some(1), Some(2), r#""content":"two","from":1,"to":2}"#),
        (None, Some(2), r#""content":"one\ntwo","from":0,"to":2}"#),
        (Some(2), Some(99), r#""content":"three\n","from":2,"to":99}"#),
        (Some(9), None, r#""content":"","from":9,"to":4}"#),
        (Some(2), Some(1), r#""content":"","from":2,"to":1}"#),
    ] {
        assert_eq!(read(from, to), format!(r#"{{"path":"in/file.txt",{json}"#));
    }
    fs::write(root.path().join("empty"), "").unwrap();
    let empty = said(text::read(root.path(), "empty", None, None).unwrap());
    assert_eq!(empty, r#"{"path":"empty","content":"","from":0,"to":1}"#);
}

#[test]
fn what_cannot_be_read_is_told() {
    let root = workspace();
    let read = |path: &str, from, to| failure(text::read(root.path(), path, from, to));
    assert_eq!(read("in/nothing", None, None), "`in/nothing` does not exist");
    assert_eq!(read("in", None, None), "`in` is a folder");
    assert!(read("../x", None, None).ends_with("leads out of the workspace"));
    fs::write(root.path().join("binary"), [b'a', 0xff, b'\n', b'b']).unwrap();
    assert_eq!(read("binary", None, None), "`binary` is not UTF-8 text");
    assert!(said(text::read(root.path(), "binary", Some(1), None).unwrap()).contains(r#""content":"b""#));
    // Long as it is, and long only as JSON.
    for line in ["x".repeat(99) + "\n", "\u{1}".repeat(19) + "\n"] {
        fs::write(root.path().join("long"), line.repeat(20_000)).unwrap();
        let reason = read("long", None, None);
        assert!(reason.contains("too much for one answer; read it in parts with `from` and `to`"), "{reason}");
        let to: u64 = reason.rsplit(' ').next().unwrap().parse().unwrap();
        text::read(root.path(), "long", Some(0), Some(to / 4)).unwrap();
        text::read(root.path(), "long", Some(19_990), None).unwrap();
    }
    fs::write(root.path().join("line"), "x".repeat(2_000_000)).unwrap();
    assert!(read("line", None, None).starts_with("line 0 of `line` is too long"));
}

#[test]
fn writes_and_appends() {
    let root = workspace();
    let content = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
    let written = text::write(root.path(), "a/./b/../c/new", "text".into()).unwrap();
    assert_eq!(perstack::json::to_string(&written).unwrap(), r#"{"path":"a/c/new","text":"text"}"#);
    text::append(root.path(), "a/c/new", " and more".into()).unwrap();
    assert_eq!(content("a/c/new"), "text and more");
    text::write(root.path(), "a/c/new", "".into()).unwrap();
    assert_eq!(content("a/c/new"), "");
    assert_eq!(failure(text::append(root.path(), "nothing", "x".into())), "`nothing` does not exist");
    assert_eq!(failure(text::write(root.path(), "in", "x".into())), "`in` is a folder");
    let long = format!(r#"{{"path":"x","text":"{}"}}"#, "x".repeat(10_001));
    assert!(failure(call::<Skill>("writeTextFile", &long)).contains("at most 10000 characters"));
    assert!(failure(call::<Skill>("appendTextFile", &long)).contains("at most 2000 characters"));
}

#[test]
fn edits_letter_by_letter() {
    let root = workspace();
    let file = root.path().join("in/file.txt");
    let edit = |old: &str, new: &str| text::edit(root.path(), "in/file.txt", new.into(), old.into());
    fs::write(&file, "a $& b\r\na $& b\r\n").unwrap();
    edit("a $& b", "$& $1 $$ $`").unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "$& $1 $$ $`\na $& b\n");
    edit("$`\r\na", "x\r\ny").unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "$& $1 $$ x\ny $& b\n");
    let reason = failure(edit("nowhere", "x"));
    assert_eq!(reason, "`in/file.txt` does not contain oldText exactly; read the file again");
    assert_eq!(fs::read_to_string(&file).unwrap(), "$& $1 $$ x\ny $& b\n");
    let empty = call::<Skill>("editTextFile", r#"{"path":"x","newText":"","oldText":""}"#);
    assert!(failure(empty).contains("`oldText` must have at least 1 character"));
}

#[test]
fn moves_and_deletes() {
    let root = workspace();
    let at = |path: &str| root.path().join(path);
    files::move_file(root.path(), "in/file.txt", "new/folder/file").unwrap();
    assert!(at("new/folder/file").exists() && !at("in/file.txt").exists());
    fs::write(at("other"), "").unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    for taken in ["other", "in", "dangling"] {
        assert_eq!(
            failure(files::move_file(root.path(), "new/folder/file", taken)),
            format!("`{taken}` exists already")
        );
    }
    assert_eq!(failure(files::move_file(root.path(), "nothing", "x")), "`nothing` does not exist");
    assert_eq!(failure(files::delete(root.path(), "in")), "`in` is a folder; use deleteDirectory");
    files::delete(root.path(), "dangling").unwrap();
    files::delete(root.path(), "other").unwrap();
    assert_eq!(failure(files::delete(root.path(), "other")), "`other` does not exist");
}

#[test]
fn makes_and_deletes_folders() {
    let root = workspace();
    folders::create(root.path(), "a/b/c").unwrap();
    assert_eq!(failure(folders::create(root.path(), "a/b")), "`a/b` exists already");
    let delete = |path: &str, recursive| folders::delete(root.path(), path, recursive);
    assert_eq!(failure(delete("a", false)), "`a` is not empty; set `recursive` to delete all of it");
    delete("a/b/c", false).unwrap();
    symlink("../in", root.path().join("a/link")).unwrap();
    delete("a", true).unwrap();
    assert!(!root.path().join("a").exists() && root.path().join("in/file.txt").exists());
    assert_eq!(failure(delete("in/file.txt", true)), "`in/file.txt` is not a folder; use deleteFile");
    for path in [".", "in/.."] {
        assert_eq!(failure(delete(path, true)), "the workspace itself cannot be deleted");
    }
}

#[test]
fn lists_what_is_there() {
    let root = workspace();
    symlink("nowhere", root.path().join("dangling")).unwrap();
    symlink("in/file.txt", root.path().join("link")).unwrap();
    let items = |path: &str| -> Vec<(String, String, Kind, u64)> {
        let items = folders::list(root.path(), path).unwrap().items;
        items.into_iter().map(|item| (item.name, item.path, item.kind, item.size)).collect()
    };
    let expected = [
        ("dangling", "dangling", Kind::Symlink, 7),
        ("in", "in", Kind::Directory, fs::metadata(root.path().join("in")).unwrap().len()),
        ("link", "link", Kind::File, 14),
    ];
    assert_eq!(items("."), expected.map(|(name, path, kind, size)| (name.into(), path.into(), kind, size)));
    assert_eq!(items("in"), [("file.txt".into(), "in/file.txt".into(), Kind::File, 14)]);
    assert_eq!(failure(folders::list(root.path(), "link")), "`link` is not a folder");
    assert_eq!(failure(folders::list(root.path(), "nothing")), "`nothing` does not exist");
}

#[test]
fn a_long_list_says_where_it_was_cut() {
    let root = workspace();
    for number in 0..1_002 {
        fs::write(root.path().join(format!("in/{number:04}")), "").unwrap();
    }
    let listing = folders::list(root.path(), "in").unwrap();
    assert_eq!(listing.items.len(), 1_000);
    assert_eq!(listing.cut.as_deref(), Some("the first 1000 of 1003 entries are shown, up to `0999`"));
    assert!(perstack::json::to_string(&listing).unwrap().len() < 200_000);
}

#[test]
fn tells_about_files() {
    let root = workspace();
    let file = info::get(root.path(), "./in/file.txt").unwrap();
    assert_eq!((file.path.as_str(), file.name.as_str(), file.directory.as_str()), ("in/file.txt", "file.txt", "in"));
    assert_eq!((file.kind, file.mime_type, file.size), (Kind::File, Some("text/plain"), 14));
    assert_eq!((file.size_formatted.as_str(), file.extension.as_deref()), ("14.00 B", Some(".txt")));
    assert_eq!(file.permissions, Some(info::Permissions { readable: true, writable: true }));
    assert!(file.modified.unwrap().ends_with('Z'));
    let folder = info::get(root.path(), "in").unwrap();
    assert_eq!((folder.kind, folder.mime_type, folder.extension), (Kind::Directory, None, None));
    assert_eq!(failure(info::get(root.path(), "nothing")), "`nothing` does not exist");
}

#[test]
fn images_and_pdfs_are_known_by_what_they_begin_with() {
    let root = workspace();
    let write = |path: &str, bytes: &[u8]| fs::write(root.path().join(path), bytes).unwrap();
    for (bytes, media_type) in [
        (&b"\x89PNG\r\n\x1a\n...."[..], "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"GIF87a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    ] {
        write("picture.png", bytes);
        let output = media::image(root.path(), "./picture.png").unwrap();
        assert_eq!(output, Output::workspace_file("picture.png", media_type));
    }
    for bytes in [&b""[..], b"\x89PN", b"RIFF\0\0\0\0WAVE", b"<svg>", b"%PDF-1.7"] {
        write("picture.png", bytes);
        let reason = failure(media::image(root.path(), "picture.png"));
        assert_eq!(reason, "`picture.png` is not a PNG, JPEG, GIF or WebP image");
    }
    assert_eq!(failure(media::pdf(root.path(), "in/file.txt")), "`in/file.txt` is not a PDF");
    write("a.pdf", b"%PDF-1.7");
    assert_eq!(media::pdf(root.path(), "a.pdf").unwrap(), Output::workspace_file("a.pdf", "application/pdf"));
    let grow =
        |path: &str, size| fs::File::options().write(true).open(root.path().join(path)).unwrap().set_len(size).unwrap();
    grow("a.pdf", (30 << 20) + 1);
    assert_eq!(failure(media::pdf(root.path(), "a.pdf")), "`a.pdf` has 30.0 MB, and at most 30 MB can be read");
    grow("picture.png", (15 << 20) + 1);
    assert!(failure(media::image(root.path(), "picture.png")).contains("at most 15 MB"));
    assert_eq!(failure(media::image(root.path(), "in")), "`in` is not a file");
    assert!(failure(media::image(Path::new("."), "/x.png")).contains("is absolute"));
}
