//! Values of every shape become JSON that fits the schema, and come back as they were. No JSON does any harm.
//!
//! What is tried and what must hold: with random numbers in the tests, and with numbers of a fuzzer's choice.

use perstack_core::Limits;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use wasmtime::component::Val;

use super::from_json;
use super::schema;
use super::shape::{Case, Field, Integer, Name, Pairs, Shape};
use super::to_json::Writer;
use crate::error::Ended;

/// A shape and a value of it.
pub(crate) fn shapes_with_values() -> impl Strategy<Value = (Shape, Val)> {
    shapes().prop_flat_map(|shape| {
        let values = values(&shape);
        (Just(shape), values)
    })
}

/// A value and its JSON are the same thing twice.
pub(crate) fn comes_back(shape: &Shape, value: &Val) {
    let json = to_json(shape, value, usize::MAX).unwrap();
    let text = json.to_string();
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read, json);
    assert_eq!(from_json::value(shape, &read).unwrap(), *value, "{text}");
    let schema = schema::of(shape);
    let fits = jsonschema::draft202012::new(&schema).unwrap().validate(&read).map_err(|error| error.to_string());
    assert!(fits.is_ok(), "{fits:?}: {text} is not of {schema}");
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
    // What is counted is never more than what is written.
    assert!(to_json(shape, value, text.len()).is_ok(), "{text}");
}

/// JSON that is a value's but for one place, and JSON that is nobody's, are read or are told to be misfits.
pub(crate) fn is_read_or_told(shape: &Shape, value: &Val, mut place: usize, other: Value) {
    let mut json = to_json(shape, value, usize::MAX).unwrap();
    replace(&mut json, &mut place, &other);
    for json in [json, other] {
        match from_json::value(shape, &json) {
            Ok(value) => {
                let again = to_json(shape, &value, usize::MAX).unwrap();
                assert_eq!(from_json::value(shape, &again).unwrap(), value);
            }
            Err(mismatch) => assert!(!mismatch.to_string().is_empty()),
        }
    }
}

fn shapes() -> impl Strategy<Value = Shape> {
    let integers = prop::sample::select(vec![
        Integer::U8,
        Integer::S8,
        Integer::U16,
        Integer::S16,
        Integer::U32,
        Integer::S32,
        Integer::U64,
        Integer::S64,
    ]);
    let leaf = prop_oneof![
        integers.prop_map(Shape::Integer),
        prop::sample::select(vec![
            Shape::Bool,
            Shape::Float32,
            Shape::Float64,
            Shape::Char,
            Shape::String,
            Shape::Bytes,
        ]),
        (1..5_usize).prop_map(|count| Shape::Enum(names(count))),
        (1..5_usize).prop_map(|count| Shape::Flags(names(count))),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let cases = vec(prop::option::of(inner.clone()), 1..5);
        let key = prop_oneof![Just(Shape::String), Just(Shape::Char), Just(Shape::Integer(Integer::U64))];
        prop_oneof![
            inner.clone().prop_map(|element| Shape::List(Box::new(element))),
            (inner.clone(), 0..4_u32).prop_map(|(element, length)| Shape::FixedLengthList(Box::new(element), length)),
            inner.clone().prop_map(|value| Shape::Pairs(Pairs::List, Box::new((Shape::String, value)))),
            (key, inner.clone()).prop_map(|pair| Shape::Pairs(Pairs::Map, Box::new(pair))),
            vec(inner.clone(), 1..5).prop_map(|shapes| Shape::Record(fields(shapes))),
            vec(inner.clone(), 1..4).prop_map(Shape::Tuple),
            cases.prop_map(|shapes| {
                let named = names(shapes.len()).into_iter().zip(shapes);
                Shape::Variant(named.map(|(name, shape)| Case { name, shape }).collect())
            }),
            (prop::option::of(inner.clone()), prop::option::of(inner.clone())).prop_map(|(ok, err)| {
                let cases = [Case { name: "ok".into(), shape: ok }, Case { name: "err".into(), shape: err }];
                Shape::Result(Box::new(cases))
            }),
            inner.clone().prop_map(|some| Shape::Option(Box::new(some))),
            inner.prop_map(|some| Shape::Option(Box::new(Shape::Option(Box::new(some))))),
        ]
    })
}

/// Names with what JSON pointers, schemas and options give a meaning to.
fn names(count: usize) -> Vec<Name> {
    ["some", "type", "null", "properties", "ok"][..count].iter().map(|name| Name::from(*name)).collect()
}

pub(crate) fn fields(shapes: Vec<Shape>) -> Vec<Field> {
    names(shapes.len()).into_iter().zip(shapes).map(|(name, shape)| Field { name, shape }).collect()
}

/// Values of a shape.
fn values(shape: &Shape) -> BoxedStrategy<Val> {
    match shape {
        Shape::Bool => any::<bool>().prop_map(Val::Bool).boxed(),
        Shape::Integer(Integer::U8) => any::<u8>().prop_map(Val::U8).boxed(),
        Shape::Integer(Integer::S8) => any::<i8>().prop_map(Val::S8).boxed(),
        Shape::Integer(Integer::U16) => any::<u16>().prop_map(Val::U16).boxed(),
        Shape::Integer(Integer::S16) => any::<i16>().prop_map(Val::S16).boxed(),
        Shape::Integer(Integer::U32) => any::<u32>().prop_map(Val::U32).boxed(),
        Shape::Integer(Integer::S32) => any::<i32>().prop_map(Val::S32).boxed(),
        Shape::Integer(Integer::U64) => {
            prop_oneof![any::<u64>(), Just(u64::MAX), Just((1 << 53) + 1)].prop_map(Val::U64).boxed()
        }
        Shape::Integer(Integer::S64) => {
            prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)].prop_map(Val::S64).boxed()
        }
        Shape::Float32 => any::<u32>().prop_map(|bits| Val::Float32(f32::from_bits(bits))).boxed(),
        Shape::Float64 => any::<u64>().prop_map(|bits| Val::Float64(f64::from_bits(bits))).boxed(),
        Shape::Char => any::<char>().prop_map(Val::Char).boxed(),
        Shape::String => any::<String>().prop_map(Val::String).boxed(),
        Shape::Bytes => vec(any::<u8>().prop_map(Val::U8), 0..20).prop_map(Val::List).boxed(),
        Shape::List(element) => vec(values(element), 0..4).prop_map(Val::List).boxed(),
        Shape::FixedLengthList(element, length) => {
            vec(values(element), *length as usize).prop_map(Val::FixedLengthList).boxed()
        }
        Shape::Pairs(kind, pair) => {
            let kind = *kind;
            // Few keys, so that some come twice.
            let key = match &pair.0 {
                Shape::String => "[ab/~]{0,1}".prop_map(Val::String).boxed(),
                key => values(key),
            };
            vec((key, values(&pair.1)), 0..4)
                .prop_map(move |all| match kind {
                    Pairs::Map => Val::Map(all),
                    Pairs::List => {
                        Val::List(all.into_iter().map(|(key, value)| Val::Tuple(vec![key, value])).collect())
                    }
                })
                .boxed()
        }
        Shape::Record(fields) => {
            let names: Vec<String> = fields.iter().map(|field| field.name.text.clone()).collect();
            let each: Vec<_> = fields.iter().map(|field| values(&field.shape)).collect();
            each.prop_map(move |all| Val::Record(names.iter().cloned().zip(all).collect())).boxed()
        }
        Shape::Tuple(types) => types.iter().map(values).collect::<Vec<_>>().prop_map(Val::Tuple).boxed(),
        Shape::Variant(cases) => {
            let cases = cases.clone();
            (0..cases.len())
                .prop_flat_map(move |place| {
                    let name = cases[place].name.text.clone();
                    payload(cases[place].shape.as_ref()).prop_map(move |value| Val::Variant(name.clone(), value))
                })
                .boxed()
        }
        Shape::Result(cases) => {
            let ok = payload(cases[0].shape.as_ref()).prop_map(|value| Val::Result(Ok(value)));
            let err = payload(cases[1].shape.as_ref()).prop_map(|value| Val::Result(Err(value)));
            prop_oneof![ok, err].boxed()
        }
        Shape::Enum(names) => prop::sample::select(texts(names)).prop_map(Val::Enum).boxed(),
        Shape::Flags(names) => {
            let count = names.len();
            prop::sample::subsequence(texts(names), 0..=count).prop_map(Val::Flags).boxed()
        }
        Shape::Option(some) => {
            prop::option::of(values(some)).prop_map(|value| Val::Option(value.map(Box::new))).boxed()
        }
    }
}

fn payload(shape: Option<&Shape>) -> BoxedStrategy<Option<Box<Val>>> {
    match shape {
        Some(shape) => values(shape).prop_map(|value| Some(Box::new(value))).boxed(),
        None => Just(None).boxed(),
    }
}

fn texts(names: &[Name]) -> Vec<String> {
    names.iter().map(|name| name.text.clone()).collect()
}

/// Puts something else in a place of a value.
fn replace(json: &mut Value, place: &mut usize, other: &Value) {
    if *place == 0 {
        *json = other.clone();
    }
    *place = place.wrapping_sub(1);
    match json {
        Value::Array(all) => all.iter_mut().for_each(|inner| replace(inner, place, other)),
        Value::Object(all) => all.values_mut().for_each(|inner| replace(inner, place, other)),
        _ => {}
    }
}

pub(crate) fn to_json(shape: &Shape, value: &Val, limit: usize) -> Result<Value, Ended> {
    Writer::new(&Limits { output: limit as u64, ..Limits::default() }).value(shape, value)
}
