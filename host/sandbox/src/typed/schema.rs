//! JSON Schema (draft 2020-12) of component values.

use serde_json::{Map, Value, json};

use super::shape::{Case, Field, Integer, Name, Pairs, Shape};

/// The schema of an object with these fields. Those that may be nothing may be left out.
pub(crate) fn object(fields: &[Field]) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.text.clone(), described(of(&field.shape), &field.name))).collect();
    let required: Vec<&str> =
        fields.iter().filter(|field| !field.shape.is_nullable()).map(|field| field.name.text.as_str()).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema["additionalProperties"] = json!(false);
    schema
}

/// The schema of a value.
pub(crate) fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Integer(integer) => of_integer(*integer),
        Shape::Float32 | Shape::Float64 => {
            json!({ "anyOf": [{ "type": "number" }, { "enum": ["NaN", "Infinity", "-Infinity"] }] })
        }
        Shape::Char => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
        Shape::String => json!({ "type": "string" }),
        Shape::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Shape::List(element) => json!({ "type": "array", "items": of(element) }),
        Shape::FixedLengthList(element, length) => {
            json!({ "type": "array", "items": of(element), "minItems": length, "maxItems": length })
        }
        Shape::Pairs(_, pair) if pair.0 == Shape::String => json!({
            "type": ["object", "array"],
            "additionalProperties": of(&pair.1),
            "items": { "type": "array", "minItems": 2, "maxItems": 2 },
            "description": "An object; an array of [key, value] only where a key comes twice.",
        }),
        Shape::Pairs(Pairs::List | Pairs::Map, pair) => {
            json!({ "type": "array", "items": of_tuple(&[of(&pair.0), of(&pair.1)]) })
        }
        Shape::Record(fields) => object(fields),
        Shape::Tuple(types) => of_tuple(&types.iter().map(of).collect::<Vec<_>>()),
        Shape::Variant(cases) => of_cases(cases),
        Shape::Result(cases) => of_cases(cases.as_slice()),
        Shape::Enum(names) => of_names(names),
        Shape::Flags(names) => json!({ "type": "array", "items": of_names(names), "uniqueItems": true }),
        Shape::Option(some) if some.is_nullable() => {
            json!({ "anyOf": [{ "type": "null" }, of_case("some", of(some))] })
        }
        Shape::Option(some) => json!({ "anyOf": [of(some), { "type": "null" }] }),
    }
}

fn of_integer(integer: Integer) -> Value {
    let (least, greatest) = integer.range();
    // Both fit: the first into an `i64`, the second into a `u64`.
    let number = json!({ "type": "integer", "minimum": least as i64, "maximum": greatest as u64 });
    if !integer.is_long() {
        return number;
    }
    let digits = if least < 0 { "^-?[0-9]{1,19}$" } else { "^[0-9]{1,20}$" };
    json!({ "anyOf": [number, { "type": "string", "pattern": digits }] })
}

fn of_tuple(types: &[Value]) -> Value {
    json!({ "type": "array", "prefixItems": types, "minItems": types.len(), "maxItems": types.len() })
}

/// A case without a value is its name, one with a value an object of that one key.
fn of_cases(cases: &[Case]) -> Value {
    let bare: Vec<Name> = cases.iter().filter(|case| case.shape.is_none()).map(|case| case.name.clone()).collect();
    let mut all: Vec<Value> = Vec::new();
    if !bare.is_empty() {
        all.push(of_names(&bare));
    }
    for case in cases {
        if let Some(shape) = &case.shape {
            all.push(described(of_case(&case.name.text, of(shape)), &case.name));
        }
    }
    json!({ "anyOf": all })
}

fn of_case(name: &str, value: Value) -> Value {
    json!({ "type": "object", "properties": { name: value }, "required": [name], "additionalProperties": false })
}

fn of_names(names: &[Name]) -> Value {
    let texts: Vec<&str> = names.iter().map(|name| name.text.as_str()).collect();
    let mut schema = json!({ "type": "string", "enum": texts });
    let lines: Vec<String> =
        names.iter().filter_map(|name| Some(format!("`{}`: {}", name.text, name.docs.as_ref()?))).collect();
    if !lines.is_empty() {
        schema["description"] = lines.join("\n").into();
    }
    schema
}

/// What the WIT says comes before what the schema says by itself.
fn described(mut schema: Value, name: &Name) -> Value {
    if let Some(docs) = &name.docs {
        let text = match schema.get("description").and_then(Value::as_str) {
            Some(own) => format!("{docs}\n{own}"),
            None => docs.clone(),
        };
        schema["description"] = text.into();
    }
    schema
}
