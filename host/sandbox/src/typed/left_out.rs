//! Functions of a component that are no tools, and why.

use std::fmt;

use crate::error::printable;

/// An exported function that cannot be a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name, after the name of its interface: `lab:shapes/values@1.2.3#describe`.
    pub function: String,
    /// Why.
    pub reason: Reason,
}

/// Why a function is no tool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it is")]
pub enum Reason {
    #[error("it takes or returns a resource")]
    Resource,
    #[error("it belongs to a resource")]
    Method,
    #[error("it is asynchronous, or takes or returns a future, a stream or an error context")]
    Asynchronous,
    #[error("its types are nested more than {0} deep")]
    TooDeep(usize),
    #[error("its types name more than {0} others")]
    TooManyTypes(usize),
    #[error("its schema has more than {0} bytes")]
    LargeSchema(usize),
    #[error("its documentation has more than {0} bytes")]
    LongDescription(usize),
    #[error("its name has more than {0} characters")]
    LongName(usize),
    #[error("another function has the same name")]
    SameName,
    #[error("it is there for those who run WASI programs")]
    Wasi,
    #[error("it is there for the tool that made the component")]
    Toolchain,
}

impl LeftOut {
    /// Whether its author meant it for others than models, so that nobody misses it.
    pub fn is_for_others(&self) -> bool {
        matches!(self.reason, Reason::Wasi | Reason::Toolchain)
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is left out: {}", printable(&self.function), self.reason)
    }
}
