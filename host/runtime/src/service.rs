//! What MCP clients are offered: the tools of Experts' skills, each Expert's in a session of its own, and Experts themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use perstack_core::config::Expert;
use perstack_core::{
    Content, Event, EventBody, Hints, Id, JobStatus, RunEvent, RuntimeEvent, ToolDefinition, ToolError, ToolOutput,
};
use perstack_mcp::{Offer, Progress, Report};
use perstack_store::Workspace;
use serde_json::{Value, json};

use crate::error::RunError;
use crate::prepare::{PreparedExpert, Runtime};
use crate::project::Project;
use crate::recorder::new_id;
use crate::request::{Input, JobChoice, Outcome, Request, Settings, Stop};
use crate::session::Session;

/// Characters of a tool's name.
const MAX_TOOL_NAME: usize = 64;

/// What is served.
pub struct Service {
    workspace: Workspace,
    sessions: Vec<Session>,
    experts: Vec<ServedExpert>,
    reports: Arc<Reports>,
}

/// An Expert that is a tool.
struct ServedExpert {
    definition: ToolDefinition,
    prepared: PreparedExpert,
}

/// What is served, by the keys of Experts.
#[derive(Clone, Debug, Default)]
pub struct Served {
    /// Experts that are tools themselves.
    pub experts: Vec<String>,
    /// Experts whose skills are tools.
    pub skills: Vec<String>,
}

impl Service {
    /// Gets everything ready that is served.
    ///
    /// # Errors
    /// [`RunError`]; [`RunError::DuplicateTool`] where two tools have the same name.
    pub async fn new(
        runtime: &Runtime,
        project: &Project,
        workspace: &Workspace,
        served: &Served,
    ) -> Result<Self, RunError> {
        let reports = Arc::<Reports>::default();
        let mut service =
            Self { workspace: workspace.clone(), sessions: Vec::new(), experts: Vec::new(), reports: reports.clone() };
        for key in &served.skills {
            let listener = reports.clone();
            let heard = Arc::new(move |event: &Event| listener.hear(event));
            let session = runtime.session(project, workspace, key, heard).await?;
            service.sessions.push(session);
        }
        for key in &served.experts {
            let prepared = runtime.prepare(project, workspace, key).await?;
            let expert = &prepared.expert.config;
            service.experts.push(ServedExpert { definition: as_tool(expert), prepared });
        }
        service.check_names()?;
        Ok(service)
    }

    fn check_names(&self) -> Result<(), RunError> {
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let skills = self.sessions.iter().flat_map(|session| {
            let key = session.expert_key().to_owned();
            session.tools().into_iter().map(move |tool| (tool.name, key.clone()))
        });
        let experts =
            self.experts.iter().map(|one| (one.definition.name.clone(), one.prepared.expert.config.key.clone()));
        for (tool, expert) in skills.chain(experts) {
            if let Some(first) = names.insert(tool.clone(), expert.clone()) {
                return Err(RunError::DuplicateTool { expert: expert.clone(), first, second: expert, tool });
            }
        }
        Ok(())
    }

    /// Ends all sessions.
    ///
    /// # Errors
    /// [`RunError::Store`].
    pub async fn close(&self) -> Result<(), RunError> {
        for session in &self.sessions {
            session.close().await?;
        }
        Ok(())
    }

    async fn ask(&self, expert: &ServedExpert, arguments: &Value, progress: Progress) -> Result<ToolOutput, ToolError> {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str);
        let unfit = |reason: &str| ToolError::InvalidArguments(reason.to_owned());
        let query = text("query").ok_or_else(|| unfit("`query` is missing, or is no text"))?.to_owned();
        let (input, job) = match text("job") {
            None => (Input::Query(query), JobChoice::New),
            Some(job) => {
                let id: Id = job.parse().map_err(|_| unfit("`job` is no name of a job"))?;
                let known = self.workspace.history(&id).job().map_err(|error| ToolError::Failed(error.to_string()))?;
                let asks = known.is_some_and(|job| job.status == JobStatus::StoppedByInteractiveTool);
                (if asks { Input::Answer(query) } else { Input::Query(query) }, JobChoice::Existing(id))
            }
        };
        let key = expert.prepared.expert.config.key.clone();
        let request = Request { expert_key: key, input, job, settings: Settings::default() };
        let told = move |event: &Event| {
            if let Some(message) = in_words(event) {
                // Where nobody reads as fast, some are left out.
                drop(progress.try_send(Report { message, fraction: None }));
            }
        };
        let outcome = expert.prepared.run(request, Arc::new(told)).await;
        let Outcome { job_id, stop, .. } = outcome.map_err(|error| ToolError::Failed(error.to_string()))?;
        let (text, asks) = match stop {
            Stop::Completed(text) => (text, false),
            Stop::Asks(call) => (format!("{} asks: {}", call.tool_name, call.args), true),
            Stop::MaxSteps(steps) => {
                return Err(ToolError::Failed(format!("it used up its {steps} steps (job {job_id})")));
            }
            Stop::Failed(reason) => return Err(ToolError::Failed(format!("{reason} (job {job_id})"))),
        };
        let next = if asks { "Answer by calling this tool again" } else { "Go on by calling this tool again" };
        let content = vec![Content::Text { text }, Content::Text { text: format!("{next} with `job`: \"{job_id}\"") }];
        Ok(ToolOutput { content, structured: None })
    }
}

#[async_trait::async_trait]
impl Offer for Service {
    fn identity(&self) -> (String, String) {
        ("perstack".to_owned(), env!("CARGO_PKG_VERSION").to_owned())
    }

    fn instructions(&self) -> Option<String> {
        None
    }

    fn tools(&self) -> Vec<ToolDefinition> {
        let experts = self.experts.iter().map(|one| one.definition.clone());
        self.sessions.iter().flat_map(Session::tools).chain(experts).collect()
    }

    async fn call(&self, tool: &str, arguments: Value, progress: Progress) -> Result<ToolOutput, ToolError> {
        if let Some(expert) = self.experts.iter().find(|one| one.definition.name == tool) {
            return self.ask(expert, &arguments, progress).await;
        }
        let has = |session: &&Session| session.tools().iter().any(|own| own.name == tool);
        let Some(session) = self.sessions.iter().find(has) else {
            return Err(ToolError::InvalidArguments(format!("there is no tool `{tool}`")));
        };
        let id = new_id().map_err(|error| ToolError::Failed(error.to_string()))?.to_string();
        let _listening = self.reports.listen(&id, progress);
        session.call(&id, tool, arguments).await
    }
}

/// Who is told how far which call is.
#[derive(Default)]
struct Reports(Mutex<BTreeMap<String, Progress>>);

/// Ends it.
struct Listening<'a> {
    reports: &'a Reports,
    call_id: String,
}

impl Reports {
    fn listen(&self, call_id: &str, progress: Progress) -> Listening<'_> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(call_id.to_owned(), progress);
        Listening { reports: self, call_id: call_id.to_owned() }
    }

    fn hear(&self, event: &Event) {
        let EventBody::Runtime(event) = &event.body else { return };
        if let RuntimeEvent::SkillProgress { tool_call_id, message, fraction, .. } = &**event {
            let reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(progress) = reports.get(tool_call_id) {
                drop(progress.try_send(Report { message: message.clone(), fraction: *fraction }));
            }
        }
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.reports.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.call_id);
    }
}

/// An Expert as a tool, of its name without the organisation.
fn as_tool(expert: &Expert) -> ToolDefinition {
    let name = expert.name.rsplit('/').next().unwrap_or(&expert.name);
    let name = name.chars().map(|letter| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' });
    let job = "To go on with an earlier conversation: the job that its answer named";
    ToolDefinition {
        name: name.take(MAX_TOOL_NAME).collect(),
        title: None,
        description: expert.description.clone().unwrap_or_default(),
        input_schema: json!({
            "type": "object",
            "properties": {
                "query": { "type": "string", "description": "What to ask, or the answer to what was asked" },
                "job": { "type": "string", "description": job },
            },
            "required": ["query"],
            "additionalProperties": false,
        }),
        output_schema: None,
        // It decides by itself what it does with its skills.
        hints: Hints { read_only: false, destructive: true, idempotent: false, open_world: true },
    }
}

/// What an Expert is doing, for somebody who waits.
fn in_words(event: &Event) -> Option<String> {
    match &event.body {
        EventBody::Run { expert_key, event, .. } => match &**event {
            RunEvent::CallTools { tool_calls, .. } => {
                let tools: Vec<&str> = tool_calls.iter().map(|call| call.tool_name.as_str()).collect();
                Some(format!("{expert_key}: {}", tools.join(", ")))
            }
            RunEvent::Retry { reason, .. } => Some(format!("{expert_key}: tries again: {reason}")),
            RunEvent::StartRun { .. } => Some(format!("{expert_key}: begins")),
            _ => None,
        },
        EventBody::Runtime(event) => match &**event {
            RuntimeEvent::SkillProgress { message, .. } => Some(message.clone()),
            _ => None,
        },
    }
}
