//! The SDK for guests in Rust, made to stand alone: its files as they are, and its manifests without this workspace.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// Where its parts are in this repository, and where in the folder that is written.
const PARTS: [(&str, &str); 3] =
    [("guest-sdk/rust/src", "src"), ("guest-sdk/rust/macros/src", "macros/src"), ("wit", "wit")];
/// Files that are as they are.
const FILES: [(&str, &str); 2] = [("guest-sdk/rust/README.md", "README.md"), ("LICENSE", "LICENSE")];
const MANIFESTS: [(&str, &str); 2] =
    [("guest-sdk/rust/Cargo.toml", "Cargo.toml"), ("guest-sdk/rust/macros/Cargo.toml", "macros/Cargo.toml")];
/// What is not needed to build it.
const LEFT_OUT: [&str; 1] = ["vendor"];
/// The crate of macros, where it is beside the SDK.
const MACROS: (&str, &str) = ("perstack-guest-macros", "macros");

/// Writes `sdk.rs`: an array of paths with their texts.
pub(crate) fn write(repository: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let mut embedded: Vec<(String, PathBuf)> = Vec::new();
    for (from, to) in PARTS {
        add(&repository.join(from), to, &mut embedded)?;
    }
    embedded.extend(FILES.map(|(from, to)| (to.to_owned(), repository.join(from))));
    let workspace: Table = fs::read_to_string(repository.join("Cargo.toml"))?.parse()?;
    for (from, to) in MANIFESTS {
        let manifest: Table = fs::read_to_string(repository.join(from))?.parse()?;
        let written = out.join(to.replace('/', "-"));
        fs::write(&written, alone(manifest, &workspace)?.to_string())?;
        embedded.push((to.to_owned(), written));
    }
    embedded.sort();
    let mut listed = "&[\n".to_owned();
    for (path, file) in embedded {
        println!("cargo::rerun-if-changed={}", file.display());
        writeln!(listed, "    ({path:?}, include_str!({file:?})),")?;
    }
    fs::write(out.join("sdk.rs"), listed + "]\n")?;
    Ok(())
}

fn add(folder: &Path, to: &str, embedded: &mut Vec<(String, PathBuf)>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|name| format!("{}: no UTF-8", name.display()))?;
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        let to = format!("{to}/{name}");
        if entry.path().is_dir() {
            add(&entry.path(), &to, embedded)?;
        } else {
            embedded.push((to, entry.path()));
        }
    }
    Ok(())
}

/// A manifest with what it has of the workspace written out. Its lints are this workspace's own affair.
fn alone(mut manifest: Table, workspace: &Table) -> Result<Table, Box<dyn Error>> {
    let shared = workspace.get("workspace").and_then(Value::as_table).ok_or("no workspace")?;
    manifest.remove("lints");
    inherit(&mut manifest, "package", shared)?;
    inherit(&mut manifest, "dependencies", shared)?;
    for (_, target) in manifest.get_mut("target").and_then(Value::as_table_mut).into_iter().flatten() {
        inherit(target.as_table_mut().ok_or("a target is a table")?, "dependencies", shared)?;
    }
    Ok(manifest)
}

/// Puts the workspace's values in place of each `workspace = true` of a table.
fn inherit(within: &mut Table, name: &str, shared: &Table) -> Result<(), Box<dyn Error>> {
    for (key, value) in within.get_mut(name).and_then(Value::as_table_mut).into_iter().flatten() {
        if value.get("workspace").is_none() {
            continue;
        }
        let (macros, folder) = MACROS;
        *value = if key == macros {
            Value::Table(Table::from_iter([("path".to_owned(), folder.into())]))
        } else {
            let values = shared.get(name).and_then(|values| values.get(key));
            values.ok_or_else(|| format!("the workspace has no `{name}.{key}`"))?.clone()
        };
    }
    Ok(())
}
