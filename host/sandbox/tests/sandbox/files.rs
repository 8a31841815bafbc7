//! The parts of the workspace that are granted, and nothing around them.

use std::fs;
use std::os::unix::fs::symlink;

use perstack_core::config::{Access, GrantPath};
use perstack_core::{Content, Limits, Observation, ToolError};
use perstack_sandbox::{Grants, LoadError, Skill};
use serde_json::{Value, json};

use crate::harness::{Host, Workspace, call, directories, failed, skill, skill_with, still_works, text};

async fn granted(workspace: &Workspace, access: Access) -> Skill {
    skill_with(directories(workspace.root(), &[("in", access)]), Limits::default()).await.unwrap()
}

async fn named(skill: &Skill, path: &str, media_type: &str, times: usize) -> Result<Vec<Content>, ToolError> {
    let arguments = json!({ "path": path, "media_type": media_type, "times": times });
    call(skill, "sandbox_name_file", arguments).await.result.map(|output| output.content)
}

#[tokio::test]
async fn denials_are_on_record_and_told_with_the_error() {
    let workspace = Workspace::new();
    let grants = directories(workspace.root(), &[("in", Access::Read)]);
    let skill = skill_with(grants, Limits::default()).await.unwrap();
    let host = Host::default();
    let outcome = host.call(&skill, "sandbox_write_file", json!({ "path": "in/file", "text": "x" })).await;
    let reason = failed(outcome);
    assert!(reason.ends_with("(access to `in/file` denied: it may only be read)"), "{reason}");
    let denied = |reason: &str| Observation::FileDenied {
        skill_name: "cases".into(),
        path: "in/file".into(),
        reason: reason.into(),
    };
    assert_eq!(*host.observed.lock().unwrap(), [denied("it may only be read")]);
    // What is only not there is no denial.
    let host = Host::default();
    failed(host.call(&skill, "sandbox_read_file", json!({ "path": "in/none" })).await);
    assert_eq!(*host.observed.lock().unwrap(), []);
}

#[tokio::test]
pub(crate) async fn sandbox_name_file() {
    let workspace = Workspace::new();
    let file = [Content::File { media_type: "text/plain".into(), base64: "ZmlsZQ==".into() }];
    for grant in ["in", "."] {
        let skill =
            skill_with(directories(workspace.root(), &[(grant, Access::Read)]), Limits::default()).await.unwrap();
        for path in ["in/file", "./in/./file", "in//file"] {
            assert_eq!(named(&skill, path, "text/plain", 1).await.unwrap(), file, "{path}");
        }
    }
    let skill = granted(&workspace, Access::Read).await;
    symlink("../outside/secret", workspace.path("in/link")).unwrap();
    symlink("/etc/passwd", workspace.path("in/absolute")).unwrap();
    for path in tricks(&workspace).into_iter().chain(["in/link".into(), "in/absolute".into(), "in".into()]) {
        let error = named(&skill, &path, "text/plain", 1).await.unwrap_err();
        assert!(matches!(error, ToolError::Denied(_) | ToolError::Failed(_)), "{path}: {error:?}");
    }
    let whole = skill_with(directories(workspace.root(), &[(".", Access::Read)]), Limits::default()).await.unwrap();
    symlink("perstack", workspace.path("jobs")).unwrap();
    for path in
        ["perstack/secret", "./perstack/secret", "in/../perstack/secret", "jobs/secret", "../etc/passwd", "/etc/passwd"]
    {
        named(&whole, path, "text/plain", 1).await.unwrap_err();
    }
    let nothing = skill_with(Grants::default(), Limits::default()).await.unwrap();
    assert!(matches!(named(&nothing, "in/file", "text/plain", 1).await, Err(ToolError::Denied(_))));
}

#[tokio::test]
pub(crate) async fn sandbox_raw_file() {
    let workspace = Workspace::new();
    let raw = async |skill: &Skill| text(call(skill, "sandbox_raw_file", json!({ "path": "in/file" })).await);
    assert_eq!(raw(&granted(&workspace, Access::Write).await).await, "times, times of it");
    assert_eq!(raw(&granted(&workspace, Access::Read).await).await, "");
    let around = directories(workspace.root(), &[(".", Access::Write), ("in", Access::Read)]);
    assert_eq!(raw(&skill_with(around, Limits::default()).await.unwrap()).await, "");
}

#[tokio::test]
async fn files_that_the_host_reads_are_bounded() {
    let workspace = Workspace::new();
    let skill = granted(&workspace, Access::Read).await;
    let megabytes = |count: u64| fs::File::create(workspace.path("in/large")).unwrap().set_len(count << 20).unwrap();
    megabytes(15);
    named(&skill, "in/large", "image/png", 2).await.unwrap();
    let too_large = async |media_type: &str, times: usize| {
        let error = named(&skill, "in/large", media_type, times).await.unwrap_err();
        assert!(error.to_string().contains("larger than"), "{error}");
    };
    too_large("image/png", 3).await;
    megabytes(16);
    too_large("image/png", 1).await;
    named(&skill, "in/large", "application/pdf", 1).await.unwrap();
    too_large("application/pdf", 2).await;
    // A pipe nobody writes to, and a device that never ends.
    let pipe = workspace.path("in/pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    named(&skill, "in/pipe", "text/plain", 1).await.unwrap_err();
}

/// Paths to a file or folder outside, seen from a guest that is granted `in`.
fn tricks(workspace: &Workspace) -> Vec<String> {
    let root = workspace.root().display();
    [
        "../outside/secret",
        "in/../outside/secret",
        "in/../../outside/secret",
        "./in/./../outside/secret",
        "in//..//outside//secret",
        "in/\u{ff0e}\u{ff0e}/outside/secret",
        "in/..%2foutside/secret",
        "outside/secret",
        "perstack/secret",
        "in/../perstack/secret",
        "/etc/passwd",
        "/proc/self/environ",
        "/proc/self/cwd",
        "/dev/zero",
        "in/nothing/../../outside/secret",
        "in/file/../../outside/secret",
        "",
        ".",
        "..",
        "in/..",
        "/",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("{root}/outside/secret"), format!("in/{root}/outside/secret"), format!("{root}/in/file")])
    .collect()
}

#[tokio::test]
pub(crate) async fn sandbox_read_file() {
    let workspace = Workspace::new();
    let skill = granted(&workspace, Access::Read).await;
    for path in ["in/file", "in/./file", "in//file"] {
        assert_eq!(text(call(&skill, "sandbox_read_file", json!({ "path": path })).await), "file", "{path}");
    }
    for path in tricks(&workspace) {
        let reason = failed(call(&skill, "sandbox_read_file", json!({ "path": path })).await);
        assert!(!reason.is_empty(), "{path}");
    }
    // A null byte ends no path early.
    failed(call(&skill, "sandbox_read_file", json!({ "path": "in/file\0/../../outside/secret" })).await);
    still_works(&skill).await;
}

#[tokio::test]
async fn nothing_granted_is_nothing_there() {
    let skill = skill().await;
    for path in [".", "/", "in", "/proc", ""] {
        failed(call(&skill, "sandbox_list_dir", json!({ "path": path })).await);
        failed(call(&skill, "sandbox_write_file", json!({ "path": format!("{path}/x"), "text": "x" })).await);
    }
}

#[tokio::test]
pub(crate) async fn sandbox_write_file() {
    let workspace = Workspace::new();
    let skill = granted(&workspace, Access::Write).await;
    let write = async |path: &str| call(&skill, "sandbox_write_file", json!({ "path": path, "text": "new" })).await;
    write("in/file").await.result.unwrap();
    write("in/other").await.result.unwrap();
    assert_eq!((workspace.read("in/file"), workspace.read("in/other")), ("new".into(), "new".into()));
    for path in tricks(&workspace) {
        failed(write(&path).await);
    }
    // A backslash is a letter like any other.
    write("in/..\\outside").await.result.unwrap();
    assert_eq!(workspace.read("in/..\\outside"), "new");
    assert_eq!(workspace.read("outside/secret"), "secret");
    assert_eq!(workspace.read("perstack/secret"), "secret");
    still_works(&skill).await;
}

#[tokio::test]
pub(crate) async fn sandbox_list_dir() {
    let workspace = Workspace::new();
    fs::create_dir(workspace.path("in/folder")).unwrap();
    let skill = granted(&workspace, Access::Read).await;
    assert_eq!(text(call(&skill, "sandbox_list_dir", json!({ "path": "in" })).await), "file\nfolder");
    assert_eq!(text(call(&skill, "sandbox_list_dir", json!({ "path": "in/folder" })).await), "");
    for path in ["..", "in/..", "outside", "perstack", "/", ".", "/proc", "in/../outside"] {
        failed(call(&skill, "sandbox_list_dir", json!({ "path": path })).await);
    }
    still_works(&skill).await;
}

/// Every way to change something below `in`.
fn changes() -> Vec<Value> {
    let to = |how: &str, path: &str, to: &str| json!({ "how": how, "path": path, "to": to });
    vec![
        to("create", "in/new", ""),
        to("write", "in/file", ""),
        to("append", "in/file", ""),
        to("truncate", "in/file", ""),
        to("set_len", "in/file", ""),
        to("set_times", "in/file", ""),
        to("link", "in/file", "in/linked"),
        to("symlink", "in/symlinked", "file"),
        to("make_dir", "in/made", ""),
        to("rename", "in/file", "in/renamed"),
        to("remove", "in/other", ""),
        to("remove_dir", "in/folder", ""),
    ]
}

/// All there is to know about the files of a folder.
fn picture(workspace: &Workspace, folder: &str) -> Vec<String> {
    let mut entries: Vec<_> = fs::read_dir(workspace.path(folder)).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    let line = |entry: &fs::DirEntry| {
        let metadata = entry.metadata().unwrap();
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        format!("{:?} {:?} {:?} {text}", entry.path(), metadata.file_type(), metadata.modified().unwrap())
    };
    entries.iter().map(line).collect()
}

fn with_more(workspace: &Workspace) {
    fs::write(workspace.path("in/other"), "other").unwrap();
    fs::create_dir(workspace.path("in/folder")).unwrap();
}

#[tokio::test]
pub(crate) async fn sandbox_change_file() {
    let workspace = Workspace::new();
    with_more(&workspace);
    let skill = granted(&workspace, Access::Read).await;
    let before = picture(&workspace, "in");
    for change in changes() {
        let outcome = call(&skill, "sandbox_change_file", change.clone()).await;
        assert!(matches!(outcome.result, Err(ToolError::Failed(_))), "{change}: {:?}", outcome.result);
        assert_eq!(picture(&workspace, "in"), before, "{change}");
    }
    still_works(&skill).await;
}

#[tokio::test]
async fn a_write_grant_allows_every_change_within() {
    let workspace = Workspace::new();
    with_more(&workspace);
    let skill = granted(&workspace, Access::Write).await;
    for change in changes() {
        let before = picture(&workspace, "in");
        let outcome = call(&skill, "sandbox_change_file", change.clone()).await;
        assert!(outcome.result.is_ok(), "{change}: {:?}", outcome.result);
        assert_ne!(picture(&workspace, "in"), before, "{change}");
    }
    let outside = picture(&workspace, "outside");
    for (how, path, to) in [
        ("rename", "in/renamed", "in/../outside/taken"),
        ("rename", "in/../outside/secret", "in/taken"),
        ("link", "in/../outside/secret", "in/taken"),
        ("link", "in/renamed", "in/../outside/taken"),
        ("remove", "in/../outside/secret", ""),
        ("remove_dir", "in/../outside", ""),
        ("remove_dir", "in", ""),
        ("make_dir", "perstack", ""),
        ("rename", "in", "perstack"),
        ("create", "perstack/new", ""),
    ] {
        failed(call(&skill, "sandbox_change_file", json!({ "how": how, "path": path, "to": to })).await);
    }
    assert_eq!(picture(&workspace, "outside"), outside);
}

#[tokio::test]
async fn a_read_grant_beside_a_write_grant_stays_one() {
    let workspace = Workspace::new();
    fs::create_dir(workspace.path("in/deep")).unwrap();
    fs::write(workspace.path("in/deep/file"), "deep").unwrap();
    fs::create_dir(workspace.path("out")).unwrap();
    let grants = directories(workspace.root(), &[("in", Access::Read), ("out", Access::Write)]);
    let skill = skill_with(grants, Limits::default()).await.unwrap();
    let change = async |how: &str, path: &str, to: &str| {
        call(&skill, "sandbox_change_file", json!({ "how": how, "path": path, "to": to })).await
    };
    change("create", "out/new", "").await.result.unwrap();
    for (how, path, to) in [
        ("rename", "in/file", "out/file"),
        ("rename", "out/new", "in/new"),
        ("link", "in/file", "out/file"),
        ("link", "out/new", "in/new"),
        ("write", "in/deep/file", ""),
    ] {
        failed(change(how, path, to).await);
    }
    assert_eq!((workspace.read("in/file"), workspace.read("in/deep/file")), ("file".into(), "deep".into()));
    assert!(!workspace.path("in/new").exists());
}

#[tokio::test]
pub(crate) async fn sandbox_symlink() {
    let workspace = Workspace::new();
    let skill = granted(&workspace, Access::Write).await;
    let targets = [
        "../outside/secret".to_owned(),
        "../outside".to_owned(),
        "..".to_owned(),
        "../perstack".to_owned(),
        "/".to_owned(),
        "/etc/passwd".to_owned(),
        "/proc/self/environ".to_owned(),
        "/proc/self/root".to_owned(),
        workspace.path("outside").display().to_string(),
    ];
    for (number, target) in targets.iter().enumerate() {
        for below in ["", "secret"] {
            let link = format!("in/link-{number}-{below}");
            let arguments = json!({ "link": link, "target": target, "below": below });
            let reason = failed(call(&skill, "sandbox_symlink", arguments).await);
            assert!(!reason.is_empty());
        }
    }
    // One to an absolute path is not even made: the host, or who unpacks an archive of the workspace, might follow it.
    assert!(
        !fs::read_dir(workspace.path("in"))
            .unwrap()
            .any(|entry| { fs::read_link(entry.unwrap().path()).is_ok_and(|target| target.is_absolute()) })
    );
    // A link that leads to a link, and one that the host made.
    symlink("../outside", workspace.path("in/made-by-host")).unwrap();
    symlink(workspace.path("outside"), workspace.path("in/absolute-by-host")).unwrap();
    for path in ["in/made-by-host/secret", "in/absolute-by-host/secret"] {
        failed(call(&skill, "sandbox_read_file", json!({ "path": path })).await);
        failed(call(&skill, "sandbox_write_file", json!({ "path": path, "text": "taken" })).await);
    }
    // Where the workspace is on this machine is not told.
    let probed = text(call(&skill, "sandbox_probe", json!({ "path": "in/absolute-by-host" })).await);
    assert!(!probed.contains("read link") && probed.contains("link metadata"), "{probed}");
    // Within the grant links work.
    let arguments = json!({ "link": "in/within", "target": "file" });
    assert!(text(call(&skill, "sandbox_symlink", arguments).await).starts_with("(Ok(\"file\")"));
    assert_eq!(workspace.read("outside/secret"), "secret");
    still_works(&skill).await;
}

async fn refused(workspace: &Workspace, path: &str) -> String {
    let grants = directories(workspace.root(), &[(path, Access::Read)]);
    match skill_with(grants, Limits::default()).await {
        Err(error @ LoadError::BadDirectory { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("`{path}` was granted"),
    }
}

#[tokio::test]
async fn what_cannot_be_granted_is_refused_with_the_reason() {
    let workspace = Workspace::new();
    assert_eq!(refused(&workspace, "nowhere").await, "directory `nowhere` cannot be granted: it does not exist");
    let no_directory = "it is not a directory, or is reached through a link";
    assert_eq!(refused(&workspace, "in/file").await, format!("directory `in/file` cannot be granted: {no_directory}"));
    // By its name it is refused where the configuration is read.
    for path in ["perstack", "./perstack", "perstack/jobs", "..", "in/../perstack"] {
        path.parse::<GrantPath>().unwrap_err();
    }
    symlink("perstack", workspace.path("jobs")).unwrap();
    symlink("in", workspace.path("link")).unwrap();
    fs::create_dir(workspace.path("in/folder")).unwrap();
    for path in ["jobs", "link", "link/folder"] {
        assert_eq!(refused(&workspace, path).await, format!("directory `{path}` cannot be granted: {no_directory}"));
    }
    // A folder of that name elsewhere is like any other.
    fs::create_dir(workspace.path("in/perstack")).unwrap();
    let grants = directories(workspace.root(), &[("in/perstack", Access::Read)]);
    skill_with(grants, Limits::default()).await.unwrap();
}

#[tokio::test]
async fn pipes_sockets_and_devices_are_not_opened() {
    let workspace = Workspace::new();
    let pipe = workspace.path("in/pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(workspace.path("in/socket")).unwrap();
    let skill = granted(&workspace, Access::Write).await;
    for path in ["in/pipe", "in/socket"] {
        for (tool, arguments) in [
            ("sandbox_read_file", json!({ "path": path })),
            ("sandbox_write_file", json!({ "path": path, "text": "x" })),
            ("sandbox_change_file", json!({ "how": "append", "path": path })),
        ] {
            let reason = failed(call(&skill, tool, arguments).await);
            assert!(reason.contains("Operation not permitted"), "{tool} {path}: {reason}");
        }
    }
    // They can still be seen, and taken away.
    assert_eq!(text(call(&skill, "sandbox_list_dir", json!({ "path": "in" })).await), "file\npipe\nsocket");
    call(&skill, "sandbox_change_file", json!({ "how": "remove", "path": "in/pipe" })).await.result.unwrap();
}

#[tokio::test]
async fn a_directory_swapped_for_a_link_gives_nothing() {
    let workspace = Workspace::new();
    let skill = granted(&workspace, Access::Write).await;
    fs::rename(workspace.path("in"), workspace.path("moved")).unwrap();
    symlink("outside", workspace.path("in")).unwrap();
    // What was loaded before keeps the directory that it was granted, whatever has its name now.
    assert_eq!(text(call(&skill, "sandbox_list_dir", json!({ "path": "in" })).await), "file");
    failed(call(&skill, "sandbox_read_file", json!({ "path": "in/secret" })).await);
    call(&skill, "sandbox_write_file", json!({ "path": "in/secret", "text": "taken" })).await.result.unwrap();
    assert_eq!(workspace.read("outside/secret"), "secret");
    assert_eq!(workspace.read("moved/secret"), "taken");
    // Loading it anew finds the link.
    refused(&workspace, "in").await;
}

#[tokio::test]
async fn directories_that_are_granted_are_not_there_while_tools_are_listed() {
    let workspace = Workspace::new();
    let skill = granted(&workspace, Access::Read).await;
    assert_eq!(
        perstack_core::ToolSet::tools(&skill).len(),
        perstack_core::ToolSet::tools(&crate::harness::skill().await).len()
    );
}
