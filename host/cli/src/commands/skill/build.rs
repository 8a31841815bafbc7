//! `perstack skill build`: the component of the package that this folder is in.

use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use perstack_runtime::{AuthorToolError, HostPolicy, ToolEnded, run_author_tool};

use super::{Kit, Lang};
use crate::failure::{Exit, Failure};
use crate::text::{harmless, size};
use crate::whole::write_whole;

/// `perstack skill build`.
pub(crate) fn build(policy: Option<&HostPolicy>) -> Result<Exit, Failure> {
    let (folder, kit) = package(Path::new("."))?;
    let built = (kit.build)(&folder, policy)?;
    let component = component_of(&folder, &built);
    let unkept = |error: std::io::Error| {
        Failure::new(Exit::Failed, format_args!("`{}` cannot be written: {error}", component.display()), None)
    };
    let bytes = fs::read(&built).map_err(unkept)?;
    write_whole(&component, &bytes).map_err(unkept)?;
    let said = format!("{} · {}\n", component.display(), size(bytes.len() as u64));
    // Who reads nothing has the file all the same.
    drop(stdout().write_all(harmless(&said).as_bytes()));
    Ok(Exit::Done)
}

/// Where a component is kept: in the package, under its name with `-`.
fn component_of(folder: &Path, built: &Path) -> PathBuf {
    let name = built.file_name().unwrap_or_default().to_string_lossy().replace('_', "-");
    folder.join(name)
}

/// The nearest folder with a manifest, here or above.
pub(super) fn package(folder: &Path) -> Result<(PathBuf, &'static Kit), Failure> {
    let here = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let kits = || Lang::value_variants().iter().map(|lang| lang.kit());
    let found = here.ancestors().find_map(|folder| {
        let kit = kits().find(|kit| folder.join(kit.manifest).is_file())?;
        Some((folder.to_owned(), kit))
    });
    found.ok_or_else(|| {
        let manifests: Vec<&str> = kits().map(|kit| kit.manifest).collect();
        let message = format!("there is no {} in this folder or above", manifests.join(", "));
        let hint = "go to a skill's folder, or make one with `perstack skill new NAME`".to_owned();
        Failure::new(Exit::NotStarted, message, Some(hint))
    })
}

/// Runs a program of the language's, unless the operator allows none.
pub(super) fn tool(
    policy: Option<&HostPolicy>,
    name: &str,
    arguments: &[&str],
    folder: &Path,
) -> Result<ToolEnded, AuthorToolError> {
    run_author_tool(policy, "perstack skill build", name, arguments, folder)
}

impl From<AuthorToolError> for Failure {
    fn from(error: AuthorToolError) -> Self {
        let hint = match &error {
            AuthorToolError::Refused(refusal) => Some(refusal.hint()),
            AuthorToolError::Missing(_) | AuthorToolError::Failed { .. } => None,
        };
        Self::new(Exit::NotStarted, &error, hint)
    }
}
