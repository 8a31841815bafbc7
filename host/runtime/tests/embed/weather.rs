//! A model and a tool set of the program's own.

use std::sync::{Arc, Mutex};

use perstack_core::{
    CallContext, CallLog, CallOutcome, Content, Deltas, GeneratedPart, Generation, Hints, Message, Model, ModelError,
    Part, Prompt, Scope, StateChange, StopReason, StoredValue, ToolDefinition, ToolOutput, ToolSet, Usage,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// Calls `weather` once, and answers with what that said.
pub(crate) struct Caller;

#[async_trait::async_trait]
impl Model for Caller {
    fn name(&self) -> &str {
        "caller"
    }

    fn context_window(&self) -> Option<u64> {
        None
    }

    async fn generate(&self, prompt: Prompt<'_>, _: &dyn Deltas) -> Result<Generation, ModelError> {
        let answer = prompt.messages.iter().rev().find_map(|message| match message {
            Message::ToolMessage { contents, .. } => contents.first(),
            _ => None,
        });
        let part = match answer {
            Some(Part::ToolResultPart { contents, .. }) => match contents.as_slice() {
                [Part::TextPart { text, .. }] => GeneratedPart::Text { text: text.clone() },
                other => panic!("not one text: {other:?}"),
            },
            _ => GeneratedPart::ToolCall {
                id: "1".into(),
                name: "weather".into(),
                arguments: Ok(json!({ "city": "Kyoto" })),
            },
        };
        Ok(Generation { parts: vec![part], stop_reason: StopReason::EndTurn, usage: Usage::default() })
    }
}

/// A tool of the program. It remembers how often it was called: for the job, and for the workspace.
pub(crate) struct Weather {
    pub(crate) tools: Vec<ToolDefinition>,
    pub(crate) asked: Mutex<Vec<String>>,
    /// Where it waits for ever, having told so.
    pub(crate) stuck: Option<Arc<Notify>>,
}

impl Weather {
    pub(crate) fn new() -> Self {
        let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
        let weather = ToolDefinition {
            name: "weather".into(),
            title: None,
            description: "Says what the weather is like".into(),
            input_schema: schema,
            output_schema: None,
            hints: Hints::default(),
        };
        Self { tools: vec![weather], asked: Mutex::default(), stuck: None }
    }
}

#[async_trait::async_trait]
impl ToolSet for Weather {
    fn name(&self) -> &str {
        "program"
    }

    fn tools(&self) -> &[ToolDefinition] {
        &self.tools
    }

    async fn call(&self, tool: &str, arguments: &Value, context: CallContext) -> CallOutcome {
        let asked = format!("{}: {tool} {}", context.expert_key, arguments["city"]);
        self.asked.lock().unwrap().push(asked);
        if let Some(stuck) = &self.stuck {
            stuck.notify_one();
            std::future::pending::<()>().await;
        }
        let open = context.state.open().await.unwrap();
        let state_changes = [Scope::Job, Scope::Workspace].map(|scope| {
            let before = open.entries.get(scope, "calls").map_or(0, <[u8]>::len);
            let value = Some(StoredValue::Text("|".repeat(before + 1)));
            StateChange { scope, key: "calls".into(), value }
        });
        let content = vec![Content::Text { text: "It rains.".into() }];
        CallOutcome {
            result: Ok(ToolOutput { content, structured: None }),
            state_changes: state_changes.into(),
            state_guard: Some(open.guard),
            log: CallLog::default(),
        }
    }
}
