//! The guests of the test suites, built: where each component is, and which cases there are.
//!
//! `foreach_SUITE!` calls a macro with the name of each case of a suite, so that a suite can insist on a test for each:
//!
//! ```ignore
//! macro_rules! has_a_test {
//!     ($case:ident) => {
//!         const _: fn() = $case;
//!     };
//! }
//! perstack_test_artifacts::foreach_sandbox!(has_a_test);
//! ```

/// A skill: each case of each suite is a tool.
pub const GUESTS: &str = env!("COMPONENT_GUESTS");
/// An Expert that does what its query says.
pub const GUESTS_EXPERT: &str = env!("COMPONENT_GUESTS_EXPERT");
/// A skill: what the conformance suite of MCP calls.
pub const CONFORMANCE: &str = env!("COMPONENT_CONFORMANCE");
/// A component of a world of its own.
pub const TYPED: &str = env!("COMPONENT_TYPED");
/// Its WIT.
pub const TYPED_WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../typed-guest/wit");
/// An Extism plugin with many tools, built without WASI and with it.
pub const EXTISM: [&str; 2] = [env!("COMPONENT_EXTISM_WASM32_UNKNOWN_UNKNOWN"), env!("COMPONENT_EXTISM_WASM32_WASIP1")];
/// Another, with the second interface of hyper-mcp.
pub const EXTISM_HANDLERS: &str = env!("COMPONENT_EXTISM_HANDLERS_WASM32_UNKNOWN_UNKNOWN");
/// The plugin `base`, the skill that every Expert has.
pub const BASE: &str = env!("COMPONENT_PERSTACK_BASE");
/// The plugin `scoreboard`, a skill.
pub const SCOREBOARD: &str = env!("COMPONENT_SCOREBOARD");
/// The plugin `tic-tac-toe`, an Expert.
pub const TIC_TAC_TOE: &str = env!("COMPONENT_TIC_TAC_TOE");

include!(concat!(env!("OUT_DIR"), "/foreach.rs"));
