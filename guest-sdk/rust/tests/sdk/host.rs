//! The double that stands in for the host in unit tests.

use perstack::delegates::{self, Delegation};
use perstack::model::{self, Generation, Reply, Request, StopReason, Usage};
use perstack::state::{Error, State};
use perstack::tools::{self, ToolCall};
use perstack::user::{self, AskError};
use perstack::{Context, context, progress, testing};

#[test]
fn state_is_kept_by_scope() {
    State::run().set("a", b"1").unwrap();
    State::job().set_json("a", &[2, 3]).unwrap();
    State::job().set("b", b"").unwrap();
    assert_eq!(State::run().get("a"), Ok(Some(b"1".to_vec())));
    assert_eq!(State::job().get_json("a"), Ok(Some(vec![2, 3])));
    assert_eq!(State::job().keys(), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(State::workspace().get("a"), Ok(None));
    State::job().delete("a").unwrap();
    State::job().delete("a").unwrap();
    assert_eq!(State::job().keys(), Ok(vec!["b".to_owned()]));
    testing::reset();
    assert_eq!(State::run().keys(), Ok(vec![]));
}

#[test]
fn state_that_does_not_fit() {
    State::run().set("a", b"{").unwrap();
    let error = State::run().get_json::<u8>("a").unwrap_err();
    assert!(error.to_string().starts_with("the state under `a` does not fit: "), "{error}");
    testing::limit_state(3);
    assert_eq!(State::run().set("a", b"12"), Ok(()));
    assert_eq!(State::run().set("b", b""), Err(Error::QuotaExceeded));
}

#[test]
fn progress_and_context() {
    progress::report("started");
    progress::report_fraction("more than done", 7.0);
    assert_eq!(testing::progress(), [("started".to_owned(), None), ("more than done".to_owned(), Some(1.0))]);
    testing::set_context(Context { job_id: "job-1".to_owned(), ..Context::default() });
    assert_eq!(context::get().job_id, "job-1");
}

#[test]
fn tools_are_called_in_order_and_by_number() {
    testing::on_tool_call(|name, arguments| match name {
        "double" => Ok((arguments["of"].as_i64().unwrap() * 2).to_string()),
        _ => Err(format!("no tool `{name}`")),
    });
    let of = |number: i32| perstack::json::json!({ "of": number });
    assert_eq!(tools::call("double", &of(2)).into_result(), Ok("4".to_owned()));
    let calls = vec![ToolCall::new("double", &of(3)).unwrap(), ToolCall::new("triple", &of(3)).unwrap()];
    let results = tools::call_all(calls);
    let seen: Vec<_> =
        results.iter().map(|result| (&result.tool_call_id[..], result.is_error, result.text())).collect();
    assert_eq!(seen, [("call-2", false, "6".to_owned()), ("call-3", true, "no tool `triple`".to_owned())]);
}

#[test]
fn questions_are_answered_in_order() {
    testing::answer(["one"]);
    testing::refuse_to_ask(AskError::NotCoordinator);
    assert_eq!(user::ask("count", &["up"]), Ok("one".to_owned()));
    assert_eq!(user::ask("count", &()), Err(AskError::NotCoordinator));
    assert_eq!(testing::asked()[0], ("count".to_owned(), perstack::json::json!(["up"])));
}

#[test]
#[should_panic(expected = "what the user answers to `count` [\"up\"]: script it with `perstack::testing::answer`")]
fn a_question_without_an_answer() {
    let _ = user::ask("count", &["up"]);
}

#[test]
#[should_panic(expected = "what tools answer: script it with `perstack::testing::on_tool_call`")]
fn a_tool_call_without_a_script() {
    tools::call("record", &());
}

#[test]
fn a_model_only_where_it_is_played() {
    let request = Request::new().instruction("Count.").user("One?").tool("double").respond_with::<u8>();
    assert_eq!(model::generate(&request), Err(model::Error::NoModel));
    testing::on_generate(|request| {
        assert_eq!(request.response_schema.as_deref(), Some(r#"{"type":"integer","minimum":0,"maximum":255}"#));
        let reply = Reply { text: format!("{} messages", request.messages.len()), ..Reply::default() };
        Ok(Generation { reply, stop_reason: StopReason::EndTurn, usage: Usage::default() })
    });
    assert_eq!(model::generate(&request).unwrap().reply.text, "2 messages");
}

#[test]
fn delegates_answer_in_order() {
    testing::on_delegation(|key, query| if key == "a" { Ok(query.to_uppercase()) } else { Err("gone".to_owned()) });
    let answers = delegates::run(vec![Delegation::new("a", "hello"), Delegation::new("b", "hello")]);
    assert_eq!(answers, [Ok("HELLO".to_owned()), Err("gone".to_owned())]);
}

/// Answers in capitals.
#[perstack::expert]
fn shout(input: perstack::Input) -> String {
    input.query.to_uppercase()
}

#[test]
fn an_expert_stays_an_ordinary_function() {
    assert_eq!(shout("hello".into()), "HELLO");
}
