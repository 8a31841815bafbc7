//! Components that are part of the program.

use perstack_runtime::{BundledFile, Project, ProjectError};

/// The skill that every Expert has when a model drives it.
pub(crate) const BASE: &[u8] = include_bytes!(env!("COMPONENT_PERSTACK_BASE"));

const TIC_TAC_TOE: &[BundledFile] = &[
    BundledFile { path: "perstack.toml", content: include_bytes!("../../../plugins/tic-tac-toe/perstack.toml") },
    BundledFile { path: "tic-tac-toe.wasm", content: include_bytes!(env!("COMPONENT_TIC_TAC_TOE")) },
    BundledFile { path: "scoreboard.wasm", content: include_bytes!(env!("COMPONENT_SCOREBOARD")) },
];

/// The Experts, one project each.
pub(crate) fn projects() -> Result<Vec<Project>, ProjectError> {
    [TIC_TAC_TOE].into_iter().map(Project::bundled).collect()
}
