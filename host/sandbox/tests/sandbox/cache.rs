//! The cache of compiled components: used when it is genuine, never otherwise.

use std::fs;
use std::path::{Path, PathBuf};

use perstack_core::Limits;
use perstack_sandbox::{Cache, Grants, Sandbox, SandboxConfig, Skill};

use crate::harness::{guests, still_works};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn cache(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    /// Loads the guests with an engine of its own, as another process would, and sees that they work.
    async fn load(&self) {
        let cache = Cache::open(&self.cache(), &self.0.path().join("key")).unwrap();
        let sandbox = Sandbox::new(SandboxConfig { cache: Some(cache), ..SandboxConfig::default() }).unwrap();
        let skill = Skill::load(&sandbox, "cases", &guests(), Grants::default(), Limits::default()).await.unwrap();
        still_works(&skill).await;
    }

    /// The one compiled component in the cache.
    fn file(&self) -> PathBuf {
        let mut files: Vec<PathBuf> = fs::read_dir(self.cache()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }
}

/// Files are replaced and not written to: a new one is another file.
fn identity(file: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(file).unwrap().ino()
}

#[tokio::test]
async fn the_second_load_compiles_nothing() {
    let folder = Folder::new();
    folder.load().await;
    let first = identity(&folder.file());
    let hold = fs::File::open(folder.file()).unwrap();
    folder.load().await;
    assert_eq!(identity(&folder.file()), first);
    drop(hold);
}

#[tokio::test]
async fn a_changed_file_is_compiled_anew_and_not_run() {
    let folder = Folder::new();
    folder.load().await;
    let genuine = fs::read(folder.file()).unwrap();
    // In the authentication code, in the header, in the machine code; cut off; and nothing at all.
    let changed = |place: usize| {
        let mut changed = genuine.clone();
        changed[place] ^= 1;
        changed
    };
    let cut = genuine[..genuine.len() / 2].to_vec();
    for tampered in [changed(0), changed(40), changed(genuine.len() / 3), cut, Vec::new()] {
        fs::write(folder.file(), &tampered).unwrap();
        folder.load().await;
        assert_eq!(fs::read(folder.file()).unwrap(), genuine, "replaced by what was compiled anew");
    }
}

#[tokio::test]
async fn code_that_another_key_vouches_for_is_compiled_anew() {
    let folder = Folder::new();
    folder.load().await;
    let theirs = fs::read(folder.file()).unwrap();
    fs::remove_dir_all(folder.0.path().join("key")).unwrap();
    folder.load().await;
    assert_ne!(fs::read(folder.file()).unwrap(), theirs);
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_no_reason_to_fail() {
    let folder = Folder::new();
    folder.load().await;
    fs::remove_file(folder.file()).unwrap();
    fs::remove_dir(folder.cache()).unwrap();
    let cache = Cache::open(&folder.cache(), &folder.0.path().join("key")).unwrap();
    let sandbox = Sandbox::new(SandboxConfig { cache: Some(cache), ..SandboxConfig::default() }).unwrap();
    fs::remove_dir(folder.cache()).unwrap();
    let skill = Skill::load(&sandbox, "cases", &guests(), Grants::default(), Limits::default()).await.unwrap();
    still_works(&skill).await;
}
