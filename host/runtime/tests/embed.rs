//! The runtime in another program, with a model and tools of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::sync::{Arc, Mutex};

use perstack_core::{
    CallContext, CallLog, CallOutcome, Content, Deltas, Event, EventBody, GeneratedPart, Generation, Hints, Message,
    Model, ModelError, Part, Prompt, RunEvent, StopReason, ToolDefinition, ToolOutput, ToolSet, Usage,
};
use perstack_runtime::{Project, Request, RunError, Runtime, RuntimeConfig, Stop, Workspace};
use serde_json::{Value, json};

/// Calls `weather` once, and answers with what that said.
struct Caller;

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

/// A tool of the program.
struct Weather {
    tools: Vec<ToolDefinition>,
    asked: Mutex<Vec<String>>,
}

impl Weather {
    fn new() -> Self {
        let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
        let weather = ToolDefinition {
            name: "weather".into(),
            title: None,
            description: "Says what the weather is like".into(),
            input_schema: schema,
            output_schema: None,
            hints: Hints::default(),
        };
        Self { tools: vec![weather], asked: Mutex::default() }
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
        let content = vec![Content::Text { text: "It rains.".into() }];
        CallOutcome {
            result: Ok(ToolOutput { content, structured: None }),
            state_changes: Vec::new(),
            state_guard: None,
            log: CallLog::default(),
        }
    }
}

const PROJECT: &str = "[experts.guide]\ninstruction = 'Guide.'\n";

async fn run(project: &str, tools: Arc<Weather>, times: usize) -> Result<(Stop, Vec<Event>), RunError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("perstack.toml"), project).unwrap();
    let project = Project::read(&folder.path().join("perstack.toml")).unwrap();
    let workspace = Workspace::open(folder.path())?;
    let tool_sets = (0..times).map(|_| tools.clone() as Arc<dyn ToolSet>).collect();
    let config = RuntimeConfig { model: Some(Ok(Arc::new(Caller))), tool_sets, ..RuntimeConfig::default() };
    let heard: Arc<Mutex<Vec<Event>>> = Arc::default();
    let listener = {
        let heard = heard.clone();
        move |event: &Event| heard.lock().unwrap().push(event.clone())
    };
    let outcome =
        Runtime::new(config)?.run(&project, &workspace, Request::query("guide", "Weather?"), listener).await?;
    let heard = heard.lock().unwrap().clone();
    Ok((outcome.stop, heard))
}

#[tokio::test]
async fn a_program_brings_its_own_model_and_tools() {
    let tools = Arc::new(Weather::new());
    let (stop, events) = run(PROJECT, tools.clone(), 1).await.unwrap();
    assert_eq!(stop, Stop::Completed("It rains.".into()));
    assert_eq!(*tools.asked.lock().unwrap(), ["guide: weather \"Kyoto\""]);
    let called = events.iter().find_map(|event| match &event.body {
        EventBody::Run { event, .. } => match &**event {
            RunEvent::CallTools { tool_calls, .. } => Some(tool_calls[0].skill_name.clone()),
            _ => None,
        },
        EventBody::Runtime(_) => None,
    });
    assert_eq!(called.unwrap(), "program");
}

#[tokio::test]
async fn two_tools_of_one_name_are_refused() {
    let refused = run(PROJECT, Arc::new(Weather::new()), 2).await;
    assert!(matches!(refused, Err(RunError::DuplicateTool { .. })), "{:?}", refused.map(|(stop, _)| stop));
}
