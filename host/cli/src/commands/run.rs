//! `perstack run`: one JSON event a line on stdout.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::sync::Arc;

use perstack_core::Event;
use perstack_runtime::{Outcome, Prepared, Stop};

use crate::args::RunArgs;
use crate::context;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupts;

pub(crate) async fn run(args: RunArgs, config: Option<PathBuf>) -> Result<Exit, Failure> {
    let project = context::project_of(config.as_deref(), &args.expert_key)?;
    let workspace = context::workspace(&args.shared)?;
    let prepared = context::runtime(&args.shared, &project)?.prepare(&project, &workspace, &args.expert_key).await?;
    warn_left_out(&prepared.summary());
    let request = context::request(&args.expert_key, args.query, &args.shared);
    let outcome = match Interrupts::listen()?.unless(prepared.run(request, Arc::new(print))).await {
        Ok(outcome) => outcome?,
        Err(exit) => {
            context::warn(&format!("interrupted; `perstack run {} --continue` goes on", args.expert_key));
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

/// Whoever listens may go away; the run goes on, and all events are kept with the job.
fn print(event: &Event) {
    let Ok(mut line) = serde_json::to_vec(event) else { return };
    line.push(b'\n');
    let mut stdout = stdout().lock();
    drop(stdout.write_all(&line).and_then(|()| stdout.flush()));
}
