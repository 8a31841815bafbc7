//! `perstack log`: what happened in a job.

mod filter;
mod show;

use std::collections::BTreeSet;
use std::io::{Write, stdout};
use std::path::Path;

use perstack_core::{Checkpoint, Id, Job};
use perstack_runtime::{EventEntry, JobHistory, Workspace};
use serde_json::{Value, json};

use crate::args::LogArgs;
use crate::failure::{Exit, Failure};
use crate::text::harmless;

pub(crate) use filter::{Condition, Steps};

/// All that is shown.
struct Found {
    job: Job,
    /// Whether it was not named.
    is_latest: bool,
    history: JobHistory,
    /// Every event of the job.
    all: Vec<EventEntry>,
    /// Places in `all` of what is shown.
    places: BTreeSet<usize>,
    /// How many fit before they were counted off, and after.
    fitting: usize,
    taken: usize,
    checkpoint: Option<Checkpoint>,
}

pub(crate) fn log(args: &LogArgs) -> Result<Exit, Failure> {
    let folder = args.workspace.as_deref().unwrap_or(Path::new("."));
    let hint = || Some("`perstack log --jobs` lists them; `--workspace` names another folder".to_owned());
    let workspace = Workspace::open(folder).map_err(|error| Failure::new(Exit::NotStarted, error, hint()))?;
    let text = if args.jobs {
        let mut jobs = workspace.jobs().map_err(unreadable)?;
        jobs.sort_by_key(|job| job.started_at);
        if args.json { json(&json!({ "jobs": jobs }), args) } else { show::jobs(&jobs) }
    } else {
        let Some(found) = find(args, &workspace)? else {
            let named = args.job.is_some() || args.run.is_some();
            let message =
                if named { "there is no such job in this workspace" } else { "there is no job in this workspace" };
            return Err(Failure::new(Exit::NotStarted, message, hint()));
        };
        let events = found.places.iter().map(|place| found.history.event(&found.all[*place]));
        let events: Vec<Value> = events.collect::<Result<_, _>>().map_err(unreadable)?;
        if args.json {
            json(&found.to_json(events, workspace.root()), args)
        } else {
            show::found(&found, &events, args)?
        }
    };
    // Whoever reads may have seen enough.
    drop(writeln!(stdout(), "{}", harmless(&text)));
    Ok(Exit::Done)
}

fn unreadable(error: perstack_runtime::StoreError) -> Failure {
    let hint = error.hint().to_owned();
    Failure::new(Exit::NotStarted, error, Some(hint))
}

fn json(value: &Value, args: &LogArgs) -> String {
    // A value is always JSON.
    if args.pretty { serde_json::to_string_pretty(value).unwrap_or_default() } else { value.to_string() }
}

fn find(args: &LogArgs, workspace: &Workspace) -> Result<Option<Found>, Failure> {
    let is_latest = args.job.is_none() && args.run.is_none();
    let Some(job) = choose(args, workspace)? else { return Ok(None) };
    let history = workspace.history(&job.id);
    let checkpoint = match &args.checkpoint {
        Some(id) => {
            let found = history.checkpoint(id).map_err(unreadable)?;
            let missing = || {
                let hint = "name its job with `--job`; checkpoints are in perstack/jobs/JOB/checkpoints".to_owned();
                Failure::new(Exit::NotStarted, format_args!("job `{}` has no checkpoint `{id}`", job.id), Some(hint))
            };
            Some(found.ok_or_else(missing)?)
        }
        None => None,
    };
    let all = history.events().map_err(unreadable)?;
    let mut fitting = Vec::new();
    for (place, event) in all.iter().enumerate().filter(|(_, event)| filter::matches(args, event)) {
        let holds = match &args.filter {
            Some(condition) => condition.holds(&history.event(event).map_err(unreadable)?),
            None => true,
        };
        let denied = !args.denials || filter::is_denial(&history.event(event).map_err(unreadable)?);
        if holds && denied {
            fitting.push(place);
        }
    }
    let most = if args.take == 0 { usize::MAX } else { args.take };
    let taken: Vec<usize> = fitting.iter().copied().skip(args.offset).take(most).collect();
    let around = taken.iter().flat_map(|place| {
        place.saturating_sub(args.context)..=place.saturating_add(args.context).min(all.len().saturating_sub(1))
    });
    let places = around.collect();
    Ok(Some(Found { job, is_latest, history, places, fitting: fitting.len(), taken: taken.len(), all, checkpoint }))
}

/// The job that is meant.
fn choose(args: &LogArgs, workspace: &Workspace) -> Result<Option<Job>, Failure> {
    if let Some(id) = &args.job {
        return workspace.history(id).job().map_err(unreadable);
    }
    let mut latest: Option<Job> = None;
    for job in workspace.jobs().map_err(unreadable)? {
        let is_later = latest.as_ref().is_none_or(|latest| job.started_at >= latest.started_at);
        let has_run = |run: &Id| workspace.history(&job.id).has_run(run).map_err(unreadable);
        if is_later && args.run.as_ref().map_or(Ok(true), has_run)? {
            latest = Some(job);
        }
    }
    Ok(latest)
}

impl Found {
    fn entries(&self) -> impl Iterator<Item = &EventEntry> {
        self.places.iter().map(|place| &self.all[*place])
    }

    /// As Perstack prints it.
    fn to_json(&self, events: Vec<Value>, workspace: &Path) -> Value {
        let count = |is: fn(&str) -> bool| self.entries().filter(|event| is(&event.kind)).count();
        let steps = || self.entries().map(|event| event.step_number).filter(|step| *step > 0);
        let mut summary = json!({
            "totalEvents": events.len(),
            "errorCount": count(filter::is_error),
            "toolCallCount": count(|kind| filter::TOOLS.contains(&kind)),
            "delegationCount": count(|kind| filter::DELEGATIONS.contains(&kind)),
        });
        if let (Some(min), Some(max)) = (steps().min(), steps().max()) {
            summary["stepRange"] = json!({ "min": min, "max": max });
        }
        let mut output = json!({ "job": self.job, "events": events, "summary": summary });
        if let Some(checkpoint) = &self.checkpoint {
            output["checkpoint"] = json!(checkpoint);
        }
        if self.is_latest {
            output["isLatestJob"] = json!(true);
        }
        output["storagePath"] = json!(workspace.join("perstack"));
        output["totalEventsBeforeLimit"] = json!(self.fitting);
        output["matchedAfterPagination"] = json!(self.taken);
        output
    }
}
