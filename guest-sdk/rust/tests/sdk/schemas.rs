//! Schemas and hints, word for word: models read them, and a changed word is a changed tool.

use perstack::{Hints, Skill as _, ToolDefinition, schema_of};

use crate::weather::{Day, Skill};

fn tool(name: &str) -> ToolDefinition {
    Skill::tools().into_iter().find(|tool| tool.name == name).unwrap()
}

const DAY: &str = concat!(
    r#"{"description":"One day.","type":"object","properties":{"#,
    r#""highNoon":{"description":"Degrees Celsius.","type":"number"},"#,
    r#""sky":{"description":"How a day is.\n- `cloudy`: More cloud than sky.","type":"string","#,
    r#""enum":["clear-blue","cloudy"]},"#,
    r#""notes":{"type":"array","items":{"type":"string"}},"#,
    r#""wind":{"type":["integer","null"],"minimum":0,"maximum":255}},"#,
    r#""required":["highNoon","sky"],"additionalProperties":false}"#,
);

#[test]
fn tools_stand_in_the_order_of_the_module() {
    let names: Vec<_> = Skill::tools().into_iter().map(|tool| tool.name).collect();
    assert_eq!(names, ["forecast", "echo-all", "remove", "chart", "entitle", "odd"]);
}

#[test]
fn a_definition() {
    let expected = ToolDefinition {
        name: "forecast".to_owned(),
        title: Some("Forecast".to_owned()),
        description: "Forecast for the next days.\n\nNot for the past.".to_owned(),
        input_schema: concat!(
            r#"{"type":"object","properties":{"#,
            r#""city":{"description":"A city's name.","type":"string"},"#,
            r#""days":{"description":"How many days","type":"integer","minimum":1,"maximum":14,"default":3},"#,
            r#""near":{"description":"How a day is.\n- `cloudy`: More cloud than sky.","#,
            r#""type":["string","null"],"enum":["clear-blue","cloudy",null]}},"#,
            r#""required":["city"],"additionalProperties":false}"#,
        )
        .to_owned(),
        output_schema: Some(format!(r#"{{"type":"array","items":{DAY}}}"#)),
        hints: Hints { read_only: true, open_world: true, ..Hints::default() },
    };
    assert_eq!(tool("forecast"), expected);
}

#[test]
fn arguments_of_all_kinds() {
    let expected = concat!(
        r#"{"type":"object","properties":{"#,
        r#""name":{"type":"string","default":"nobody"},"#,
        r#""list":{"type":"array","maxItems":2,"items":{"type":"number"},"default":[1.5]},"#,
        r#""ratio":{"type":["number","null"],"minimum":-1,"maximum":1},"#,
        r#""type":{"type":"string","minLength":1,"maxLength":1},"#,
        r#""any":{},"#,
        r#""map":{"type":"object","additionalProperties":{"type":"integer"}},"#,
        r#""flag":{"type":"boolean","default":true}},"#,
        r#""required":["type","any","map"],"additionalProperties":false}"#,
    );
    assert_eq!(tool("echo-all").input_schema, expected);
    assert_eq!(tool("echo-all").hints, Hints { idempotent: true, ..Hints::default() });
    assert_eq!(tool("echo-all").output_schema, None);
}

#[test]
fn no_arguments_and_no_data() {
    let chart = tool("chart");
    assert_eq!(chart.input_schema, r#"{"type":"object","properties":{},"required":[],"additionalProperties":false}"#);
    assert_eq!((chart.title, chart.output_schema, chart.hints), (None, None, Hints::default()));
}

#[test]
fn a_struct() {
    assert_eq!(schema_of::<Day>(), DAY);
}

/// Carries data in its variants.
#[perstack::data]
enum Shape {
    Point,
    /// A circle.
    Circle(f32),
    Square {
        side: i8,
        #[serde(rename = "fill-color")]
        fill: Option<String>,
    },
}

#[perstack::data]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Tagged {
    AtOnce,
    Later { days: u16 },
}

#[perstack::data]
struct Wrapper(Box<u64>);

#[perstack::data]
struct Pair<T> {
    first: T,
    second: Option<Wrapper>,
    shape: Option<Shape>,
}

#[test]
fn enums_with_data_and_without_tag() {
    let expected = concat!(
        r#"{"description":"Carries data in its variants.","oneOf":[{"const":"Point"},"#,
        r#"{"description":"A circle.","type":"object","properties":{"Circle":{"type":"number"}},"#,
        r#""required":["Circle"],"additionalProperties":false},"#,
        r#"{"type":"object","properties":{"Square":{"type":"object","properties":{"#,
        r#""side":{"type":"integer","minimum":-128,"maximum":127},"fill-color":{"type":["string","null"]}},"#,
        r#""required":["side"]}},"required":["Square"],"additionalProperties":false}]}"#,
    );
    assert_eq!(schema_of::<Shape>(), expected);
}

#[test]
fn enums_with_a_tag() {
    let expected = concat!(
        r#"{"oneOf":[{"type":"object","properties":{"kind":{"const":"at_once"}},"required":["kind"]},"#,
        r#"{"type":"object","properties":{"kind":{"const":"later"},"#,
        r#""days":{"type":"integer","minimum":0,"maximum":65535}},"required":["kind","days"]}]}"#,
    );
    assert_eq!(schema_of::<Tagged>(), expected);
    let written = perstack::json::to_string(&Tagged::Later { days: 2 }).unwrap();
    assert_eq!(written, r#"{"kind":"later","days":2}"#);
}

#[test]
fn generic_and_wrapping_structs() {
    let schema = schema_of::<Pair<bool>>();
    assert!(schema.starts_with(concat!(
        r#"{"type":"object","properties":{"first":{"type":"boolean"},"#,
        r#""second":{"type":["integer","null"],"minimum":0},"shape":{"#,
    )));
    assert!(schema.contains(r#"{"type":"null"}]}},"required":["first"]}"#), "{schema}");
    let schema: perstack::json::Value = perstack::json::from_str(&schema).unwrap();
    assert_eq!(schema["properties"]["shape"]["oneOf"].as_array().unwrap().len(), 4);
}

#[perstack::data]
struct Tree {
    branches: Vec<Tree>,
}

#[test]
#[should_panic(expected = "a type that contains itself has no finite JSON Schema")]
fn recursive_types_are_refused() {
    schema_of::<Tree>();
}
