//! Providers, with servers on this machine in their place that speak as their documentation says: what is sent to them, and
//! what becomes of what they answer.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod anthropic;
#[cfg(feature = "bedrock")]
mod bedrock;
mod google;
mod hosted;
mod ollama;
mod openai;
mod server;
mod vertex;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use perstack_core::config::{Hosted, HttpSetting, Provider, ReasoningBudget};
use perstack_core::{Deltas, Generation, Hints, Id, Message, Model, ModelError, Part, Prompt, ToolDefinition};
use perstack_models::{ConnectError, Environment, connect};
use serde_json::{Value, json};

use server::{Reply, Server};

/// Never to be seen but in a header.
const KEY: &str = "sk-secret-7f3k2";

fn id() -> Id {
    Id::from_entropy([7; 24])
}

fn text(text: &str) -> Part {
    Part::TextPart { text: text.into(), id: id() }
}

fn user(content: &str) -> Message {
    Message::UserMessage { contents: vec![text(content)], id: id() }
}

fn instruction(content: &str) -> Message {
    Message::InstructionMessage { contents: vec![text(content)], id: id(), cache: Some(true) }
}

fn expert(contents: Vec<Part>) -> Message {
    Message::ExpertMessage { contents, id: id() }
}

fn call(call_id: &str, name: &str, args: Value) -> Part {
    Part::ToolCallPart { tool_call_id: call_id.into(), tool_name: name.into(), args, id: id() }
}

fn results(results: Vec<(&str, &str, Vec<Part>)>) -> Message {
    let result = |(call_id, name, contents): (&str, &str, Vec<Part>)| Part::ToolResultPart {
        tool_call_id: call_id.into(),
        tool_name: name.into(),
        contents,
        is_error: None,
        id: id(),
    };
    Message::ToolMessage { contents: results.into_iter().map(result).collect(), id: id() }
}

fn thought(thinking: &str, signature: &str) -> Part {
    Part::ThinkingPart { thinking: thinking.into(), signature: Some(signature.into()), id: id() }
}

fn image() -> Part {
    Part::ImageInlinePart { encoded_data: "iVBORw0=".into(), mime_type: "image/png".into(), id: id() }
}

fn pdf() -> Part {
    Part::FileInlinePart { encoded_data: "JVBERi0=".into(), mime_type: "application/pdf".into(), id: id() }
}

fn tool(name: &str) -> ToolDefinition {
    ToolDefinition {
        name: name.into(),
        title: None,
        description: format!("Does {name}"),
        input_schema: json!({ "type": "object", "properties": { "path": { "type": "string" } } }),
        output_schema: None,
        hints: Hints::default(),
    }
}

/// What was heard while the reply came.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Deltas for Heard {
    fn reasoning(&self, piece: &str) {
        self.0.lock().unwrap().push(format!("thinks {piece}"));
    }

    fn text(&self, piece: &str) {
        self.0.lock().unwrap().push(format!("says {piece}"));
    }
}

/// A provider whose replies are these.
struct Fixture {
    server: Server,
    model: Arc<dyn Model>,
    heard: Heard,
    hosted: Hosted<'static>,
}

impl Fixture {
    async fn new(kind: fn(HttpSetting) -> Provider, model: &str, replies: Vec<Reply>) -> Self {
        Self::thinking(kind, model, ReasoningBudget::Low, replies).await
    }

    async fn thinking(
        kind: fn(HttpSetting) -> Provider,
        model: &str,
        reasoning: ReasoningBudget,
        replies: Vec<Reply>,
    ) -> Self {
        let setting = HttpSetting { base_url: None, headers: vec![("x-billed-to".to_owned(), "us".to_owned())] };
        let known = [
            ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "/v1"),
            ("OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1"),
            ("GOOGLE_GENERATIVE_AI_API_KEY", "GOOGLE_GENERATIVE_AI_BASE_URL", "/v1beta"),
            ("DEEPSEEK_API_KEY", "DEEPSEEK_BASE_URL", ""),
            ("AZURE_API_KEY", "AZURE_BASE_URL", "/openai"),
            ("", "OLLAMA_BASE_URL", "/api"),
        ];
        let environment = |server: &str| {
            let entries = known.into_iter().flat_map(|(key, url, path)| {
                [(key.to_owned(), KEY.to_owned()), (url.to_owned(), format!("{server}{path}"))]
            });
            entries.collect()
        };
        Self::within(&kind(setting), model, reasoning, replies, environment).await
    }

    /// `environment`: given where the server is.
    async fn within(
        provider: &Provider,
        model: &str,
        reasoning: ReasoningBudget,
        replies: Vec<Reply>,
        environment: impl FnOnce(&str) -> Environment,
    ) -> Self {
        let server = Server::start(replies).await;
        let model = connect(provider, model, reasoning, &environment(&server.url())).unwrap();
        Self { server, model, heard: Heard::default(), hosted: Hosted::NONE }
    }

    fn hosting(mut self, hosted: Hosted<'static>) -> Self {
        self.hosted = hosted;
        self
    }

    async fn ask(&self, messages: &[Message], tools: &[ToolDefinition]) -> Result<Generation, ModelError> {
        let prompt = Prompt {
            expert_key: "writer",
            messages,
            tools,
            hosted: self.hosted,
            response_schema: None,
            turn: 0,
            timeout: Duration::from_secs(600),
        };
        let reply = self.model.generate(prompt, &self.heard).await;
        // Whatever happens, the key goes nowhere but into a header.
        let told = format!("{reply:?}");
        assert!(!told.contains(KEY), "{told}");
        for request in self.server.requests() {
            assert!(!request.target.contains(KEY), "{}", request.target);
            assert!(!request.text.contains(KEY));
            // What is set for the provider is nobody else's.
            let is_billed = self.model_is_asked(&request.target);
            assert_eq!(request.header("x-billed-to"), is_billed.then_some("us"), "{}", request.target);
        }
        reply
    }

    fn model_is_asked(&self, target: &str) -> bool {
        target != vertex::TOKEN_PATH && !target.ends_with("/converse-stream")
    }

    fn heard(&self) -> Vec<String> {
        self.heard.0.lock().unwrap().clone()
    }
}

fn transient(reply: Result<Generation, ModelError>) -> (String, Option<u64>) {
    match reply {
        Err(ModelError::Transient { message, retry_after }) => (message, retry_after),
        other => panic!("{other:?}"),
    }
}

fn fatal(reply: Result<Generation, ModelError>) -> String {
    match reply {
        Err(ModelError::Fatal { message }) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_key_is_named() {
    let none = Environment::new();
    let error = connect(&Provider::Anthropic(HttpSetting::default()), "m", ReasoningBudget::Low, &none).err().unwrap();
    assert!(matches!(error, ConnectError::MissingKey { variable: "ANTHROPIC_API_KEY", .. }));
    assert!(error.hint().unwrap().contains("export ANTHROPIC_API_KEY=…"));
    for (variable, value) in [("ANTHROPIC_API_KEY", "sk\n"), ("ANTHROPIC_BASE_URL", "nonsense")] {
        let mut environment = Environment::from([("ANTHROPIC_API_KEY".to_owned(), KEY.to_owned())]);
        environment.insert(variable.to_owned(), value.to_owned());
        let provider = Provider::Anthropic(HttpSetting::default());
        let error = connect(&provider, "m", ReasoningBudget::Low, &environment).err().unwrap();
        assert!(error.to_string().starts_with(&format!("`{variable}` is no ")), "{error}");
    }
}

#[cfg(not(feature = "bedrock"))]
#[test]
fn what_was_left_out_is_named() {
    let provider = Provider::AmazonBedrock(Default::default());
    let error = connect(&provider, "m", ReasoningBudget::Low, &Environment::new()).err().unwrap();
    assert_eq!(error.to_string(), "this program was built without provider `amazon-bedrock`");
    assert_eq!(error.hint().unwrap(), "build it with the feature `bedrock` of perstack-models");
}
