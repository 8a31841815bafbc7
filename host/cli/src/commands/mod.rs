//! The program's commands, a file each.

pub(crate) mod doctor;
pub(crate) mod inspect;
pub(crate) mod log;
pub(crate) mod mcp;
pub(crate) mod plain;
pub(crate) mod run;
pub(crate) mod skill;
pub(crate) mod start;
