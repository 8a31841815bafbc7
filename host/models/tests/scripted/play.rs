//! What the model replies, and when.

use std::sync::Mutex;
use std::time::Duration;

use perstack_core::config::Hosted;
use perstack_core::{Deltas, GeneratedPart, Generation, Message, Model, ModelError, Part, Prompt, StopReason, Usage};
use perstack_models::ScriptedModel;
use serde_json::json;
use tokio::time::Instant;

/// Remembers what it was told, and when.
struct Heard {
    start: Instant,
    pieces: Mutex<Vec<(u128, String)>>,
}

impl Heard {
    fn new() -> Self {
        Self { start: Instant::now(), pieces: Mutex::default() }
    }

    fn hear(&self, piece: String) {
        self.pieces.lock().unwrap().push((self.start.elapsed().as_millis(), piece));
    }

    fn pieces(self) -> Vec<(u128, String)> {
        self.pieces.into_inner().unwrap()
    }
}

impl Deltas for Heard {
    fn reasoning(&self, piece: &str) {
        self.hear(format!("({piece})"));
    }

    fn text(&self, piece: &str) {
        self.hear(piece.to_owned());
    }
}

fn model(text: &str) -> ScriptedModel {
    ScriptedModel::parse(text, "replies.toml").unwrap_or_else(|error| panic!("{}", error.render("replies.toml", text)))
}

fn everything() -> ScriptedModel {
    ScriptedModel::read(&super::files::folder().join("good_everything.toml")).unwrap()
}

fn text_part(text: &str) -> Vec<Part> {
    vec![Part::TextPart { text: text.to_owned(), id: "p".parse().unwrap() }]
}

fn conversation(queries: &[&str]) -> Vec<Message> {
    let id = "m".parse().unwrap();
    let instruction = Message::InstructionMessage { contents: text_part("Talk of the menu."), id, cache: None };
    let user = |query: &&str| Message::UserMessage { contents: text_part(query), id: "m".parse().unwrap() };
    std::iter::once(instruction).chain(queries.iter().map(user)).collect()
}

fn prompt<'a>(expert_key: &'a str, messages: &'a [Message], turn: u64) -> Prompt<'a> {
    Prompt {
        expert_key,
        messages,
        tools: &[],
        hosted: Hosted::NONE,
        response_schema: None,
        turn,
        timeout: Duration::from_secs(300),
    }
}

async fn ask(model: &ScriptedModel, expert: &str, queries: &[&str], turn: u64) -> Result<Generation, ModelError> {
    model.generate(prompt(expert, &conversation(queries), turn), &Heard::new()).await
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_played_as_it_is_written() {
    let heard = Heard::new();
    let messages = conversation(&["A menu, please."]);
    let model = everything();
    let generation = model.generate(prompt("fitness-assistant", &messages, 0), &heard).await.unwrap();

    let call =
        |id: &str, name: &str, arguments| GeneratedPart::ToolCall { id: id.into(), name: name.into(), arguments };
    let path = json!({
        "path": "log.md", "from": 0, "ratio": 0.5, "on": "2026-01-02", "deep": [{ "flag": true }],
        "big": u64::MAX, "hex": 255,
    });
    assert_eq!(
        generation.parts,
        [
            GeneratedPart::Reasoning { text: "Let me think.".into(), signature: Some("opaque".into()) },
            GeneratedPart::Text { text: "Part one part two".into() },
            call("call-1-1", "readTextFile", Ok(path)),
            call("mine", "pro-trainer", Ok(json!({ "query": null }))),
            call("call-1-3", "broken", Err("{\"query\": ".into())),
            call("call-1-4", "bare", Ok(json!({}))),
        ]
    );
    assert_eq!(generation.stop_reason, StopReason::ToolCalls);
    assert_eq!(
        generation.usage,
        Usage { input_tokens: 100, output_tokens: 20, reasoning_tokens: 5, total_tokens: 120, cached_input_tokens: 10 }
    );
    let pieces = [(100, "(Let me )"), (110, "(think.)"), (120, "Part one "), (130, "part two")];
    assert_eq!(heard.pieces(), pieces.map(|(time, piece)| (time, piece.to_owned())));
    assert_eq!(model.context_window(), Some(1000));
    assert!(model.name().ends_with("files/good_everything.toml"));
}

#[tokio::test]
async fn an_error_is_played_after_what_was_said() {
    let messages = conversation(&["menu"]);
    let transient = ModelError::Transient { message: "overloaded".into(), retry_after: Some(1000) };
    assert_eq!(ask(&everything(), "fitness-assistant", &["menu"], 1).await, Err(transient));

    let heard = Heard::new();
    let cut = everything().generate(prompt("fitness-assistant", &messages, 2), &heard).await;
    assert_eq!(cut, Err(ModelError::ContextExceeded { message: "too long".into() }));
    assert_eq!(heard.pieces()[0].1, "cut o");
}

#[tokio::test]
async fn a_model_may_say_nothing_or_refuse() {
    assert_eq!(ask(&everything(), "fitness-assistant", &["menu"], 3).await, Ok(Generation::default()));
    let refusal = ask(&everything(), "@acme/pro-trainer", &[], 0).await.unwrap();
    assert_eq!((refusal.text().as_str(), refusal.stop_reason), ("No.", StopReason::Refusal));
}

const TWO_QUERIES: &str = r#"
[[experts."a".replies]]
query = "menu"
text = "menu 1"
[[experts."a".replies]]
text = "any"
[[experts."a".replies]]
query = "log"
text = "log 1"
"#;

#[tokio::test]
async fn replies_are_those_for_the_query() {
    let model = model(TWO_QUERIES);
    let said = async |queries: &[&str], turn| ask(&model, "a", queries, turn).await.map(|reply| reply.text());
    assert_eq!(said(&["the menu"], 0).await.unwrap(), "menu 1");
    assert_eq!(said(&["the menu"], 1).await.unwrap(), "any");
    assert_eq!(said(&["the log"], 0).await.unwrap(), "any");
    assert_eq!(said(&["the log"], 1).await.unwrap(), "log 1");
    assert_eq!(said(&["the menu", "the log"], 2).await.unwrap(), "log 1", "a conversation that goes on");
    assert_eq!(said(&["else"], 0).await.unwrap(), "any", "an instruction is no query");
    assert_eq!(
        said(&["else"], 1).await.unwrap_err().to_string(),
        "the script `replies.toml` has no reply 2 for Expert `a`: it has 1 for this query, 3 in all; add another \
         `[[experts.\"a\".replies]]`"
    );
}

#[tokio::test]
async fn a_reply_that_is_missing_is_a_fatal_error_that_says_so() {
    let model = model("[[experts.\"fitness-assistant\".replies]]\ntext = 'Hello'");
    for (expert, turn, message) in [
        (
            "fitness-assistant",
            1,
            "the script `replies.toml` has no reply 2 for Expert `fitness-assistant`: it has 1; add another \
             `[[experts.\"fitness-assistant\".replies]]`",
        ),
        (
            "fitness-asistant",
            0,
            "the script `replies.toml` has no replies for Expert `fitness-asistant`: is `fitness-assistant` meant to be \
             it?",
        ),
        (
            "pro-trainer",
            0,
            "the script `replies.toml` has no replies for Expert `pro-trainer`: add `[[experts.\"pro-trainer\".replies]]`",
        ),
    ] {
        assert_eq!(ask(&model, expert, &[], turn).await, Err(ModelError::NotAsked { message: message.into() }));
    }
    ask(&model, "fitness-assistant", &[], u64::MAX).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_reply_takes_no_longer_than_it_may() {
    let model = model("[[experts.a.replies]]\ntext = ['one', 'two']\npieceDelay = '1h'");
    let heard = Heard::new();
    let slow = Prompt { timeout: Duration::from_millis(1500), ..prompt("a", &[], 0) };
    let error = model.generate(slow, &heard).await.unwrap_err();
    assert_eq!(error, ModelError::Transient { message: "no reply within 1.5 s".into(), retry_after: None });
    assert_eq!(heard.start.elapsed().as_millis(), 1500);
    assert_eq!(heard.pieces(), [(0, "one".to_owned())]);
}
