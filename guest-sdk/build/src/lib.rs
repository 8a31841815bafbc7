//! Builds guest crates of this workspace into components, from a build script.
//!
//! Guests are for another target than the host, so cargo cannot build both in one go. A build script that needs
//! components calls [`components`]: it adds the target to the toolchain where that is missing, and runs cargo once more
//! with a target folder of its own, `target/guests`, which all build scripts share.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What guests are built for.
const TARGET: &str = "wasm32-wasip2";
/// The profile in the workspace's `Cargo.toml` that makes them small.
const PROFILE: &str = "guest";

/// Why guests were not built, with what to do.
#[derive(Debug)]
pub struct BuildError(String);

impl fmt::Display for BuildError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for BuildError {}

/// One guest crate.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// The package's name.
    pub package: &'a str,
    /// Its folder, relative to the workspace.
    pub folder: &'a str,
}

/// Builds guests. Gives the path of each component, by package, in the folder of the build script that asks.
///
/// # Errors
/// [`BuildError`]: the target cannot be added, or a guest does not build.
pub fn components(guests: &[Guest<'_>]) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    let workspace = workspace(Path::new(&variable("CARGO_MANIFEST_DIR")?))?;
    watch(&workspace, guests);
    require_target(&workspace)?;
    let target_folder = target_folder(&out)?;
    let mut cargo = clean(Command::new(env::var_os("CARGO").unwrap_or("cargo".into())));
    cargo.current_dir(&workspace).args(["build", "--target", TARGET, "--profile", PROFILE]);
    cargo.arg("--target-dir").arg(&target_folder);
    for guest in guests {
        cargo.args(["--package", guest.package]);
    }
    run(&mut cargo)?;
    let mut components = BTreeMap::new();
    for guest in guests {
        let file = format!("{}.wasm", guest.package.replace('-', "_"));
        let built = target_folder.join(TARGET).join(PROFILE).join(file);
        let kept = out.join(format!("{}.wasm", guest.package));
        std::fs::copy(&built, &kept).map_err(|error| BuildError(format!("{}: {error}", built.display())))?;
        components.insert(guest.package.to_owned(), kept);
    }
    Ok(components)
}

/// Tells cargo what components are made of.
fn watch(workspace: &Path, guests: &[Guest<'_>]) {
    let shared = ["Cargo.toml", "Cargo.lock", "wit", "guest-sdk/rust"];
    for path in shared.into_iter().chain(guests.iter().map(|guest| guest.folder)) {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
}

/// Adds the target to the toolchain where it is missing, and says so.
fn require_target(workspace: &Path) -> Result<(), BuildError> {
    let mut rustc = clean(Command::new("rustc"));
    rustc.current_dir(workspace).args(["--print", "target-libdir", "--target", TARGET]);
    let libraries = run(&mut rustc)?;
    if Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    println!("cargo::warning=adding the target {TARGET} to the toolchain: skills and Experts are built for it");
    let mut rustup = clean(Command::new("rustup"));
    rustup.current_dir(workspace).args(["target", "add", TARGET]);
    run(&mut rustup).map(drop).map_err(|error| {
        BuildError(format!(
            "{error}\nhint: components are built for {TARGET}; add it with `rustup target add {TARGET}`, or from your distribution"
        ))
    })
}

/// The folder that is shared by all build scripts: `target/guests`, where this one's is
/// `target/PROFILE/build/PACKAGE-HASH/out`, or the same with the target's name in between.
fn target_folder(out: &Path) -> Result<PathBuf, BuildError> {
    let build = out.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "build"));
    let profile = build.and_then(Path::parent);
    let target = profile.and_then(Path::parent);
    target
        .map(|target| target.join("guests"))
        .ok_or_else(|| BuildError(format!("no target folder above {}", out.display())))
}

fn workspace(package: &Path) -> Result<PathBuf, BuildError> {
    let found = package.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    found.map(Path::to_owned).ok_or_else(|| BuildError(format!("no workspace above {}", package.display())))
}

/// A command without what cargo set for the host: flags, wrappers such as clippy's, the outer target folder.
fn clean(mut command: Command) -> Command {
    const KEPT: [&str; 3] = ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_TERM_COLOR"];
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        let cargo = name.starts_with("CARGO") && !KEPT.contains(&name) && !name.starts_with("CARGO_REGISTRIES_");
        let compiler = name.starts_with("RUSTC") || name == "RUSTFLAGS" || name == "RUSTDOC";
        if cargo || compiler {
            command.env_remove(name);
        }
    }
    command
}

fn run(command: &mut Command) -> Result<String, BuildError> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(|error| BuildError(format!("{shown}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(BuildError(format!("{shown}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr))))
}

fn variable(name: &str) -> Result<String, BuildError> {
    env::var(name).map_err(|_| BuildError(format!("`{name}` is not set: this is not a build script")))
}
