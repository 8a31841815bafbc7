//! `perstack start`: a conversation, line by line, with or without a terminal.

use std::path::Path;
use std::sync::Arc;

use perstack_core::{Id, Message, Part, ToolCall};
use perstack_runtime::{
    HostPolicy, Input, JobChoice, Outcome, Prepared, PreparedExpert, Request, RunError, SkillSummary, Stop, Workspace,
};
use serde_json::Value;

use crate::args::{GlobalArgs, StartArgs};
use crate::commands::plain::{Plain, Verbosity, show};
use crate::commands::run::{warn_left_out, warn_unused};
use crate::context;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupts;
use crate::terminal::read_line;
use crate::text::{count, size, used};

pub(crate) async fn start(args: StartArgs, global: GlobalArgs, policy: Option<HostPolicy>) -> Result<Exit, Failure> {
    let expert_key = match args.expert_key {
        Some(key) => key,
        None => ask_for("Expert", global.config.as_deref()).await?,
    };
    let project = context::project_of(global.config.as_deref(), &expert_key)?;
    let workspace = context::workspace(args.shared.workspace.as_deref())?;
    let runtime = context::interactive_runtime(&args.shared, &project, policy)?;
    let prepared = runtime.prepare(&project, &workspace, &expert_key).await?;
    let summary = prepared.summary();
    show(&header(&summary));
    warn_left_out(&summary);
    let continuing = args.shared.continue_latest || args.shared.continue_job.is_some();
    let query = match args.query {
        Some(query) => Some(query),
        None if continuing => None,
        None => Some(required_line("query").await?),
    };
    let request = context::request(&expert_key, query, &args.shared);
    let go_on = |job: Option<&Id>| context::continue_command("start", &expert_key, job, &args.shared, &global);
    let latest = go_on(args.shared.continue_job.as_ref());
    let verbosity = if args.shared.verbose { Verbosity::Verbose } else { Verbosity::Normal };
    let conversation =
        Conversation { prepared, verbosity, workspace, questions: summary.questions, continuing, go_on: &go_on };
    match Interrupts::listen()?.unless(conversation.hold(request)).await {
        Ok(ended) => ended,
        Err(exit) => {
            show(&format!("\ninterrupted\n  {latest}"));
            Ok(exit)
        }
    }
}

/// A run, and what the user says to it.
struct Conversation<'a> {
    prepared: PreparedExpert,
    verbosity: Verbosity,
    workspace: Workspace,
    /// Names of the tools with which the Expert asks.
    questions: Vec<String>,
    /// Whether the run began in another process.
    continuing: bool,
    /// The command with which a job goes on.
    go_on: &'a (dyn Fn(Option<&Id>) -> String + Sync),
}

impl Conversation<'_> {
    async fn hold(&self, mut request: Request) -> Result<Exit, Failure> {
        let expert_key = request.expert_key.clone();
        let stopped = |job: &Id| show(&format!("\n\nstopped · job {job}\n  {}", (self.go_on)(Some(job))));
        let settings = request.settings;
        loop {
            let asked_in = request.job.clone();
            let shown = Plain::new(&self.questions, self.prepared.advice(), self.verbosity);
            let running = self.prepared.run(request, Arc::new(shown));
            let outcome = match running.await {
                Ok(outcome) => outcome,
                Err(RunError::AnswerExpected { job, .. }) if self.continuing => {
                    // Opened again: what was said before was shown by another process.
                    let Some(Waiting { job, call, said }) = Waiting::find(&self.workspace, &job, &asked_in)? else {
                        return Ok(Exit::Done);
                    };
                    show(&said);
                    let Some(answer) = ask(&call).await? else {
                        stopped(&job);
                        return Ok(Exit::Done);
                    };
                    // From a checkpoint that was named, the answer goes on from there too.
                    let job = match asked_in {
                        JobChoice::From { .. } => asked_in,
                        _ => JobChoice::Existing(job),
                    };
                    let input = Input::Answer(answer);
                    request = Request { expert_key: expert_key.clone(), input, job, settings };
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            warn_unused(&outcome);
            let job = JobChoice::Existing(outcome.job_id.clone());
            match outcome.stop {
                Stop::Asks(call) => {
                    let Some(answer) = ask(&call).await? else {
                        stopped(&outcome.job_id);
                        return Ok(Exit::Done);
                    };
                    request = Request { expert_key: expert_key.clone(), input: Input::Answer(answer), job, settings };
                }
                Stop::Completed(_) => {
                    show(&format!("\n✓ {} · job {}", took(&outcome), outcome.job_id));
                    return Ok(Exit::Done);
                }
                Stop::MaxSteps(steps) => {
                    let hint =
                        format!("{} --max-steps {}", (self.go_on)(Some(&outcome.job_id)), steps.saturating_mul(2));
                    return Err(Failure::new(
                        Exit::Failed,
                        format_args!("the job has used its {steps} steps"),
                        Some(hint),
                    ));
                }
                Stop::Failed(reason) => {
                    let go_on = (self.go_on)(Some(&outcome.job_id));
                    let hint =
                        format!("try again with `{go_on}`; what happened is in perstack/jobs/{}", outcome.job_id);
                    return Err(Failure::new(Exit::Failed, reason, Some(hint)));
                }
            }
        }
    }
}

/// `tic-tac-toe  component 61 KB · skills: scoreboard · nothing granted beyond its own state`
fn header(prepared: &Prepared) -> String {
    let skill = |skill: &SkillSummary| match skill.grants.as_slice() {
        [] => skill.name.clone(),
        grants => format!("{} ({})", skill.name, grants.join(", ")),
    };
    let skills: Vec<String> = prepared.skills.iter().map(skill).collect();
    let skills = if skills.is_empty() { "no skills".to_owned() } else { format!("skills: {}", skills.join(", ")) };
    let granted = prepared.skills.iter().any(|skill| !skill.grants.is_empty());
    let grants = if granted { "" } else { " · nothing granted beyond its own state" };
    let mind = match (&prepared.logic_size, &prepared.model) {
        (Some(logic), _) => format!("component {}", size(logic.bytes())),
        (None, Some(model)) => model.clone(),
        (None, None) => "no model".to_owned(),
    };
    format!("{}  {mind} · {skills}{grants}\n", prepared.expert_key)
}

/// `4 steps · 9.8k tokens (6.1k cached)`
fn took(outcome: &Outcome) -> String {
    let used = used(outcome.steps, outcome.usage.total_tokens);
    match outcome.usage.cached_input_tokens {
        0 => used,
        cached => format!("{used} ({} cached)", count(cached)),
    }
}

/// Asks what the Expert asks. None at the end of the input.
async fn ask(call: &ToolCall) -> Result<Option<String>, Failure> {
    let mut question = match call.args.get("question").and_then(Value::as_str) {
        Some(question) => question.to_owned(),
        None => call.tool_name.clone(),
    };
    // Lists of texts are what one may choose from. Other arguments are for programs.
    for items in call.args.as_object().into_iter().flat_map(|fields| fields.values()).filter_map(Value::as_array) {
        if let Some(choices) = items.iter().map(Value::as_str).collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
        {
            question.push_str(&format!(" ({})", choices.join(" / ")));
        }
    }
    read_line(&question).await
}

/// A job that waits for an answer, as its checkpoint has it.
struct Waiting {
    job: Id,
    call: ToolCall,
    /// What the Expert said before it asked.
    said: String,
}

impl Waiting {
    fn find(workspace: &Workspace, job: &str, choice: &JobChoice) -> Result<Option<Self>, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::NotStarted, error, None);
        let id: Id = job.parse().map_err(|error| failed(&error))?;
        let store = workspace.open_job(&id).map_err(|error| failed(&error))?;
        let place = match choice {
            JobChoice::From { checkpoint, .. } => Some(checkpoint.clone()),
            _ => store.job().map_err(|error| failed(&error))?.and_then(|job| job.latest_checkpoint_id),
        };
        let checkpoint = place.map(|place| store.checkpoint(&place)).transpose().map_err(|error| failed(&error))?;
        let Some(checkpoint) = checkpoint else { return Ok(None) };
        let said = checkpoint.messages.iter().rev().find_map(|message| match message {
            Message::ExpertMessage { contents, .. } => Some(contents),
            _ => None,
        });
        let texts = said.into_iter().flatten().filter_map(|part| match part {
            Part::TextPart { text, .. } => Some(text.as_str()),
            _ => None,
        });
        let said = texts.collect::<Vec<_>>().join("\n");
        let call = checkpoint.pending_tool_calls.and_then(|calls| calls.into_iter().next());
        Ok(call.map(|call| Self { job: id, call, said }))
    }
}

async fn ask_for(what: &str, config: Option<&Path>) -> Result<String, Failure> {
    crate::listing::show(config)?;
    required_line(what).await
}

async fn required_line(what: &str) -> Result<String, Failure> {
    let hint = Some("perstack start EXPERT \"query\"".to_owned());
    match read_line(what).await?.filter(|line| !line.is_empty()) {
        Some(line) => Ok(line),
        None => Err(Failure::new(Exit::NotStarted, format_args!("no {what} was given"), hint)),
    }
}
