//! Defaults and bounds of `perstack.toml`.
//!
//! Lengths are counted in characters. Perstack counts UTF-16 units, so a text that fits there fits here.

use std::time::Duration;

use crate::Limits;

use super::provider::ReasoningBudget;
use super::values::{ByteSize, TimeLimit};

/// Model of a project that names none: Perstack's default.
pub const DEFAULT_MODEL: &str = "claude-sonnet-4-5";
/// Thinking of a project that sets none: Perstack's default, enough to plan tool calls at little cost.
pub const DEFAULT_REASONING_BUDGET: ReasoningBudget = ReasoningBudget::Low;
/// Steps of a job: Perstack's default, beyond what its examples need and short of an expensive loop.
pub const DEFAULT_MAX_STEPS: u32 = 100;
/// Retries of a failed generation: Perstack's default.
pub const DEFAULT_MAX_RETRIES: u32 = 5;
/// Time for one generation: Perstack's default, since long answers with thinking take minutes.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
/// Files of environment variables that are read where they exist: Perstack's default.
pub const DEFAULT_ENV_PATHS: [&str; 2] = [".env", ".env.local"];
/// Version of an Expert that names none: Perstack's default.
pub const DEFAULT_EXPERT_VERSION: &str = "1.0.0";

/// Largest file. The longest instruction is 20 KB, so this holds dozens of Experts, and parsing it takes
/// milliseconds.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;
/// Largest number of steps, retries, tokens, results and milliseconds: what Perstack's timers and readers of events
/// with signed 32-bit numbers can hold.
pub const MAX_COUNT: u32 = i32::MAX as u32;
/// Longest name of an Expert, a skill, a model or a tool in `pick` and `omit`: Perstack's limit.
pub const MAX_NAME_CHARACTERS: usize = 255;
/// Longest organization in an Expert key: Perstack's limit.
pub const MAX_ORGANIZATION_CHARACTERS: usize = 128;
/// Longest description: Perstack's limit.
pub const MAX_DESCRIPTION_CHARACTERS: usize = 2 * 1024;
/// Longest rule of a skill: Perstack's limit.
pub const MAX_RULE_CHARACTERS: usize = 2 * 1024;
/// Longest instruction, and longest definition of a provider skill: Perstack's limit.
pub const MAX_INSTRUCTION_CHARACTERS: usize = 20 * 1024;
/// Longest JSON Schema of an interactive tool: Perstack's limit.
pub const MAX_SCHEMA_CHARACTERS: usize = 20 * 1024;
/// Longest URL, path or argument: Perstack's limit for endpoints; paths and arguments of real use are shorter.
pub const MAX_TEXT_CHARACTERS: usize = 2 * 1024;
/// Longest name of an environment variable: Perstack's limit.
pub const MAX_ENV_NAME_CHARACTERS: usize = 255;
/// Longest name of a tool: what providers of models accept.
pub const MAX_TOOL_NAME_CHARACTERS: usize = 64;
/// Most skills, delegates, tools, arguments, grants of one kind, and names in a list: Perstack's limit.
pub const MAX_ITEMS: usize = 255;
/// Most tags of an Expert: Perstack's limit.
pub const MAX_TAGS: usize = 8;
/// Most parts of a dotted key. The deepest field has eight, and every part is a level of nesting to the parser.
pub const MAX_KEY_PARTS: usize = 16;

/// Least memory for a guest: one page of WebAssembly.
pub const MIN_MEMORY: ByteSize = ByteSize::from_kib(64);
/// Most memory for a guest: what the sandbox can hold.
pub const MAX_MEMORY: ByteSize = ByteSize::from_bytes(Limits::MAX_MEMORY);
/// Most output of one call. It is copied into events and checkpoints, so more would fill the disk within a job.
pub const MAX_OUTPUT: ByteSize = ByteSize::from_mib(64);
/// Most that one call sends or receives: what a fast line carries in ten seconds.
pub const MAX_TRAFFIC: ByteSize = ByteSize::from_mib(1024);
/// Most that one call adds to the disk: what a service that fetches data may need.
pub const MAX_DISK: ByteSize = ByteSize::from_mib(1024 * 1024);
/// Least time for one call: the smallest unit.
pub(super) const MIN_CALL_TIME: TimeLimit = TimeLimit::from_millis(1);
/// Most time for one call. What takes longer is a job, not a call.
pub const MAX_CALL_TIME: TimeLimit = TimeLimit::from_secs(24 * 60 * 60);
