use std::os::unix::fs::symlink;

use wasmtime_wasi::{FsPerms, OpenMode};

use super::super::plain;
use super::*;

struct Tree {
    folder: tempfile::TempDir,
    fence: Fence,
}

impl Tree {
    /// A workspace whose folder `a/b` is what `perstack` leads to, as a mount would have it.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b/c")).unwrap();
        symlink("a/b", folder.path().join("perstack")).unwrap();
        let mut fence = Fence::default();
        fence.add_workspace(&Arc::new(File::open(folder.path()).unwrap().into())).unwrap();
        Self { folder, fence }
    }

    /// A workspace that has jobs, an `.env`, links of every kind, and a pipe.
    fn full() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for path in ["perstack", "a/b"] {
            std::fs::create_dir_all(at(path)).unwrap();
        }
        for path in ["perstack/job", "perstack.toml", ".env", "a/file", "a/b/file", "a/b/.env"] {
            std::fs::write(at(path), path).unwrap();
        }
        for (link, target) in [("a/link", "file"), ("a/folder", "b"), ("a/out", ".."), ("a/jobs", "../perstack")] {
            symlink(target, at(link)).unwrap();
        }
        std::fs::hard_link(at(".env"), at("a/hard")).unwrap();
        std::fs::hard_link(at("a/file"), at("a/twice")).unwrap();
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, at("a/pipe"), FileType::Fifo, mode, 0).unwrap();
        let mut fence = Fence::default();
        fence.add_workspace(&Arc::new(File::open(folder.path()).unwrap().into())).unwrap();
        fence.protect(Identity::of(File::open(at("a/twice")).unwrap()).unwrap());
        Self { folder, fence }
    }

    fn start(&self, path: &str) -> Dir {
        let folder = File::open(self.folder.path().join(path)).unwrap();
        Dir::new(folder, FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE, false)
    }

    fn resolve(&self, path: &str) -> Result<Place, Errno> {
        self.fence.resolve(&self.start("."), path, LastLink::Follow)
    }

    fn opens_plainly(&self, start: &str, path: &str) -> bool {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        plain::open(&self.fence, &self.start(start).dir, path, flags).is_some()
    }
}

#[test]
fn only_what_is_plain_is_opened_plainly() {
    let tree = Tree::full();
    for (start, path) in [(".", "a/b/file"), ("a", "b/file"), ("a/b", "file")] {
        assert!(tree.opens_plainly(start, path), "{path}");
    }
    for (start, path) in [
        // Hidden, by name and by identity; protected; called like it.
        (".", ".env"),
        (".", "perstack/job"),
        (".", "PerStack/job"),
        (".", "a/hard"),
        (".", "perstack.toml"),
        (".", "a/file"),
        (".", "a/twice"),
        (".", "a/b/.env"),
        // Links, also those that lead to nothing bad.
        (".", "a/link"),
        (".", "a/folder/file"),
        (".", "a/out/a/b/file"),
        (".", "a/jobs/job"),
        // Neither files nor names.
        (".", "a/pipe"),
        (".", "a/b"),
        (".", "a//b/file"),
        (".", "a/./b/file"),
        (".", "a/../a/b/file"),
        (".", "a/b/file/"),
        (".", "/etc/passwd"),
        ("a/b", "../file"),
        (".", ""),
        (".", "nothing"),
        // From a directory that has become hidden.
        ("perstack", "job"),
    ] {
        assert!(!tree.opens_plainly(start, path), "{path}");
    }
}

#[test]
fn nothing_is_plain_where_what_is_hidden_is_elsewhere() {
    let tree = Tree::new();
    std::fs::write(tree.folder.path().join("a/b/c/file"), "").unwrap();
    assert!(!tree.opens_plainly(".", "a/b/c/file"));
    std::fs::remove_file(tree.folder.path().join("perstack")).unwrap();
    assert!(tree.opens_plainly(".", "a/b/c/file"));
}

#[test]
fn what_is_hidden_is_known_by_its_identity() {
    let tree = Tree::new();
    assert!(tree.resolve("a").unwrap().found().is_ok());
    assert!(matches!(tree.resolve("a/b").unwrap().is_free(), Err(Errno::PERM)));
    for path in ["a/b/c", "a/b/.", "a/b/c/..", "perstack/c"] {
        assert_eq!(tree.resolve(path).err(), Some(Errno::NOENT), "{path}");
    }
    assert_eq!(tree.fence.resolve(&tree.start("a/b"), "c", LastLink::Keep).err(), Some(Errno::NOENT));
}

#[test]
fn paths_have_bounds() {
    let tree = Tree::new();
    std::fs::create_dir(tree.folder.path().join("deep")).unwrap();
    symlink(".", tree.folder.path().join("deep/x")).unwrap();
    for (path, error) in [
        ("", Errno::NOENT),
        ("/", Errno::PERM),
        ("..", Errno::PERM),
        ("a/../..", Errno::PERM),
        ("a/nothing/..", Errno::NOENT),
        ("a\0b", Errno::INVAL),
        (&"a/../".repeat(1000), Errno::NAMETOOLONG),
        (&format!("deep/{}", "x/".repeat(41)), Errno::LOOP),
    ] {
        assert_eq!(tree.resolve(path).err(), Some(error), "{path}");
    }
    let mut folder = tree.folder.path().to_owned();
    for _ in 0..MAX_DEPTH + 2 {
        folder.push("d");
    }
    std::fs::create_dir_all(&folder).unwrap();
    assert!(tree.resolve(&"d/".repeat(MAX_DEPTH + 1)).is_ok());
    assert_eq!(tree.resolve(&"d/".repeat(MAX_DEPTH + 2)).err(), Some(Errno::NAMETOOLONG));
}

#[test]
fn spellings() {
    for name in ["perstack", "PerStack", "per\u{17f}tac\u{212a}", "\u{feff}perstack"] {
        assert!(is_spelling_of_hidden(name.as_ref()), "{name}");
    }
    for name in ["perstack2", "per-stack", "perstäck", "perstack日本", ""] {
        assert!(!is_spelling_of_hidden(name.as_ref()), "{name}");
    }
}
