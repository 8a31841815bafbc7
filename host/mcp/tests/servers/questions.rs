//! What a server may ask the user, and when.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use perstack_core::{Form, FormAnswer, User};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use crate::harness::{Peer, Stage, text, tool};

/// A user who takes a while, and then says this.
struct Answers {
    after: Duration,
    answer: FormAnswer,
    forms: Mutex<Vec<Form>>,
}

#[async_trait::async_trait]
impl User for Answers {
    async fn fill(&self, form: Form) -> FormAnswer {
        self.forms.lock().unwrap().push(form);
        sleep(self.after).await;
        self.answer.clone()
    }
}

fn user(after: Duration, answer: FormAnswer) -> Arc<Answers> {
    Arc::new(Answers { after, answer, forms: Mutex::default() })
}

fn question(id: u32, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": params })
}

fn form(properties: &Value) -> Value {
    json!({ "message": "Who\u{1b} are you?", "requestedSchema": { "type": "object", "properties": properties, "required": ["name"] } })
}

/// A server that asks this in each call, so many times, and answers with what it heard last.
fn asking(times: u32, params: Value) -> impl Fn(Peer) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    move |mut peer: Peer| {
        let params = params.clone();
        Box::pin(async move {
            while let Some(call) = peer.until_called(&json!([tool("ask")])).await {
                let mut heard = Value::Null;
                for id in 0..times {
                    peer.say(question(id, &params)).await;
                    heard = peer.hear().await.unwrap_or_default();
                }
                peer.answer(&call, text(&heard["result"].to_string())).await;
            }
        })
    }
}

#[tokio::test]
async fn the_user_answers_and_nobody_else() {
    let name = json!({ "type": "string", "title": "Name\u{202e}", "maxLength": 5 });
    let color = json!({ "type": "string", "oneOf": [{ "const": "r", "title": "Red" }], "default": "r" });
    let params =
        form(&json!({ "name": name, "color": color, "nick": { "type": "string", "maxLength": 2, "default": "long" } }));
    let filled: Map<String, Value> = json!({ "name": "Ann" }).as_object().unwrap().clone();
    let user = user(Duration::ZERO, FormAnswer::Filled(filled));
    let stage = Stage::with_user(asking(1, params.clone()), user.clone());
    stage.server.ready().await;
    assert_eq!(stage.said("ask").await, r#"{"action":"accept","content":{"name":"Ann"}}"#);
    let form = user.forms.lock().unwrap()[0].clone();
    assert_eq!((form.skill_name.as_str(), form.message.as_str()), ("played", "Who  are you?"));
    let names: Vec<&str> = form.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["name", "color", "nick"]);
    assert!(form.fields[0].required && form.fields[0].title.as_deref() == Some("Name "));
    assert_eq!(form.fields[1].read(""), Ok(Some(json!("r"))));
    assert_eq!(form.fields[2].default, None, "it would not be taken");
    assert_eq!(stage.events().last().unwrap(), "noted: it asked the user `Who  are you?`: answered");
    // Where there is nobody.
    let stage = Stage::new(asking(1, params));
    stage.server.ready().await;
    assert_eq!(stage.said("ask").await, r#"{"action":"decline"}"#);
    assert!(stage.events().last().unwrap().ends_with("declined: nobody can be asked here"), "{:?}", stage.events());
}

#[tokio::test]
async fn what_is_asked_is_bounded() {
    let many: Map<String, Value> = (0..21).map(|number| (number.to_string(), json!({ "type": "boolean" }))).collect();
    let choices: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    for (times, params, reason) in [
        (1, form(&Value::Object(many)), "its form has more than 20 fields"),
        (1, form(&json!({ "a": { "type": "string", "enum": choices } })), "more than 100 choices in a field"),
        (1, form(&json!({ "a": { "type": "string", "description": "x".repeat(70_000) } })), "more than 64 KiB"),
        (
            1,
            json!({ "mode": "url", "message": "m", "url": "https://a.example", "elicitationId": "1" }),
            "it is no form",
        ),
        (11, form(&json!({ "a": { "type": "boolean" } })), "it asks more than 10 times during a call"),
    ] {
        let user = user(Duration::ZERO, FormAnswer::Declined);
        let stage = Stage::with_user(asking(times, params), user.clone());
        stage.server.ready().await;
        assert_eq!(stage.said("ask").await, r#"{"action":"decline"}"#);
        assert!(stage.events().last().unwrap().contains(reason), "{reason}: {:?}", stage.events());
        assert_eq!(user.forms.lock().unwrap().len(), times as usize - 1);
    }
}

#[tokio::test]
async fn nobody_is_asked_but_during_a_call() {
    let user = user(Duration::ZERO, FormAnswer::Declined);
    let stage = Stage::with_user(
        |mut peer: Peer| async move {
            let tools = json!([tool("wait")]);
            let call = peer.until_called(&tools).await.unwrap();
            peer.answer(&call, text("done")).await;
            sleep(Duration::from_millis(50)).await;
            peer.say(question(1, &form(&json!({ "a": { "type": "boolean" } })))).await;
            peer.until_called(&tools).await;
        },
        user.clone(),
    );
    stage.server.ready().await;
    assert_eq!(stage.said("wait").await, "done");
    sleep(Duration::from_millis(150)).await;
    assert!(stage.events().last().unwrap().ends_with("declined: no call is under way"), "{:?}", stage.events());
    assert!(user.forms.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_the_user_but_not_for_ever() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let params = form(&json!({ "a": { "type": "boolean" } }));
    for (after, answer) in [(minutes(9), "decline"), (minutes(11), "cancel")] {
        let stage = Stage::with_user(asking(1, params.clone()), user(after, FormAnswer::Declined));
        stage.server.ready().await;
        assert_eq!(stage.said("ask").await, format!(r#"{{"action":"{answer}"}}"#), "{after:?}");
    }
    // Its own silence is another matter.
    let silent = |mut peer: Peer| async move { while peer.until_called(&json!([tool("ask")])).await.is_some() {} };
    let stage = Stage::with_user(silent, user(Duration::ZERO, FormAnswer::Declined));
    stage.server.ready().await;
    assert!(stage.said("ask").await.ends_with("it did not answer within 300 s"));
}
