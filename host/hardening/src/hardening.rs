//! What is given up, and what came of it.

use std::fmt;

use crate::files::{self, Place};
use crate::{memory, syscalls};

/// What the process gives up. The default is nothing.
#[derive(Clone, Debug, Default)]
pub struct Hardening {
    /// Starting programs, and with it every file but those in these places.
    pub confined_to: Option<Vec<Place>>,
    /// Whether memory may be made executable.
    pub executable_memory: ExecutableMemory,
}

/// Whether memory may be made executable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExecutableMemory {
    /// As machine code needs it.
    #[default]
    Kept,
    /// Never.
    GivenUp,
}

/// Something that is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// No other program is started or touched.
    Programs,
    /// No file outside of a few places.
    Files,
    /// No other process reads this one's memory, and it is never written to a file.
    Secrets,
    /// No memory is made executable.
    Memory,
}

/// A protection that could not be put in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub protection: Protection,
    /// Why.
    pub reason: String,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What holds from now on.
    pub in_place: Vec<Protection>,
    /// What does not, though it was asked for.
    pub missing: Vec<Missing>,
}

impl fmt::Display for Protection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Programs => "no other program is started",
            Self::Files => "no file outside the workspace, caches and configuration is opened",
            Self::Secrets => "no other process reads this one's memory",
            Self::Memory => "no memory is made executable",
        })
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot be enforced: {} ({})", self.protection, self.reason)
    }
}

impl Hardening {
    /// Gives it up, for this process and what comes of it. To be called while there is one thread.
    #[must_use]
    pub fn apply(&self) -> Outcome {
        let mut outcome = Outcome::default();
        if let Some(places) = &self.confined_to {
            outcome.note(Protection::Secrets, memory::hide());
            outcome.note(Protection::Files, files::confine(places));
        }
        if self.executable_memory == ExecutableMemory::GivenUp {
            // A filter of system calls is passed on to programs that are started, which could not be loaded under it.
            let given_up = match &self.confined_to {
                Some(_) => syscalls::refuse_executable_memory(),
                None => memory::refuse_executable(),
            };
            outcome.note(Protection::Memory, given_up);
        }
        if self.confined_to.is_some() {
            outcome.note(Protection::Programs, syscalls::refuse_programs());
        }
        outcome
    }
}

impl Outcome {
    fn note(&mut self, protection: Protection, done: Result<(), String>) {
        match done {
            Ok(()) => self.in_place.push(protection),
            Err(reason) => self.missing.push(Missing { protection, reason }),
        }
    }
}
