//! `perstack skill`: from an idea to a component that is a skill. What there is for a language is a file of its name.

pub(crate) mod build;
pub(crate) mod call;
pub(crate) mod new;
pub(crate) mod pack;
mod rust;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use perstack_runtime::HostPolicy;

use crate::failure::Failure;

/// What a skill is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// Rust.
    Rust,
}

impl Lang {
    fn kit(self) -> &'static Kit {
        match self {
            Self::Rust => &rust::KIT,
        }
    }
}

/// What there is for a language.
struct Kit {
    /// The files of a new skill, which is named `my-skill` in them, with `_` where the language has no `-`.
    template: &'static [File],
    /// The files of its SDK, and the folder that they are written to.
    sdk: (&'static str, &'static [File]),
    /// The file that says that a folder is a package of this language.
    manifest: &'static str,
    /// Builds the package of a folder. Gives the component's file, named as the package is.
    build: fn(&Path, Option<&HostPolicy>) -> Result<PathBuf, Failure>,
    /// Names that the language keeps for itself.
    reserved: &'static [&'static str],
}

/// A path with `/`, and the file's text.
type File = (&'static str, &'static str);
