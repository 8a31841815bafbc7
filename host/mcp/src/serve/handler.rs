//! What clients ask, and what they are answered.

use std::sync::Arc;

use perstack_core::{Content, ToolDefinition, ToolOutput};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
    PaginatedRequestParams, ProgressNotificationParam, ProgressToken, ResourceContents, ServerCapabilities,
    ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::{Peer, RequestContext, RoleServer};
use rmcp::{ErrorData, ServerHandler};
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};

use super::{Offer, Report};

/// Calls that are under way at the same time. More are refused: each has a guest, and its memory.
pub const MAX_CALLS: usize = 64;
/// Reports of progress that wait for the client; more are left out.
const MAX_REPORTS: usize = 64;

/// One client's side.
#[derive(Clone)]
pub(crate) struct Handler {
    offer: Arc<dyn Offer>,
    calls: Arc<Semaphore>,
}

impl Handler {
    pub(crate) fn new(offer: Arc<dyn Offer>) -> Self {
        Self { offer, calls: Arc::new(Semaphore::new(MAX_CALLS)) }
    }

    async fn answer(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> CallToolResult {
        let Ok(_place) = self.calls.try_acquire() else {
            return failed(&format!("more than {MAX_CALLS} calls are under way: wait for one to end"));
        };
        let (progress, reports) = mpsc::channel(MAX_REPORTS);
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let call = self.offer.call(&request.name, arguments, progress);
        let token = context.meta.get_progress_token();
        let (answer, ()) = tokio::join!(call, pass_on(context.peer, token, reports));
        match answer {
            Ok(output) => result(output),
            Err(error) => failed(&error.to_string()),
        }
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let (name, version) = self.offer.identity();
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        let info = ServerConfig::new(capabilities).with_server_info(Implementation::new(name, version));
        match self.offer.instructions() {
            Some(instructions) => info.with_instructions(instructions),
            None => info,
        }
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.offer.tools().into_iter().map(tool).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if !self.offer.tools().iter().any(|tool| tool.name == request.name) {
            return Err(ErrorData::invalid_params(format!("there is no tool `{}`", shown(&request.name)), None));
        }
        let cancelled = context.ct.clone();
        tokio::select! {
            answer = self.answer(request, context) => Ok(answer.into()),
            () = cancelled.cancelled() => Ok(failed("it was cancelled").into()),
        }
    }
}

/// What came of a client, in a message for it.
fn shown(name: &str) -> String {
    const SHOWN: usize = 100;
    crate::harmless(&name.chars().take(SHOWN).collect::<String>())
}

/// Tells a client how far a call is, if it asked to be told.
async fn pass_on(peer: Peer<RoleServer>, token: Option<ProgressToken>, mut reports: mpsc::Receiver<Report>) {
    let mut told = 0.0;
    while let Some(Report { message, fraction }) = reports.recv().await {
        let Some(token) = &token else { continue };
        // It has to grow, whatever the tool says.
        told = fraction.map_or(told, f64::from).max(told + 1e-6);
        let mut report = ProgressNotificationParam::new(token.clone(), told).with_message(message);
        report.total = fraction.map(|_| 1.0);
        // A client that is gone is noticed where it is waited for.
        drop(peer.notify_progress(report).await);
    }
}

fn tool(definition: ToolDefinition) -> Tool {
    let object = |schema: Value| match schema {
        Value::Object(fields) => Arc::new(fields),
        _ => Arc::default(),
    };
    let hints = definition.hints;
    let annotations = ToolAnnotations::new()
        .read_only(hints.read_only)
        .destructive(hints.destructive)
        .idempotent(hints.idempotent)
        .open_world(hints.open_world);
    let mut tool = Tool::new(definition.name, definition.description, object(definition.input_schema));
    tool.title = definition.title;
    // Other clients want an object, where ours takes any value.
    let structured = definition.output_schema.filter(|schema| schema["type"] == "object");
    tool.output_schema = structured.map(object);
    tool.with_annotations(annotations)
}

fn result(output: ToolOutput) -> CallToolResult {
    let ToolOutput { content, structured } = output;
    let structured = structured.filter(Value::is_object);
    let mut content: Vec<ContentBlock> = content.into_iter().enumerate().map(block).collect();
    if let (true, Some(structured)) = (content.is_empty(), &structured) {
        content.push(ContentBlock::text(structured.to_string()));
    }
    let mut result = CallToolResult::success(content);
    result.structured_content = structured;
    result
}

fn block((place, content): (usize, Content)) -> ContentBlock {
    match content {
        Content::Text { text } => ContentBlock::text(text),
        Content::Image { media_type, base64 } => ContentBlock::image(base64, media_type),
        Content::File { media_type, base64 } if media_type.starts_with("audio/") => {
            ContentBlock::audio(base64, media_type)
        }
        Content::File { media_type, base64 } => {
            let file = ResourceContents::blob(base64, format!("result://{place}")).with_mime_type(media_type);
            ContentBlock::resource(file)
        }
    }
}

fn failed(reason: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(reason)])
}
