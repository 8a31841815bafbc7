//! Arguments of a tool call, as the generated code reads them.

use std::any::Any;
use std::fmt::Display;

use crate::json::{self, Map, Value};
use crate::output::ToolError;
use crate::schema::{Property, Schema, SchemaWriter};
use crate::serde::Serialize;
use crate::serde::de::DeserializeOwned;

/// The arguments that have not been taken yet.
pub struct Arguments {
    values: Map<String, Value>,
}

impl Arguments {
    /// Reads an object whose members are among `names`.
    pub fn parse(text: &str, names: &[&str]) -> Result<Self, ToolError> {
        let values = match json::from_str(text) {
            Ok(Value::Object(values)) => values,
            Ok(_) => return Err(invalid("the arguments are not a JSON object".to_owned())),
            Err(error) => return Err(invalid(format!("the arguments are not JSON: {error}"))),
        };
        for name in values.keys() {
            if !names.contains(&name.as_str()) {
                let known = if names.is_empty() {
                    "it takes none".to_owned()
                } else {
                    format!("it takes `{}`", names.join("`, `"))
                };
                return Err(invalid(format!("the tool has no argument `{name}`: {known}")));
            }
        }
        Ok(Self { values })
    }

    /// Takes an argument that must be there.
    pub fn required<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, ToolError> {
        match self.values.remove(name) {
            Some(value) => read(name, value),
            None => Err(invalid(format!("the argument `{name}` is missing"))),
        }
    }

    /// Takes an argument that may be absent, or null.
    pub fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, ToolError> {
        match self.values.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(name, value).map(Some),
        }
    }
}

fn read<T: DeserializeOwned>(name: &str, value: Value) -> Result<T, ToolError> {
    json::from_value(value).map_err(|error| invalid(format!("the argument `{name}` does not fit: {error}")))
}

fn invalid(text: String) -> ToolError {
    ToolError::InvalidArguments(text)
}

/// A type that `min` and `max` of `#[arg(…)]` apply to: the value of a number, the characters of a string, the items
/// of a list.
#[diagnostic::on_unimplemented(
    message = "`min` and `max` do not apply to `{Self}`",
    note = "they apply to numbers, strings and `Vec`s"
)]
pub trait Bounded: Schema {
    /// What a bound is counted in.
    type Bound: PartialOrd + Display;
    /// What is counted, in the singular and with a leading space; empty for numbers.
    const UNIT: &'static str;

    /// What is compared with the bounds.
    fn measure(&self) -> Self::Bound;
}

macro_rules! bounded_numbers {
    ($($type:ty)*) => {$(
        impl Bounded for $type {
            type Bound = $type;
            const UNIT: &'static str = "";

            fn measure(&self) -> $type {
                *self
            }
        }
    )*};
}

bounded_numbers!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize f32 f64);

impl Bounded for String {
    type Bound = usize;
    const UNIT: &'static str = " character";

    fn measure(&self) -> usize {
        self.chars().count()
    }
}

impl<T: Schema> Bounded for Vec<T> {
    type Bound = usize;
    const UNIT: &'static str = " item";

    fn measure(&self) -> usize {
        self.len()
    }
}

/// Checks an argument, where it was given, against its `min` and `max`.
pub fn check_bounds<T: Bounded>(
    name: &str,
    value: Option<&T>,
    min: Option<T::Bound>,
    max: Option<T::Bound>,
) -> Result<(), ToolError> {
    let Some(measure) = value.map(T::measure) else {
        return Ok(());
    };
    let (relation, bound) = match (min, max) {
        (Some(min), _) if measure < min => ("least", min),
        (_, Some(max)) if measure > max => ("most", max),
        _ => return Ok(()),
    };
    let verb = if T::UNIT.is_empty() { "must be" } else { "must have" };
    let bound = bound.to_string();
    let plural = if T::UNIT.is_empty() || bound == "1" { "" } else { "s" };
    Err(invalid(format!("the argument `{name}` {verb} at {relation} {bound}{}{plural}, not {measure}", T::UNIT)))
}

/// The input schema of a tool with these arguments.
pub fn input_schema(properties: &[Property]) -> String {
    SchemaWriter::root(properties)
}

/// The JSON of an argument's default. A default without a JSON form is not shown; the call itself does not need it.
pub fn default_json<T: Serialize>(value: &T) -> Option<String> {
    json::to_string(value).ok()
}

/// The error of a tool function, kept as it is where it says which kind it is.
pub fn tool_error<E: Display + Any>(error: E) -> ToolError {
    match (&error as &dyn Any).downcast_ref::<ToolError>() {
        Some(error) => error.clone(),
        None => ToolError::Failed(error.to_string()),
    }
}

/// The error of a call to a tool that the skill does not have.
pub fn unknown_tool(name: &str) -> ToolError {
    ToolError::Failed(format!("the skill has no tool `{name}`"))
}
