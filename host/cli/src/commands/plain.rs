//! A run as people follow it, line by line: text as it comes, tools as they are called, other Experts set in.

use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::sync::{Mutex, PoisonError};

use perstack_core::{Event, EventBody, HOST_NOTE, Id, ProxyAction, RunEvent, RuntimeEvent};
use perstack_runtime::{Advice, Listener};

use crate::tell::{called, reason_of, shortened, text_of};
use crate::text::{harmless, used};

/// Characters that are shown of what went wrong, whose end may be what one needs.
const SHOWN_OF_FAILURES: usize = 500;

/// Shows a run on stdout.
pub(crate) struct Plain(Mutex<Shown>);

impl Plain {
    /// `questions`: names of the tools with which the Expert asks the user.
    pub(crate) fn new(questions: &[String], advice: Advice, verbosity: Verbosity) -> Self {
        Self(Mutex::new(Shown {
            verbosity,
            questions: questions.to_vec(),
            advice,
            runs: BTreeMap::new(),
            streaming: false,
            answered: false,
        }))
    }
}

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// What people follow.
    Normal,
    /// Also what tools answered, and which hosts skills were connected to.
    Verbose,
}

struct Shown {
    verbosity: Verbosity,
    /// What to do about denials.
    advice: Advice,
    /// Calls that are not told: they are asked.
    questions: Vec<String>,
    /// The runs, by the name of their events and by that of their checkpoints.
    runs: BTreeMap<Id, Run>,
    /// Whether text is being shown piece by piece, and the line is not over.
    streaming: bool,
    /// Whether the answer was shown while it came.
    answered: bool,
}

#[derive(Clone, Default)]
struct Run {
    expert_key: String,
    /// How deep it is below the job's first.
    depth: usize,
    first_step: u64,
    /// Tokens that were used before it.
    tokens: u64,
}

impl Listener for Plain {
    fn hear(&self, event: &Event) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &event.body {
            EventBody::Run { expert_key, event: happened, .. } => shown.run(&event.run_id, expert_key, happened),
            EventBody::Runtime(happened) => shown.runtime(&event.run_id, happened),
        }
    }
}

impl Shown {
    fn run(&mut self, run_id: &Id, expert_key: &str, event: &RunEvent) {
        if let RunEvent::StartRun { initial_checkpoint: checkpoint, input_messages } = event {
            let above = checkpoint.delegated_by.as_ref().map(|by| self.known(&by.run_id).depth);
            let run = Run {
                expert_key: expert_key.to_owned(),
                depth: above.map_or(0, |above| above + 1),
                first_step: checkpoint.step_number,
                tokens: checkpoint.usage.total_tokens,
            };
            let depth = run.depth;
            self.runs.insert(run_id.clone(), run.clone());
            self.runs.entry(checkpoint.run_id.clone()).or_insert(run);
            self.answered = false;
            if depth > 0 && !input_messages.is_empty() {
                self.line(depth, &format!("● {expert_key}"));
            }
            return;
        }
        let Run { depth, .. } = self.known(run_id);
        match event {
            RunEvent::StreamRunResult { delta } if depth == 0 => self.piece(delta),
            RunEvent::CompleteStreamingRunResult { .. } if depth == 0 => {
                self.end_line();
                self.answered = true;
            }
            RunEvent::CallTools { tool_calls, .. } => {
                for call in tool_calls {
                    if depth > 0 || !self.questions.contains(&call.tool_name) {
                        self.line(depth + 1, &format!("↳ {}", called(call)));
                    }
                }
            }
            RunEvent::Retry { reason, .. } => {
                self.line(depth + 1, &format!("… again: {}", shortened(&reason_of(reason), SHOWN_OF_FAILURES)));
            }
            RunEvent::CompleteRun { .. } if depth == 0 && self.answered => {}
            RunEvent::CompleteRun { text, .. } if depth == 0 => self.line(0, text),
            RunEvent::CompleteRun { checkpoint, .. } => {
                let begun = self.known(&checkpoint.run_id);
                let took = used(
                    (checkpoint.step_number + 1).saturating_sub(begun.first_step),
                    checkpoint.usage.total_tokens.saturating_sub(begun.tokens),
                );
                self.line(depth, &format!("✓ {expert_key} · {took}"));
            }
            RunEvent::ResolveToolResults { tool_results } => {
                for result in tool_results {
                    let failed = result.is_error == Some(true);
                    if failed || self.verbosity == Verbosity::Verbose {
                        let (mark, text) = (if failed { "✗" } else { "✓" }, text_of(result));
                        let shown = shortened(&text, SHOWN_OF_FAILURES);
                        self.line(depth + 1, &format!("{mark} {}: {shown}", result.tool_name));
                    }
                }
            }
            RunEvent::StopRunByError { error, .. } if depth > 0 => {
                self.line(depth, &format!("✗ {expert_key}: {}", error.message));
            }
            _ => {}
        }
    }

    fn runtime(&mut self, run_id: &Id, event: &RuntimeEvent) {
        let Run { expert_key, depth, .. } = self.known(run_id);
        let depth = depth + 1;
        match event {
            RuntimeEvent::FileDenied { skill_name, path, reason } => {
                self.line(depth, &format!("✗ {skill_name}: access to `{path}` denied: {reason}"));
                let advice = self.advice.file(&expert_key, skill_name, path);
                self.hint(depth + 1, advice.as_deref());
            }
            RuntimeEvent::ProxyAccess { action: ProxyAction::Allowed, domain, port, skill_name, .. }
                if self.verbosity == Verbosity::Verbose =>
            {
                self.line(depth, &format!("→ {skill_name}: {domain}:{port}"));
            }
            RuntimeEvent::ProxyAccess { action: ProxyAction::Blocked, domain, port, reason, skill_name } => {
                let reason = reason.as_deref().unwrap_or("blocked");
                self.line(depth, &format!("✗ {skill_name}: network access to {domain}:{port} denied: {reason}"));
                let advice = self.advice.network(&expert_key, skill_name, domain, *port);
                self.hint(depth + 1, advice.as_deref());
            }
            RuntimeEvent::SkillStderr { skill_name, message } if let Some(note) = message.strip_prefix(HOST_NOTE) => {
                self.line(depth, &format!("! {skill_name}: {note}"));
            }
            RuntimeEvent::SkillStderr { skill_name, message } => {
                for line in message.lines() {
                    self.line(depth, &format!("{skill_name}: {line}"));
                }
            }
            RuntimeEvent::SkillProgress { skill_name, message, .. } => {
                self.line(depth, &format!("{skill_name}: {message}"));
            }
            _ => {}
        }
    }

    fn hint(&mut self, depth: usize, advice: Option<&str>) {
        if let Some(advice) = advice {
            self.line(depth, &format!("hint: {}", indented(advice, depth)));
        }
    }

    fn known(&self, run_id: &Id) -> Run {
        self.runs.get(run_id).cloned().unwrap_or_default()
    }

    fn line(&mut self, depth: usize, text: &str) {
        self.end_line();
        show(&format!("{}{text}", "  ".repeat(depth)));
    }

    /// Whoever reads may go away; the run goes on.
    fn piece(&mut self, text: &str) {
        self.streaming = true;
        let mut out = stdout().lock();
        drop(write!(out, "{}", harmless(text)).and_then(|()| out.flush()));
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.streaming) {
            drop(writeln!(stdout().lock()));
        }
    }
}

/// Lines after the first, set in as far as what `hint: ` begins.
fn indented(text: &str, depth: usize) -> String {
    text.replace('\n', &format!("\n{}      ", "  ".repeat(depth)))
}

/// One line, or several. Whoever reads may go away; the run goes on.
pub(crate) fn show(text: &str) {
    let mut out = stdout().lock();
    drop(writeln!(out, "{}", harmless(text)).and_then(|()| out.flush()));
}
