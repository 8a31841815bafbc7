//! From JSON to component values.

use std::fmt;

use base64::Engine;
use serde_json::{Map, Value};
use wasmtime::component::Val;

use super::shape::{Case, Field, Integer, Name, Pairs, Shape};

/// Characters of a value that are told where it does not fit.
const MAX_SHOWN: usize = 60;

/// Characters of a path, and of what was expected there: an enum may have thousands of names.
const MAX_TEXT: usize = 1000;

/// Arguments that do not fit a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// A JSON pointer, from the inside out while it is made.
    path: String,
    reason: String,
}

impl Mismatch {
    fn new(reason: impl Into<String>) -> Self {
        Self { path: String::new(), reason: reason.into() }
    }

    fn expected(what: impl fmt::Display, value: &Value) -> Self {
        let text = value.to_string();
        let mut shown: String = text.chars().take(MAX_SHOWN).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        Self::new(format!("expected {what}, not {shown}"))
    }

    fn within(mut self, step: impl fmt::Display) -> Self {
        let step = step.to_string().replace('~', "~0").replace('/', "~1");
        self.path = format!("/{step}{}", self.path);
        self
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = |text: &str| text.chars().take(MAX_TEXT).collect::<String>();
        if !self.path.is_empty() {
            write!(formatter, "`{}`: ", cut(&self.path))?;
        }
        formatter.write_str(&cut(&self.reason))
    }
}

/// The parameters of a function, from the object of its arguments.
pub(crate) fn arguments(fields: &[Field], value: &Value) -> Result<Vec<Val>, Mismatch> {
    Ok(record(fields, value)?.into_iter().map(|(_, value)| value).collect())
}

/// A component value, from JSON.
pub(crate) fn value(shape: &Shape, json: &Value) -> Result<Val, Mismatch> {
    Ok(match shape {
        Shape::Bool => Val::Bool(json.as_bool().ok_or_else(|| Mismatch::expected("true or false", json))?),
        Shape::Integer(kind) => integer(*kind, json)?,
        Shape::Float32 => float32(json)?,
        Shape::Float64 => Val::Float64(float(json)?),
        Shape::Char => {
            let mut characters = string(json)?.chars();
            match (characters.next(), characters.next()) {
                (Some(only), None) => Val::Char(only),
                _ => return Err(Mismatch::expected("one character", json)),
            }
        }
        Shape::String => Val::String(string(json)?.to_owned()),
        Shape::Bytes => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(string(json)?);
            let bytes = bytes.map_err(|error| Mismatch::new(format!("this is not base64: {error}")))?;
            Val::List(bytes.into_iter().map(Val::U8).collect())
        }
        Shape::List(element) => Val::List(elements(element, array(json)?)?),
        Shape::FixedLengthList(element, length) => {
            let all = array(json)?;
            if all.len() != *length as usize {
                return Err(Mismatch::new(format!("expected {length} elements, not {}", all.len())));
            }
            Val::FixedLengthList(elements(element, all)?)
        }
        Shape::Pairs(kind, pair) => pairs(*kind, &pair.0, &pair.1, json)?,
        Shape::Record(fields) => Val::Record(record(fields, json)?),
        Shape::Tuple(types) => {
            let all = array(json)?;
            if all.len() != types.len() {
                return Err(Mismatch::new(format!("expected {} elements, not {}", types.len(), all.len())));
            }
            let each = types.iter().zip(all).enumerate();
            let all = each.map(|(place, (shape, json))| value(shape, json).map_err(|error| error.within(place)));
            Val::Tuple(all.collect::<Result<_, _>>()?)
        }
        Shape::Variant(cases) => {
            let (case, payload) = case(cases, json)?;
            Val::Variant(cases[case].name.text.clone(), payload)
        }
        Shape::Result(cases) => match case(cases.as_slice(), json)? {
            (0, payload) => Val::Result(Ok(payload)),
            (_, payload) => Val::Result(Err(payload)),
        },
        Shape::Enum(names) => Val::Enum(name(names, json)?),
        Shape::Flags(names) => flags(names, json)?,
        Shape::Option(_) if json.is_null() => Val::Option(None),
        Shape::Option(some) if some.is_nullable() => match json.as_object().and_then(only) {
            Some(("some", inner)) => {
                Val::Option(Some(Box::new(value(some, inner).map_err(|error| error.within("some"))?)))
            }
            _ => return Err(Mismatch::expected("null or an object with the one key `some`", json)),
        },
        Shape::Option(some) => Val::Option(Some(Box::new(value(some, json)?))),
    })
}

fn integer(kind: Integer, json: &Value) -> Result<Val, Mismatch> {
    let (least, greatest) = kind.range();
    let misfit = || Mismatch::expected(format_args!("an integer from {least} to {greatest}"), json);
    let number = match json {
        Value::Number(number) => {
            number.as_i128().or_else(|| number.as_f64().filter(|float| float.fract() == 0.0).map(|float| float as i128))
        }
        Value::String(text) if kind.is_long() => text.parse().ok(),
        _ => None,
    };
    let number = number.ok_or_else(misfit)?;
    let value = match kind {
        Integer::U8 => number.try_into().map(Val::U8),
        Integer::S8 => number.try_into().map(Val::S8),
        Integer::U16 => number.try_into().map(Val::U16),
        Integer::S16 => number.try_into().map(Val::S16),
        Integer::U32 => number.try_into().map(Val::U32),
        Integer::S32 => number.try_into().map(Val::S32),
        Integer::U64 => number.try_into().map(Val::U64),
        Integer::S64 => number.try_into().map(Val::S64),
    };
    value.map_err(|_| misfit())
}

fn float(json: &Value) -> Result<f64, Mismatch> {
    let number = match json {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    };
    number.ok_or_else(|| Mismatch::expected("a number, \"NaN\", \"Infinity\" or \"-Infinity\"", json))
}

fn float32(json: &Value) -> Result<Val, Mismatch> {
    let wide = float(json)?;
    let narrow = wide as f32;
    if narrow.is_infinite() && wide.is_finite() {
        return Err(Mismatch::expected("a number of 32 bits", json));
    }
    Ok(Val::Float32(narrow))
}

fn string(json: &Value) -> Result<&str, Mismatch> {
    json.as_str().ok_or_else(|| Mismatch::expected("a string", json))
}

fn array(json: &Value) -> Result<&[Value], Mismatch> {
    json.as_array().map(Vec::as_slice).ok_or_else(|| Mismatch::expected("an array", json))
}

fn elements(element: &Shape, all: &[Value]) -> Result<Vec<Val>, Mismatch> {
    let each = all.iter().enumerate();
    each.map(|(place, json)| value(element, json).map_err(|error| error.within(place))).collect()
}

fn pairs(kind: Pairs, key: &Shape, element: &Shape, json: &Value) -> Result<Val, Mismatch> {
    let both: Vec<(Val, Val)> = match json {
        Value::Object(object) if *key == Shape::String => object
            .iter()
            .map(|(name, json)| {
                let value = value(element, json).map_err(|error| error.within(name))?;
                Ok((Val::String(name.clone()), value))
            })
            .collect::<Result<_, _>>()?,
        Value::Array(all) => {
            let pair = |json: &Value| match json.as_array().map(Vec::as_slice) {
                Some([first, second]) => {
                    let key = value(key, first).map_err(|error| error.within(0))?;
                    Ok((key, value(element, second).map_err(|error| error.within(1))?))
                }
                _ => Err(Mismatch::expected("a key and a value", json)),
            };
            let each = all.iter().enumerate();
            each.map(|(place, json)| pair(json).map_err(|error| error.within(place))).collect::<Result<_, _>>()?
        }
        _ => {
            let object = if *key == Shape::String { "an object, or " } else { "" };
            return Err(Mismatch::expected(format_args!("{object}an array of keys and values"), json));
        }
    };
    Ok(match kind {
        Pairs::Map => Val::Map(both),
        Pairs::List => Val::List(both.into_iter().map(|(key, value)| Val::Tuple(vec![key, value])).collect()),
    })
}

fn record(fields: &[Field], json: &Value) -> Result<Vec<(String, Val)>, Mismatch> {
    let object = json.as_object().ok_or_else(|| Mismatch::expected("an object", json))?;
    if let Some(unknown) = object.keys().find(|key| !fields.iter().any(|field| field.name.text == **key)) {
        return Err(Mismatch::new("there is no such field").within(unknown));
    }
    let one = |field: &Field| {
        let name = &field.name.text;
        let value = match object.get(name) {
            Some(json) => value(&field.shape, json),
            None if field.shape.is_nullable() => Ok(Val::Option(None)),
            None => Err(Mismatch::new("it is missing")),
        };
        Ok((name.clone(), value.map_err(|error| error.within(name))?))
    };
    fields.iter().map(one).collect()
}

/// Which case it is, and its value.
fn case(cases: &[Case], json: &Value) -> Result<(usize, Option<Box<Val>>), Mismatch> {
    let (name, payload) = match json {
        Value::String(name) => (name.as_str(), None),
        Value::Object(object) => match only(object) {
            Some((name, payload)) => (name, Some(payload)),
            None => return Err(Mismatch::expected("an object with one key", json)),
        },
        _ => return Err(Mismatch::expected("the name of a case, or an object with it as its key", json)),
    };
    let Some(place) = cases.iter().position(|case| case.name.text == name) else {
        let names = listed(cases.iter().map(|case| &case.name));
        return Err(Mismatch::expected(format_args!("one of {names}"), json));
    };
    match (&cases[place].shape, payload) {
        (None, None) => Ok((place, None)),
        (Some(shape), Some(payload)) => {
            let payload = value(shape, payload).map_err(|error| error.within(name))?;
            Ok((place, Some(Box::new(payload))))
        }
        (None, Some(_)) => Err(Mismatch::expected(format_args!("\"{name}\" alone: it has no value"), json)),
        (Some(_), None) => Err(Mismatch::expected(format_args!("an object with the key `{name}`"), json)),
    }
}

fn name(names: &[Name], json: &Value) -> Result<String, Mismatch> {
    let text = string(json)?;
    if names.iter().any(|name| name.text == text) {
        return Ok(text.to_owned());
    }
    Err(Mismatch::expected(format_args!("one of {}", listed(names.iter())), json))
}

fn flags(names: &[Name], json: &Value) -> Result<Val, Mismatch> {
    let mut set: Vec<String> = Vec::new();
    for (place, json) in array(json)?.iter().enumerate() {
        let flag = name(names, json).map_err(|error| error.within(place))?;
        if set.contains(&flag) {
            return Err(Mismatch::new("it is there twice").within(place));
        }
        set.push(flag);
    }
    Ok(Val::Flags(set))
}

/// The one entry of an object that has one.
fn only(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = object.iter();
    let (name, value) = entries.next()?;
    entries.next().is_none().then_some((name.as_str(), value))
}

fn listed<'a>(names: impl Iterator<Item = &'a Name>) -> String {
    names.map(|name| format!("`{}`", name.text)).collect::<Vec<_>>().join(", ")
}
