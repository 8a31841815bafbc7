//! A disk that is full or read-only: one clear message, nothing half-written, and the job goes on once there is room.

use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, umount};

use crate::game::play_on;
use crate::harness::{Workspace, files};

/// A small file system of its own. Mounting one is for root alone.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    /// None where it cannot be mounted, which is said; in CI it must be.
    fn mount(path: &'a Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        match nix::mount::mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), Some(options.as_str())) {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "no disk can be mounted: {error}");
                eprintln!("skipped: no disk can be mounted: {error}");
                None
            }
        }
    }

    fn remount(&self, flags: MsFlags, size: &str) {
        let options = format!("size={size}");
        let flags = flags | MsFlags::MS_REMOUNT;
        nix::mount::mount(None::<&str>, self.0, None::<&str>, flags, Some(options.as_str())).unwrap();
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        umount(self.0).unwrap();
    }
}

#[test]
fn a_read_only_disk() {
    let workspace = Workspace::new();
    let Some(disk) = Disk::mount(workspace.path(), "1m") else { return };
    disk.remount(MsFlags::MS_RDONLY, "1m");
    let ran = workspace.run(&["run", "tic-tac-toe", "Let's play!"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("Read-only file system"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: choose a folder that you may write to with `--workspace`"), "{}", ran.stderr);
}

#[test]
fn a_disk_that_fills_up_at_every_point() {
    let workspace = Workspace::new();
    let Some(disk) = Disk::mount(workspace.path(), "4m") else { return };
    // Each page less is a file less that fits: the disk is full at one write after the other.
    for free in 0..60 {
        let filler = fs::File::create(workspace.path().join("filler")).unwrap();
        fill(&filler, 4 * 256 - free);
        let ran = workspace.run(&["run", "tic-tac-toe", "Let's play!"]);
        for path in files(&workspace.path().join("perstack")) {
            if path.extension().is_some_and(|extension| extension == "json") {
                let text = fs::read(&path).unwrap();
                let whole = serde_json::from_slice::<serde_json::Value>(&text).is_ok();
                assert!(whole, "{free} pages: {} is half-written", path.display());
            }
        }
        drop(filler);
        fs::remove_file(workspace.path().join("filler")).unwrap();
        if ran.code != Some(0) {
            assert_eq!(ran.code, Some(1), "{free} pages: {}", ran.stderr);
            assert!(ran.stderr.contains("No space left on device"), "{free} pages: {}", ran.stderr);
            assert!(ran.stderr.contains("hint: free some space"), "{free} pages: {}", ran.stderr);
        }
        let Some(job) = workspace.jobs().into_iter().next() else {
            assert_eq!(ran.code, Some(1));
            fs::remove_dir_all(workspace.path().join("perstack")).ok();
            continue;
        };
        if job.question().is_none() {
            let resumed = workspace.run(&["run", "tic-tac-toe", "--continue"]);
            assert_eq!(resumed.code, Some(0), "{free} pages: {}", resumed.stderr);
        }
        play_on(&workspace, &job);
        fs::remove_dir_all(workspace.path().join("perstack")).unwrap();
    }
    drop(disk);
}

/// Takes pages until there is no more room, at most so many.
fn fill(file: &fs::File, pages: usize) {
    use std::io::Write;
    let page = [1; 4096];
    let mut file = file;
    for _ in 0..pages {
        if file.write_all(&page).is_err() {
            break;
        }
    }
}
