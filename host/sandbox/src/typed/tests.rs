//! What values of each shape are in JSON.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use wasmtime::component::Val;

use super::from_json;
use super::properties::{comes_back, fields, is_read_or_told, shapes_with_values, to_json};
use super::schema;
use super::shape::{Case, Field, Integer, Pairs, Shape};
use crate::error::Ended;

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_value_comes_back_as_it_was((shape, value) in shapes_with_values()) {
        comes_back(&shape, &value);
    }

    #[test]
    fn any_json_is_a_value_or_a_misfit((shape, value) in shapes_with_values(), place in 0..20_usize, other in any_json()) {
        is_read_or_told(&shape, &value, place, other);
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
