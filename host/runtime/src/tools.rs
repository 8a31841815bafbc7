//! The tools of a skill's author, such as a compiler: native programs, which the operator may not allow.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use perstack_native::{Tool, ToolEnded};

use crate::policy::{HostPolicy, Refusal};

/// Why a tool did not run.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it is")]
pub enum AuthorToolError {
    #[error("{0}")]
    Refused(Box<Refusal>),
    #[error("there is no program `{0}` in the folders of `PATH`")]
    Missing(String),
    #[error("`{name}` cannot be run: {source}")]
    Failed { name: String, source: io::Error },
}

/// Runs a tool for the author who asks for it: `command` is what they typed. Its errors are shown as they come.
///
/// # Errors
/// [`AuthorToolError`].
pub fn run_author_tool(
    policy: Option<&HostPolicy>,
    command: &str,
    name: &str,
    arguments: &[impl AsRef<OsStr>],
    folder: &Path,
) -> Result<ToolEnded, AuthorToolError> {
    if let Some((host, line)) = policy.and_then(|host| Some((host, host.policy().denies_native()?))) {
        return Err(AuthorToolError::Refused(Box::new(Refusal {
            subject: format!("`{command}`"),
            asks: format!("starts the native program `{name}`"),
            place: format!("{}:{line}", host.path()),
            field: "native",
            instead: Some("build it on another machine"),
        })));
    }
    let tool = Tool::find(name).ok_or_else(|| AuthorToolError::Missing(name.to_owned()))?;
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.as_ref().to_owned()).collect();
    tool.run(&arguments, folder).map_err(|source| AuthorToolError::Failed { name: name.to_owned(), source })
}
