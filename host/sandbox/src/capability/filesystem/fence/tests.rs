use std::os::unix::fs::symlink;

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

    fn resolve(&self, path: &str) -> Result<Place, Errno> {
        let start = Arc::new(File::open(self.folder.path()).unwrap());
        self.fence.resolve(&start, false, path, LastLink::Follow)
    }
}

#[test]
fn what_is_hidden_is_known_by_its_identity() {
    let tree = Tree::new();
    assert!(tree.resolve("a").unwrap().found().is_ok());
    assert!(matches!(tree.resolve("a/b").unwrap().is_free(), Err(Errno::PERM)));
    for path in ["a/b/c", "a/b/.", "a/b/c/..", "perstack/c"] {
        assert_eq!(tree.resolve(path).err(), Some(Errno::NOENT), "{path}");
    }
    let inside = Arc::new(File::open(tree.folder.path().join("a/b")).unwrap());
    assert_eq!(tree.fence.resolve(&inside, false, "c", LastLink::Keep).err(), Some(Errno::NOENT));
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
