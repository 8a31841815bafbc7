//! From component values to JSON.

use base64::Engine;
use perstack_core::Limits;
use serde_json::{Map, Number, Value};
use wasmtime::component::Val;

use super::shape::{Case, Field, Pairs, Shape};
use crate::error::Ended;

/// Writes JSON, no more than an answer may have.
pub(crate) struct Writer {
    limit: u64,
    left: u64,
}

impl Writer {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { limit: limits.output, left: limits.output }
    }

    /// The JSON of a value.
    ///
    /// # Errors
    /// [`Ended::Output`]. [`Ended::BadAnswer`] if the value is not of this shape, which the engine does not let happen.
    pub(crate) fn value(&mut self, shape: &Shape, value: &Val) -> Result<Value, Ended> {
        Ok(match (shape, value) {
            (Shape::Bool, Val::Bool(value)) => self.literal(Value::Bool(*value))?,
            (Shape::Integer(_), Val::U8(value)) => self.literal((*value).into())?,
            (Shape::Integer(_), Val::S8(value)) => self.literal((*value).into())?,
            (Shape::Integer(_), Val::U16(value)) => self.literal((*value).into())?,
            (Shape::Integer(_), Val::S16(value)) => self.literal((*value).into())?,
            (Shape::Integer(_), Val::U32(value)) => self.literal((*value).into())?,
            (Shape::Integer(_), Val::S32(value)) => self.literal((*value).into())?,
            (Shape::Integer(_), Val::U64(value)) => self.literal((*value).into())?,
            (Shape::Integer(_), Val::S64(value)) => self.literal((*value).into())?,
            (Shape::Float32, Val::Float32(value)) => self.literal(float(widened(*value)))?,
            (Shape::Float64, Val::Float64(value)) => self.literal(float(*value))?,
            (Shape::Char, Val::Char(value)) => self.text(value.to_string())?,
            (Shape::String, Val::String(value)) => {
                self.take(value.len())?;
                value.clone().into()
            }
            (Shape::Bytes, Val::List(bytes)) => {
                self.take(bytes.len().div_ceil(3) * 4)?;
                let bytes: Vec<u8> = bytes.iter().map(byte).collect::<Result<_, _>>()?;
                base64::engine::general_purpose::STANDARD.encode(bytes).into()
            }
            (Shape::List(element), Val::List(all))
            | (Shape::FixedLengthList(element, _), Val::FixedLengthList(all)) => {
                self.take(1)?;
                all.iter().map(|value| self.element(element, value)).collect::<Result<_, _>>()?
            }
            (Shape::Pairs(Pairs::List, pair), Val::List(all)) => {
                let both = all.iter().map(|entry| match entry {
                    Val::Tuple(both) => both.first().zip(both.get(1)).ok_or_else(misfit),
                    _ => Err(misfit()),
                });
                self.pairs(&pair.0, &pair.1, &both.collect::<Result<Vec<_>, _>>()?)?
            }
            (Shape::Pairs(Pairs::Map, pair), Val::Map(all)) => {
                self.pairs(&pair.0, &pair.1, &all.iter().map(|(key, value)| (key, value)).collect::<Vec<_>>())?
            }
            (Shape::Record(fields), Val::Record(values)) => self.record(fields, values)?,
            (Shape::Tuple(types), Val::Tuple(values)) => {
                self.take(1)?;
                let each = types.iter().zip(values);
                each.map(|(shape, value)| self.element(shape, value)).collect::<Result<_, _>>()?
            }
            (Shape::Variant(cases), Val::Variant(name, payload)) => self.case(cases, name, payload.as_deref())?,
            (Shape::Result(cases), Val::Result(Ok(payload))) => self.case(&cases[..], "ok", payload.as_deref())?,
            (Shape::Result(cases), Val::Result(Err(payload))) => self.case(&cases[..], "err", payload.as_deref())?,
            (Shape::Enum(_), Val::Enum(name)) => self.text(name.clone())?,
            (Shape::Flags(_), Val::Flags(names)) => {
                self.take(1)?;
                names.iter().map(|name| self.text(name.clone())).collect::<Result<_, _>>()?
            }
            (Shape::Option(_), Val::Option(None)) => self.literal(Value::Null)?,
            (Shape::Option(some), Val::Option(Some(value))) if some.is_nullable() => {
                Value::Object([self.entry(some, "some", value)?].into_iter().collect())
            }
            (Shape::Option(some), Val::Option(Some(value))) => self.value(some, value)?,
            _ => return Err(misfit()),
        })
    }

    fn record(&mut self, fields: &[Field], values: &[(String, Val)]) -> Result<Value, Ended> {
        self.take(1)?;
        let mut object = Map::new();
        for (field, (_, value)) in fields.iter().zip(values) {
            if !matches!(value, Val::Option(None)) {
                let (name, value) = self.entry(&field.shape, &field.name.text, value)?;
                object.insert(name, value);
            }
        }
        Ok(object.into())
    }

    fn case(&mut self, cases: &[Case], name: &str, payload: Option<&Val>) -> Result<Value, Ended> {
        let case = cases.iter().find(|case| case.name.text == name).ok_or_else(misfit)?;
        match (&case.shape, payload) {
            (None, None) => self.text(name.to_owned()),
            (Some(shape), Some(payload)) => {
                Ok(Value::Object([self.entry(shape, name, payload)?].into_iter().collect()))
            }
            _ => Err(misfit()),
        }
    }

    /// An object where the keys are texts that differ, and otherwise an array of arrays.
    fn pairs(&mut self, key: &Shape, element: &Shape, all: &[(&Val, &Val)]) -> Result<Value, Ended> {
        self.take(1)?;
        if *key == Shape::String {
            let keys = all.iter().map(|(key, _)| match key {
                Val::String(key) => Ok(key.as_str()),
                _ => Err(misfit()),
            });
            let keys: Vec<&str> = keys.collect::<Result<_, _>>()?;
            if keys.iter().collect::<std::collections::HashSet<_>>().len() == keys.len() {
                let each = keys.iter().zip(all);
                let entries = each.map(|(key, (_, value))| self.entry(element, key, value));
                return Ok(Value::Object(entries.collect::<Result<_, _>>()?));
            }
        }
        let pair = |(name, value): &(&Val, &Val)| {
            self.take(2)?;
            Ok(Value::Array(vec![self.element(key, name)?, self.element(element, value)?]))
        };
        all.iter().map(pair).collect::<Result<_, _>>()
    }

    fn entry(&mut self, shape: &Shape, name: &str, value: &Val) -> Result<(String, Value), Ended> {
        self.take(name.len() + 4)?;
        Ok((name.to_owned(), self.value(shape, value)?))
    }

    fn element(&mut self, shape: &Shape, value: &Val) -> Result<Value, Ended> {
        self.take(1)?;
        self.value(shape, value)
    }

    fn text(&mut self, text: String) -> Result<Value, Ended> {
        self.take(text.len())?;
        Ok(text.into())
    }

    fn literal(&mut self, value: Value) -> Result<Value, Ended> {
        self.take(1)?;
        Ok(value)
    }

    /// Counts bytes: never more than the JSON text will have, so that a value that is too large is not built.
    fn take(&mut self, bytes: usize) -> Result<(), Ended> {
        self.left = self.left.checked_sub(bytes as u64).ok_or(Ended::Output(self.limit))?;
        Ok(())
    }
}

fn byte(value: &Val) -> Result<u8, Ended> {
    match value {
        Val::U8(byte) => Ok(*byte),
        _ => Err(misfit()),
    }
}

/// JSON has no numbers for these.
fn float(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => "NaN".into(),
        None if value > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

/// The number with the fewest digits that is the same in 32 bits: 0.1, not 0.10000000149011612.
fn widened(value: f32) -> f64 {
    let short = value.to_string().parse().unwrap_or(f64::from(value));
    if short as f32 == value { short } else { value.into() }
}

fn misfit() -> Ended {
    Ended::BadAnswer("a value is not of its type".into())
}
