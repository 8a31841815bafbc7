//! Skills of any world: each function that a component exports is a tool, called with values of its types.
//!
//! `shape.rs` reads the types; `schema.rs`, `from_json.rs` and `to_json.rs` say what they are in JSON; `wit.rs` and
//! `docs.rs` bring what the author wrote about them; `functions.rs` puts them together.

mod docs;
mod from_json;
mod functions;
mod left_out;
mod names;
mod schema;
mod shape;
mod to_json;
mod wit;

#[cfg(any(test, fuzzing))]
#[expect(clippy::unwrap_used, reason = "a panic is what is looked for")]
pub(crate) mod properties;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use perstack_core::{Content, Limits, ToolDefinition, ToolError, ToolOutput};
use serde_json::Value;
use wasmtime::Store;
use wasmtime::component::{InstancePre, Val};

pub(crate) use functions::is_tool_place;
pub use left_out::{LeftOut, Reason};
pub(crate) use wit::{Documentation, SECTION};

use self::functions::{Function, Functions};
use self::shape::Shape;
use self::to_json::Writer;
use crate::convert::within_output;
use crate::error::{Ended, LoadError};
use crate::skill::SkillStore;

/// What a model is told that has nothing to be told: it takes an empty answer for a failure.
const DONE: &str = "Done";

/// A linked component of any world.
pub(crate) struct Typed {
    linked: InstancePre<SkillStore>,
    functions: BTreeMap<String, Function>,
    left_out: Vec<LeftOut>,
}

impl Typed {
    /// Reads what a component exports, and makes tools of it.
    pub(crate) fn read(
        linked: InstancePre<SkillStore>,
        documentation: &Documentation,
    ) -> Result<(Self, Vec<ToolDefinition>), LoadError> {
        let Functions { tools, functions, left_out } = functions::read(linked.component(), documentation)?;
        Ok((Self { linked, functions, left_out }, tools))
    }

    /// Exported functions that are no tools.
    pub(crate) fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Gets a call ready: none of the guest's code runs for arguments that do not fit.
    pub(crate) fn prepare(&self, tool: &str, arguments: &Value) -> Result<Call<'_>, ToolError> {
        let function = self.functions.get(tool);
        let function = function.ok_or_else(|| ToolError::InvalidArguments(format!("there is no tool `{tool}`")))?;
        let arguments = from_json::arguments(&function.parameters, arguments);
        let arguments = arguments.map_err(|mismatch| ToolError::InvalidArguments(mismatch.to_string()))?;
        Ok(Call { linked: &self.linked, function, arguments })
    }
}

/// A call whose arguments fit.
pub(crate) struct Call<'a> {
    linked: &'a InstancePre<SkillStore>,
    function: &'a Function,
    arguments: Vec<Val>,
}

impl Call<'_> {
    /// Makes the call, in a fresh instance.
    pub(crate) async fn run(&self, store: &mut Store<SkillStore>) -> wasmtime::Result<Option<Val>> {
        let instance = self.linked.instantiate_async(&mut *store).await?;
        let function = instance.get_func(&mut *store, self.function.export);
        let function = function.ok_or_else(|| wasmtime::Error::msg("the function is not there"))?;
        let mut results = vec![Val::Bool(false); usize::from(self.function.result.is_some())];
        function.call_async(store, &self.arguments, &mut results).await?;
        Ok(results.pop())
    }

    /// What the call's result is to a model.
    pub(crate) fn answer(&self, result: Option<&Val>, limits: &Limits) -> Result<Result<ToolOutput, ToolError>, Ended> {
        let (shape, value, failed) = match (&self.function.result, result) {
            (Some(Shape::Result(cases)), Some(Val::Result(result))) => match result {
                Ok(value) => (cases[0].shape.as_ref(), value.as_deref(), false),
                Err(value) => (cases[1].shape.as_ref(), value.as_deref(), true),
            },
            (shape, value) => (shape.as_ref(), value, false),
        };
        let json = match shape.zip(value) {
            Some((shape, value)) => Some(Writer::new(limits).value(shape, value)?),
            None => None,
        };
        let plain = match (shape, &json) {
            (Some(shape), Some(Value::String(text))) if shape.is_plain() => Some(text.clone()),
            _ => None,
        };
        let has_data = plain.is_none();
        let text = plain.or_else(|| json.as_ref().map(Value::to_string));
        within_output(text.as_ref().map_or(0, String::len), limits)?;
        if failed {
            let reason = text.unwrap_or_else(|| "it failed, and gave no reason".to_owned());
            return Ok(Err(ToolError::Failed(reason)));
        }
        let structured = json.filter(|_| has_data);
        let text = text.unwrap_or_else(|| DONE.to_owned());
        Ok(Ok(ToolOutput { content: vec![Content::Text { text }], structured }))
    }
}
