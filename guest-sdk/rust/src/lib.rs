//! Write Perstack skills and Experts in Rust.
//!
//! A skill is a module of ordinary functions. Their names, types and doc comments are all that a model is told, and
//! all that this crate needs:
//!
//! ```
//! /// Rolls dice and remembers the best throw.
//! #[perstack::skill]
//! mod dice {
//!     use perstack::state::State;
//!
//!     /// What was thrown.
//!     #[perstack::data]
//!     pub struct Throw {
//!         /// Sum of all dice.
//!         pub total: u32,
//!         /// The best throw so far.
//!         pub best: u32,
//!     }
//!
//!     /// Notes a throw of the dice.
//!     #[tool(title = "Note a throw")]
//!     fn note(
//!         /// What each die shows.
//!         #[arg(min = 1, max = 20)]
//!         dice: Vec<u8>,
//!         #[arg(default = 0, description = "Added to the sum")] bonus: u32,
//!     ) -> Result<Throw, String> {
//!         let state = State::workspace();
//!         let total = bonus + dice.iter().map(|die| u32::from(*die)).sum::<u32>();
//!         let best = state.get_json("best").map_err(|error| error.to_string())?.unwrap_or(0).max(total);
//!         state.set_json("best", &best).map_err(|error| error.to_string())?;
//!         Ok(Throw { total, best })
//!     }
//!
//!     /// Forgets the best throw.
//!     #[tool(destructive, idempotent)]
//!     fn forget() -> Result<(), perstack::state::Error> {
//!         State::workspace().delete("best")
//!     }
//! }
//!
//! // In unit tests the functions are called as they are, and as a model calls them.
//! assert_eq!(dice::note(vec![6, 5], 2).unwrap().total, 13);
//! let output = perstack::testing::call::<dice::Skill>("note", r#"{"dice":[1]}"#).unwrap();
//! assert_eq!(output.structured.as_deref(), Some(r#"{"total":1,"best":13}"#));
//! ```
//!
//! An Expert's own logic is a function from [`Input`] to its final answer:
//!
//! ```
//! #[perstack::expert]
//! fn shout(input: perstack::Input) -> Result<String, String> {
//!     perstack::user::say("I will think about it.");
//!     Ok(input.query.to_uppercase())
//! }
//!
//! assert_eq!(shout("hello".into()), Ok("HELLO".to_owned()));
//! assert_eq!(perstack::testing::said(), ["I will think about it."]);
//! ```
//!
//! `cargo build --target wasm32-wasip2 --release` makes a component of either. On other targets the host is a double in
//! memory that tests script with [`testing`]. A crate holds one skill or one Expert.

// The macros name this crate as authors do.
extern crate self as perstack;

mod arguments;
pub mod context;
mod definition;
pub mod delegates;
#[cfg_attr(target_arch = "wasm32", path = "host/component.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "host/double.rs")]
mod host;
pub mod model;
mod output;
pub mod progress;
mod schema;
pub mod state;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod tools;
pub mod user;

pub use context::Context;
pub use definition::{Expert, Hints, Input, Skill, ToolDefinition};
pub use output::{Blob, Content, Output, ToolError, WorkspaceFile};
pub use perstack_guest_macros::{Schema, data, expert, skill};
pub use schema::{Schema, SchemaWriter, schema_of};
pub use serde;
pub use serde_json as json;

#[doc(hidden)]
pub mod __private;
