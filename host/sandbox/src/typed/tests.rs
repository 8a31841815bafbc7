//! Values of every shape become JSON that fits the schema, and come back as they were. No JSON does any harm.

use perstack_core::Limits;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use wasmtime::component::Val;

use super::from_json;
use super::schema;
use super::shape::{Case, Field, Integer, Name, Pairs, Shape};
use super::to_json::Writer;
use crate::error::Ended;

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

fn fields(shapes: Vec<Shape>) -> Vec<Field> {
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

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec!["some", "ok", "NaN", "-1", "AA==", "99999999999999999999"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        let key = prop::sample::select(vec!["some", "type", "null", "properties", "ok", "err", "other"]);
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key, inner), 0..4).prop_map(|all| {
                Value::Object(all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
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

fn to_json(shape: &Shape, value: &Val, limit: usize) -> Result<Value, Ended> {
    Writer::new(&Limits { output: limit as u64, ..Limits::default() }).value(shape, value)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_value_comes_back_as_it_was((shape, value) in shapes().prop_flat_map(|shape| {
        let values = values(&shape);
        (Just(shape), values)
    })) {
        let json = to_json(&shape, &value, usize::MAX).unwrap();
        let text = json.to_string();
        let read: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, &json);
        let back = from_json::value(&shape, &read).unwrap();
        prop_assert_eq!(&back, &value, "{}", &text);
        let schema = schema::of(&shape);
        let fits = jsonschema::draft202012::new(&schema).unwrap().validate(&read).map_err(|error| error.to_string());
        prop_assert!(fits.is_ok(), "{fits:?}: {text} is not of {schema}");
        prop_assert!(jsonschema::draft202012::meta::is_valid(&schema));
        // What is counted is never more than what is written.
        prop_assert!(to_json(&shape, &value, text.len()).is_ok(), "{text}");
    }

    #[test]
    fn any_json_is_a_value_or_a_misfit(
        ((shape, value), place, other) in (
            shapes().prop_flat_map(|shape| {
                let values = values(&shape);
                (Just(shape), values)
            }),
            0..20_usize,
            any_json(),
        )
    ) {
        let mut json = to_json(&shape, &value, usize::MAX).unwrap();
        let mut place = place;
        replace(&mut json, &mut place, &other);
        for json in [json, other] {
            match from_json::value(&shape, &json) {
                Ok(value) => {
                    let again = to_json(&shape, &value, usize::MAX).unwrap();
                    prop_assert_eq!(from_json::value(&shape, &again).unwrap(), value);
                }
                Err(mismatch) => prop_assert!(!mismatch.to_string().is_empty()),
            }
        }
    }
}

fn read(shape: &Shape, json: Value) -> Result<Val, String> {
    from_json::value(shape, &json).map_err(|mismatch| mismatch.to_string())
}

#[test]
fn a_misfit_is_named() {
    let figure = Shape::Variant(vec![
        Case { name: "empty".into(), shape: None },
        Case { name: "circle".into(), shape: Some(Shape::Integer(Integer::U8)) },
    ]);
    let shape = Shape::Record(vec![Field { name: "a/b".into(), shape: Shape::List(Box::new(figure)) }]);
    let misfit = |json| read(&shape, json).unwrap_err();
    for (json, reason) in [
        (json!([]), "expected an object, not []"),
        (json!({}), "`/a~1b`: it is missing"),
        (json!({ "a/b": [], "c": 1 }), "`/c`: there is no such field"),
        (json!({ "a/b": 1 }), "`/a~1b`: expected an array, not 1"),
        (
            json!({ "a/b": ["empty", 1] }),
            "`/a~1b/1`: expected the name of a case, or an object with it as its key, not 1",
        ),
        (json!({ "a/b": ["full"] }), "`/a~1b/0`: expected one of `empty`, `circle`, not \"full\""),
        (json!({ "a/b": ["circle"] }), "`/a~1b/0`: expected an object with the key `circle`, not \"circle\""),
        (
            json!({ "a/b": [{ "empty": null }] }),
            "`/a~1b/0`: expected \"empty\" alone: it has no value, not {\"empty\":null}",
        ),
        (json!({ "a/b": [{ "circle": 256 }] }), "`/a~1b/0/circle`: expected an integer from 0 to 255, not 256"),
    ] {
        assert_eq!(misfit(json), reason);
    }
}

#[test]
fn numbers_keep_their_value() {
    let (long, signed) = (Shape::Integer(Integer::U64), Shape::Integer(Integer::S64));
    assert_eq!(read(&long, json!(u64::MAX)), Ok(Val::U64(u64::MAX)));
    assert_eq!(read(&long, json!("18446744073709551615")), Ok(Val::U64(u64::MAX)));
    assert_eq!(read(&signed, json!("-9223372036854775808")), Ok(Val::S64(i64::MIN)));
    assert_eq!(read(&long, json!(3.0)), Ok(Val::U64(3)));
    for json in [json!(-1), json!(1.5), json!(1e300), json!("18446744073709551616"), json!("1.0"), json!("")] {
        assert!(read(&long, json.clone()).is_err(), "{json}");
    }
    // Only long ones may be text: no other is too long for anybody.
    assert!(read(&Shape::Integer(Integer::U8), json!("1")).is_err());
    assert_eq!(read(&Shape::Float64, json!("-Infinity")), Ok(Val::Float64(f64::NEG_INFINITY)));
    assert!(read(&Shape::Float64, json!("1.0")).is_err());
    assert!(read(&Shape::Float32, json!(1e300)).is_err());
    assert_eq!(to_json(&Shape::Float32, &Val::Float32(0.1), 100), Ok(json!(0.1)));
}

#[test]
fn bytes_and_letters_are_checked() {
    assert!(read(&Shape::Bytes, json!("AQ==")).is_ok());
    for json in [json!("AQ"), json!("A Q="), json!([1]), json!("ä")] {
        assert!(read(&Shape::Bytes, json).is_err());
    }
    assert_eq!(read(&Shape::Char, json!("\u{1f600}")), Ok(Val::Char('\u{1f600}')));
    assert!(read(&Shape::Char, json!("")).is_err());
    assert!(read(&Shape::Char, json!("ab")).is_err());
}

#[test]
fn keys_that_come_twice_are_kept() {
    let shape = Shape::Pairs(Pairs::List, Box::new((Shape::String, Shape::Integer(Integer::U8))));
    let twice = json!([["a", 1], ["b", 2], ["a", 3]]);
    let value = read(&shape, twice.clone()).unwrap();
    assert_eq!(to_json(&shape, &value, 100), Ok(twice));
    let once = json!({ "b": 1, "a": 2 });
    assert_eq!(to_json(&shape, &read(&shape, once.clone()).unwrap(), 100).unwrap().to_string(), once.to_string());
}

#[test]
fn what_is_too_large_is_not_written() {
    let shape = Shape::List(Box::new(Shape::Option(Box::new(Shape::String))));
    let many = Val::List(vec![Val::Option(None); 1000]);
    assert_eq!(to_json(&shape, &many, 999), Err(Ended::Output(999)));
    let bytes = Val::List(vec![Val::U8(0); 1000]);
    assert_eq!(to_json(&Shape::Bytes, &bytes, 1000), Err(Ended::Output(1000)));
}

#[test]
fn an_argument_that_may_be_nothing_may_be_left_out() {
    let fields = fields(vec![Shape::Option(Box::new(Shape::Option(Box::new(Shape::Bool)))), Shape::Bool]);
    assert_eq!(schema::object(&fields)["required"], json!(["type"]));
    let given = |json: Value| from_json::arguments(&fields, &json).unwrap().remove(0);
    let some = |value| Val::Option(Some(Box::new(value)));
    assert_eq!(given(json!({ "type": true })), Val::Option(None));
    assert_eq!(given(json!({ "type": true, "some": null })), Val::Option(None));
    assert_eq!(given(json!({ "type": true, "some": { "some": null } })), some(Val::Option(None)));
    assert_eq!(given(json!({ "type": true, "some": { "some": false } })), some(some(Val::Bool(false))));
}
