//! `perstack run`: one JSON event a line on stdout.

use std::io::{self, Write, stdout};
use std::sync::{Arc, OnceLock};

use perstack_core::{Event, EventBody, HOST_NOTE, RuntimeEvent};
use perstack_runtime::{HostPolicy, Listener, Outcome, Prepared, Stop};

use crate::args::{GlobalArgs, RunArgs};
use crate::context;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupts;

pub(crate) async fn run(args: RunArgs, global: GlobalArgs, policy: Option<HostPolicy>) -> Result<Exit, Failure> {
    let project = context::project_of(global.config.as_deref(), &args.expert_key)?;
    let workspace = context::workspace(args.shared.workspace.as_deref())?;
    let runtime = context::runtime(&args.shared, &project, policy)?;
    let prepared = runtime.prepare(&project, &workspace, &args.expert_key).await?;
    warn_left_out(&prepared.summary());
    let request = context::request(&args.expert_key, args.query.clone(), &args.shared);
    let printer = Arc::new(Printer::default());
    let ended = Interrupts::listen()?.unless(prepared.run(request, printer.clone())).await;
    if let Some(error) = printer.failed() {
        context::warn(&format!("not all events could be printed, they are in the job's folder: {error}"));
    }
    let outcome = match ended {
        Ok(outcome) => outcome?,
        Err(exit) => {
            let job = args.shared.continue_job.as_ref();
            let command = context::continue_command("run", &args.expert_key, job, &args.shared, &global);
            context::warn(&format!("interrupted; `{command}` goes on"));
            return Ok(exit);
        }
    };
    warn_unused(&outcome);
    Ok(match outcome.stop {
        Stop::Completed(_) | Stop::Asks(_) => Exit::Done,
        Stop::MaxSteps(_) | Stop::Failed(_) => Exit::Failed,
    })
}

/// A function that its author may take for a tool is said to be none.
pub(crate) fn warn_left_out(prepared: &Prepared) {
    for skill in &prepared.skills {
        for left_out in &skill.left_out {
            context::warn(&format!("skill `{}`: {left_out}", skill.name));
        }
    }
}

/// An answer that changed nothing is said to be so.
pub(crate) fn warn_unused(outcome: &Outcome) {
    if let Some(answer) = &outcome.unused_answer {
        context::warn(&format!("`{answer}` was not used: the run was interrupted, and went on from what was recorded"));
    }
}

/// Prints events. Whoever listens may go away; the run goes on, and all events are kept with the job.
#[derive(Default)]
struct Printer(OnceLock<io::Error>);

impl Printer {
    /// Why an event was not printed, if somebody should know.
    fn failed(&self) -> Option<&io::Error> {
        self.0.get().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }
}

impl Listener for Printer {
    fn hear(&self, event: &Event) {
        if let EventBody::Runtime(event) = &event.body
            && let RuntimeEvent::SkillStderr { skill_name, message } = &**event
            && let Some(note) = message.strip_prefix(HOST_NOTE)
        {
            context::warn(&format!("skill `{skill_name}`: {note}"));
        }
        let Ok(mut line) = serde_json::to_vec(event) else { return };
        line.push(b'\n');
        let mut stdout = stdout().lock();
        if let Err(error) = stdout.write_all(&line).and_then(|()| stdout.flush()) {
            // The first reason is the one that counts.
            drop(self.0.set(error));
        }
    }
}
