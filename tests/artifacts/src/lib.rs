//! The guests of the test suites, built. Paths of component files.

/// The Expert that plays tic-tac-toe.
pub const TIC_TAC_TOE: &str = env!("COMPONENT_TIC_TAC_TOE");
/// The skill that keeps scores.
pub const SCOREBOARD: &str = env!("COMPONENT_SCOREBOARD");
