//! Builds guest crates of this workspace into components and core modules, from a build script.
//!
//! Guests are for another target than the host, so cargo cannot build both in one go. A build script that needs
//! components calls [`components`]: it adds the target to the toolchain where that is missing, and runs cargo once more
//! with a target folder of its own, `target/guests`, which all build scripts share.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// What a guest is built for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A component.
    #[default]
    Component,
    /// A core module that imports WASI 0.1.
    ModuleWithWasi,
    /// A core module that imports nothing by itself.
    Module,
}

impl Target {
    const ALL: [Self; 3] = [Self::Component, Self::ModuleWithWasi, Self::Module];

    /// As rustc calls it.
    pub const fn triple(self) -> &'static str {
        match self {
            Self::Component => "wasm32-wasip2",
            Self::ModuleWithWasi => "wasm32-wasip1",
            Self::Module => "wasm32-unknown-unknown",
        }
    }
}

/// One guest crate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Guest<'a> {
    /// The package's name.
    pub package: &'a str,
    /// Its folder, relative to the workspace.
    pub folder: &'a str,
    /// What it is built for.
    pub target: Target,
}

impl<'a> Guest<'a> {
    /// A crate that is built into a component.
    pub const fn component(package: &'a str, folder: &'a str) -> Self {
        Self { package, folder, target: Target::Component }
    }

    /// The package's name, and the target's where there may be several.
    fn name(&self) -> String {
        match self.target {
            Target::Component => self.package.to_owned(),
            other => format!("{}-{}", self.package, other.triple()),
        }
    }
}

/// Builds guests. Gives the path of each, by its package and, where it is no component, `-` and its target, in the folder
/// of the build script that asks.
///
/// # Errors
/// [`BuildError`]: the target cannot be added, or a guest does not build.
pub fn components(guests: &[Guest<'_>]) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    let workspace = workspace(Path::new(&variable("CARGO_MANIFEST_DIR")?))?;
    watch(&workspace, guests);
    let target_folder = target_folder(&out)?;
    let mut built = BTreeMap::new();
    for target in Target::ALL {
        let guests: Vec<&Guest<'_>> = guests.iter().filter(|guest| guest.target == target).collect();
        if guests.is_empty() {
            continue;
        }
        let target = target.triple();
        require_target(&workspace, target)?;
        let mut cargo = clean(Command::new(env::var_os("CARGO").unwrap_or("cargo".into())));
        cargo.current_dir(&workspace).args(["build", "--target", target, "--profile", PROFILE]);
        cargo.arg("--target-dir").arg(&target_folder);
        for guest in &guests {
            cargo.args(["--package", guest.package]);
        }
        run(&mut cargo)?;
        for guest in guests {
            let file = format!("{}.wasm", guest.package.replace('-', "_"));
            let made = target_folder.join(target).join(PROFILE).join(file);
            let kept = out.join(format!("{}.wasm", guest.name()));
            std::fs::copy(&made, &kept).map_err(|error| BuildError(format!("{}: {error}", made.display())))?;
            built.insert(guest.name(), kept);
        }
    }
    Ok(built)
}

/// Tells cargo what components are made of.
fn watch(workspace: &Path, guests: &[Guest<'_>]) {
    let shared = ["Cargo.toml", "Cargo.lock", "wit", "guest-sdk/rust"];
    for path in shared.into_iter().chain(guests.iter().map(|guest| guest.folder)) {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
}

/// Adds the target to the toolchain where it is missing, and says so.
fn require_target(workspace: &Path, target: &str) -> Result<(), BuildError> {
    let mut rustc = clean(Command::new("rustc"));
    rustc.current_dir(workspace).args(["--print", "target-libdir", "--target", target]);
    let libraries = run(&mut rustc)?;
    if Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    println!("cargo::warning=adding the target {target} to the toolchain: guests are built for it");
    let mut rustup = clean(Command::new("rustup"));
    rustup.current_dir(workspace).args(["target", "add", target]);
    run(&mut rustup).map(drop).map_err(|error| {
        BuildError(format!(
            "{error}\nhint: guests are built for {target}; add it with `rustup target add {target}`, or from your distribution"
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
