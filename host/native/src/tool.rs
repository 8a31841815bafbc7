//! Starting a tool of the author who sits at this terminal, such as a compiler: as the shell would, with all that the user
//! has. It is never started for an Expert.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::program::failure;
use crate::server::find_program;

/// Bytes that are read of a tool's output: cargo's messages about a thousand packages.
const MAX_OUTPUT: u64 = 16 << 20;

/// A tool that is on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool(PathBuf);

/// What came of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolEnded {
    /// What it wrote to its output.
    pub stdout: String,
    /// Why it did not end well, if it did not: `exit status 101`.
    pub failure: Option<String>,
}

impl Tool {
    /// Looks for a tool in the folders of the user's `PATH`.
    pub fn find(name: &str) -> Option<Self> {
        let path = std::env::var("PATH").ok();
        find_program(name, path.as_deref(), Path::new(".")).map(Self)
    }

    /// Starts it in a folder and waits for it. What it writes to its errors is shown as it comes; its output is given back.
    ///
    /// # Errors
    /// It cannot be started, or writes more than 16 MiB.
    pub fn run(&self, arguments: &[OsString], folder: &Path) -> io::Result<ToolEnded> {
        let mut command = Command::new(&self.0);
        let command = command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut stdout = Vec::new();
        let read = match child.stdout.take() {
            Some(pipe) => pipe.take(MAX_OUTPUT + 1).read_to_end(&mut stdout),
            None => Ok(0),
        };
        if read.is_err() || stdout.len() as u64 > MAX_OUTPUT {
            // It may have ended by itself.
            drop(child.kill());
            child.wait()?;
            read?;
            return Err(io::Error::other(format!("it writes more than {MAX_OUTPUT} bytes")));
        }
        let status = child.wait()?;
        Ok(ToolEnded { stdout: String::from_utf8_lossy(&stdout).into_owned(), failure: failure(status) })
    }
}
