//! Tools called with JSON.

use perstack::testing::call;
use perstack::{Content, Output, ToolError};

use crate::weather::{self, Day, Skill, Sky};

fn text(tool: &str, arguments: &str) -> String {
    match &call::<Skill>(tool, arguments).unwrap().content[..] {
        [Content::Text(text)] => text.clone(),
        other => panic!("not one text: {other:?}"),
    }
}

fn refusal(tool: &str, arguments: &str) -> String {
    match call::<Skill>(tool, arguments) {
        Err(ToolError::InvalidArguments(reason)) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn functions_stay_ordinary_functions() {
    assert_eq!(weather::forecast("Kyoto".into(), 2, None).unwrap().len(), 2);
    assert_eq!(weather::ordinary(), 7);
}

#[test]
fn answers_data_as_json_and_as_text() {
    let output = call::<Skill>("forecast", r#"{"city":"Kyoto","days":1,"near":"clear-blue"}"#).unwrap();
    let json = r#"[{"highNoon":20.5,"sky":"clear-blue","notes":["Kyoto"],"wind":null}]"#;
    assert_eq!(output.structured.as_deref(), Some(json));
    assert_eq!(output.content, [Content::Text(json.to_owned())]);
}

#[test]
fn fills_in_defaults() {
    let output = call::<Skill>("forecast", r#"{"city":"Kyoto","near":null}"#).unwrap();
    let days: Vec<Day> = perstack::json::from_str(&output.structured.unwrap()).unwrap();
    assert_eq!((days.len(), days[0].sky), (3, Sky::Cloudy));
    assert_eq!(
        text("echo-all", r#"{"type":"t","any":null,"map":{"a":1}}"#),
        r#"nobody [1.5] None t null {"a": 1} false"#
    );
}

#[test]
fn an_argument_may_have_another_name_than_its_parameter() {
    assert_eq!(text("entitle", r#"{"chartTitle":"May"}"#), "May");
    assert_eq!(refusal("entitle", r#"{"title":"May"}"#), "the tool has no argument `title`: it takes `chartTitle`");
    let long = refusal("entitle", r#"{"chartTitle":"August"}"#);
    assert_eq!(long, "the argument `chartTitle` must have at most 5 characters, not 6");
}

#[test]
fn names_the_argument_that_does_not_fit() {
    let missing = "the argument `city` is missing";
    let wrong = "the argument `city` does not fit: invalid type: integer `7`, expected a string";
    let unknown = "the tool has no argument `when`: it takes `city`, `days`, `near`";
    let range = "the argument `days` does not fit: invalid value: integer `300`, expected u8";
    let choice = "the argument `near` does not fit: unknown variant `wet`, expected `clear-blue` or `cloudy`";
    for (arguments, expected) in [
        ("{}", missing),
        (r#"{"city":7}"#, wrong),
        (r#"{"city":"Kyoto","when":1}"#, unknown),
        (r#"{"city":"Kyoto","days":300}"#, range),
        (r#"{"city":"Kyoto","near":"wet"}"#, choice),
        (r#"{"city":"Kyoto","days":0}"#, "the argument `days` must be at least 1, not 0"),
        (r#"{"city":"Kyoto","days":15}"#, "the argument `days` must be at most 14, not 15"),
        ("[]", "the arguments are not a JSON object"),
    ] {
        assert_eq!(refusal("forecast", arguments), expected);
    }
    assert!(refusal("forecast", "{").starts_with("the arguments are not JSON: "));
    assert_eq!(refusal("chart", r#"{"a":1}"#), "the tool has no argument `a`: it takes none");
}

#[test]
fn bounds_apply_to_lists_and_to_optional_numbers() {
    let call = |more: &str| format!(r#"{{"type":"t","any":1,"map":{{}},{more}}}"#);
    assert_eq!(refusal("echo-all", &call(r#""list":[1,2,3]"#)), "the argument `list` must have at most 2 items, not 3");
    assert_eq!(refusal("echo-all", &call(r#""ratio":1.5"#)), "the argument `ratio` must be at most 1, not 1.5");
    assert_eq!(refusal("echo-all", &call(r#""ratio":-1.5"#)), "the argument `ratio` must be at least -1, not -1.5");
    assert!(text("echo-all", &call(r#""ratio":0.5"#)).contains("Some(0.5)"));
}

#[test]
fn errors_keep_their_kind() {
    let failed = |text: &str| Err(ToolError::Failed(text.to_owned()));
    let unlucky = call::<Skill>("forecast", r#"{"city":"Kyoto","days":13}"#);
    assert_eq!(unlucky, failed("no forecast for unlucky numbers"));
    assert_eq!(call::<Skill>("odd", "{}"), failed("invalid digit found in string"));
    assert_eq!(call::<Skill>("fly", "{}"), failed("the skill has no tool `fly`"));
    let cloudy = call::<Skill>("remove", r#"{"day":{"highNoon":1,"sky":"cloudy"}}"#);
    assert_eq!(cloudy, Err(ToolError::Denied("not granted: clouds".to_owned())));
}

#[test]
fn answers_of_other_kinds() {
    assert_eq!(call::<Skill>("remove", r#"{"day":{"highNoon":1,"sky":"clear-blue"}}"#), Ok(Output::text("Done")));
    assert_eq!(call::<Skill>("chart", "{}").unwrap(), weather::chart());
}
