//! The program's commands, a file each.

pub(crate) mod run;
pub(crate) mod start;
