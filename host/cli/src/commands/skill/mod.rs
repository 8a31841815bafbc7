//! `perstack skill`: from an idea to a component that is a skill. What there is for a language is a file of its name.

pub(crate) mod new;
pub(crate) mod pack;
mod rust;

use clap::ValueEnum;

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
    /// Names that the language keeps for itself.
    reserved: &'static [&'static str],
}

/// A path with `/`, and the file's text.
type File = (&'static str, &'static str);
