//! A job as people read it.

use std::collections::BTreeMap;

use perstack_core::{Checkpoint, GrantedSkill, Id, Job, Message, Part, ToolCall, ToolResult};
use perstack_runtime::EventEntry;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Found, filter, unreadable};
use crate::args::LogArgs;
use crate::failure::Failure;
use crate::tell::{called, reason_of, shortened, text_of};
use crate::text::{count, used};

/// Characters of a detail.
const SHOWN: usize = 160;

/// All jobs, a line each.
pub(crate) fn jobs(jobs: &[Job]) -> String {
    if jobs.is_empty() {
        return "no jobs yet".to_owned();
    }
    let line = |job: &Job| {
        format!(
            "{}  {}  {:<25} {:<24} {}",
            job.id,
            date(job.started_at),
            status(job),
            job.coordinator_expert_key,
            used(job.total_steps, job.usage.total_tokens),
        )
    };
    jobs.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub(crate) fn found(found: &Found, events: &[Value], args: &LogArgs) -> Result<String, Failure> {
    let mut text = header(found);
    if let Some(checkpoint) = &found.checkpoint {
        text.push_str(&self::checkpoint(checkpoint, args.messages));
    }
    if args.summary {
        text.push_str(&summary(found)?);
    }
    let mut shown = None;
    for (entry, event) in found.entries().zip(events) {
        let expert = event.get("expertKey").and_then(Value::as_str);
        let place = (expert, entry.step_number);
        if expert.is_some() && shown != Some(place) {
            text.push_str(&format!("\nstep {}  {}\n", entry.step_number, expert.unwrap_or_default()));
            shown = Some(place);
        }
        let detail = detail(&entry.kind, event).replace('\n', "\n  ");
        text.push_str(format!("  {}  {:<26} {detail}", time(entry.timestamp), entry.kind).trim_end());
        text.push('\n');
        if args.verbose {
            let whole = serde_json::to_string_pretty(event).unwrap_or_default();
            text.push_str(&format!("    {}\n", whole.replace('\n', "\n    ")));
        }
    }
    if found.fitting > found.taken {
        text.push_str(&format!(
            "\n{} of {} events; `--take 0` shows all, `--offset {}` the next\n",
            found.taken,
            found.fitting,
            args.offset + found.taken
        ));
    }
    Ok(text.trim_end().to_owned())
}

fn header(found: &Found) -> String {
    let job = &found.job;
    let cached = match job.usage.cached_input_tokens {
        0 => String::new(),
        cached => format!(" ({} cached)", count(cached)),
    };
    let latest = if found.is_latest { "latest job" } else { "job" };
    format!(
        "{latest} {} · {} · {} · {}{cached} · {}\n",
        job.id,
        job.coordinator_expert_key,
        status(job),
        used(job.total_steps, job.usage.total_tokens),
        date(job.started_at),
    )
}

/// `stoppedByInteractiveTool`, as in `job.json`.
fn status(job: &Job) -> String {
    serde_json::to_value(job.status).ok().and_then(|status| status.as_str().map(str::to_owned)).unwrap_or_default()
}

fn checkpoint(checkpoint: &Checkpoint, messages: bool) -> String {
    let status = serde_json::to_value(checkpoint.status).unwrap_or_default();
    let mut text = format!(
        "\ncheckpoint {} · {} · step {} · {} · {} messages\n",
        checkpoint.id,
        checkpoint.expert.key,
        checkpoint.step_number,
        status.as_str().unwrap_or_default(),
        checkpoint.messages.len(),
    );
    for message in checkpoint.messages.iter().filter(|_| messages) {
        let (who, contents) = match message {
            Message::InstructionMessage { contents, .. } => ("instruction", contents),
            Message::UserMessage { contents, .. } => ("user", contents),
            Message::ExpertMessage { contents, .. } => ("expert", contents),
            Message::ToolMessage { contents, .. } => ("tools", contents),
        };
        for part in contents {
            text.push_str(&format!("  {who:<12} {}\n", shortened(&self::part(part), SHOWN)));
        }
    }
    text
}

fn part(part: &Part) -> String {
    match part {
        Part::TextPart { text, .. } => text.clone(),
        Part::ThinkingPart { thinking, .. } => format!("(thinks) {thinking}"),
        Part::ToolCallPart { tool_name, args, .. } => format!("↳ {tool_name} {args}"),
        Part::ToolResultPart { tool_name, contents, is_error, .. } => {
            let mark = if *is_error == Some(true) { "✗" } else { "✓" };
            let texts: Vec<String> = contents.iter().map(self::part).collect();
            format!("{mark} {tool_name}: {}", texts.join(" "))
        }
        Part::ImageInlinePart { mime_type, .. } | Part::FileInlinePart { mime_type, .. } => format!("[{mime_type}]"),
    }
}

/// Denials that a summary tells apart.
const SHOWN_DENIALS: usize = 20;

/// Counts, what was denied, and where the time went.
fn summary(found: &Found) -> Result<String, Failure> {
    let (mut failed, mut kinds) = (0, BTreeMap::<&str, usize>::new());
    let mut denials = BTreeMap::<String, usize>::new();
    for event in &found.all {
        *kinds.entry(&event.kind).or_default() += 1;
        if event.kind == "resolveToolResults" {
            let event = found.history.event(event).map_err(unreadable)?;
            let results: Vec<ToolResult> = list(&event, "toolResults");
            failed += results.iter().filter(|result| result.is_error == Some(true)).count();
        } else if filter::DENIALS.contains(&&*event.kind) {
            let (kind, event) = (&event.kind, found.history.event(event).map_err(unreadable)?);
            if filter::is_denial(&event) {
                *denials.entry(detail(kind, &event)).or_default() += 1;
            }
        }
    }
    let number = |which: &[&str]| which.iter().filter_map(|kind| kinds.get(kind)).sum::<usize>();
    let errors = kinds.iter().filter(|(kind, _)| filter::is_error(kind)).map(|(_, number)| number).sum::<usize>();
    let usage = &found.job.usage;
    let (model, tools) = times(&found.all);
    let whole = match (found.all.first(), found.all.last()) {
        (Some(first), Some(last)) => last.timestamp.saturating_sub(first.timestamp),
        _ => 0,
    };
    let denied: usize = denials.values().sum();
    let denials: String = denials
        .iter()
        .take(SHOWN_DENIALS)
        .map(|(denial, times)| format!("             {times} × {denial}\n"))
        .collect();
    Ok(format!(
        "\nevents       {}\nerrors       {errors}, and {failed} results of tools\ntool calls   {} replies with calls\n\
         delegations  {}\ntokens       {} in, {} cached, {} out, of it {} reasoning\n\
         network      {} requests\ndenied       {denied}\n{denials}\
         time         {} from the first event to the last: {} the model, {} tools\n",
        found.all.len(),
        number(&["callTools"]),
        number(&["callDelegate"]),
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        number(&[filter::PROXY_ACCESS]),
        seconds(whole),
        seconds(model),
        seconds(tools),
    ))
}

/// Milliseconds in which runs waited for the model, and for tools.
fn times(events: &[EventEntry]) -> (u64, u64) {
    let (mut model, mut tools) = (0, 0);
    let mut since: BTreeMap<&Id, (bool, u64)> = BTreeMap::new();
    for event in events {
        let begins = match event.kind.as_str() {
            "startGeneration" | "attemptCompletion" => Some(true),
            "callTools" => Some(false),
            "retry" | "resolveToolResults" | "completeRun" | "stopRunByError" | "callDelegate" => None,
            _ => continue,
        };
        let ended = match begins {
            Some(is_model) => since.insert(&event.run_id, (is_model, event.timestamp)),
            None => since.remove(&event.run_id),
        };
        if let Some((is_model, began)) = ended {
            let spent = event.timestamp.saturating_sub(began);
            if is_model {
                model += spent;
            } else {
                tools += spent;
            }
        }
    }
    (model, tools)
}

/// What an event is about, in a few words.
fn detail(kind: &str, event: &Value) -> String {
    let text = |field: &str| event.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let lines = |lines: Vec<String>| lines.join(&format!("\n{:<41}", ""));
    match kind {
        "startRun" => {
            let messages: Vec<Message> = list(event, "inputMessages");
            let asked = messages.iter().find_map(|message| match message {
                Message::UserMessage { contents, .. } => contents.first().map(part),
                _ => None,
            });
            asked.map_or_else(|| "goes on".to_owned(), |asked| format!("“{}”", shortened(&asked, SHOWN)))
        }
        "callTools" | "callDelegate" => {
            let calls: Vec<ToolCall> = list(event, "toolCalls");
            lines(calls.iter().map(called).collect())
        }
        "callInteractiveTool" => {
            let call: Option<ToolCall> =
                event.get("toolCall").and_then(|call| serde_json::from_value(call.clone()).ok());
            call.map(|call| called(&call)).unwrap_or_default()
        }
        "resolveToolResults" => {
            let results: Vec<ToolResult> = list(event, "toolResults");
            let line = |result: &ToolResult| {
                let mark = if result.is_error == Some(true) { "✗" } else { "✓" };
                format!("{mark} {}: {}", result.tool_name, shortened(&text_of(result), SHOWN))
            };
            lines(results.iter().map(line).collect())
        }
        "retry" => shortened(&reason_of(&text("reason")), SHOWN),
        "stopRunByError" => {
            let error =
                |field: &str| event.pointer(&format!("/error/{field}")).and_then(Value::as_str).unwrap_or_default();
            format!("{}: {}", error("name"), error("message"))
        }
        "completeRun" | "completeStreamingReasoning" => shortened(&text("text"), SHOWN),
        "streamReasoning" | "streamRunResult" => shortened(&text("delta"), SHOWN),
        "skillStderr" | "skillProgress" => format!("{}: {}", text("skillName"), shortened(&text("message"), SHOWN)),
        filter::PROXY_ACCESS => {
            let port = event.get("port").and_then(Value::as_u64).unwrap_or_default();
            let reason = event.get("reason").and_then(Value::as_str).map(|reason| format!(": {reason}"));
            let (skill, action, domain) = (text("skillName"), text("action"), text("domain"));
            format!("{skill}: {domain}:{port} {action}{}", reason.unwrap_or_default())
        }
        "fileDenied" => format!("{}: {}: {}", text("skillName"), text("path"), text("reason")),
        "componentsGranted" => {
            let skills: Vec<GrantedSkill> = list(event, "skills");
            lines(skills.iter().map(granted).collect())
        }
        "skillConnected" | "skillDisconnected" | "skillStarting" => text("skillName"),
        "initializeRuntime" => text("model"),
        _ => String::new(),
    }
}

/// `notes sha256:1f2e3d4c… · files notes: read · network https://api.example.com`
fn granted(skill: &GrantedSkill) -> String {
    const SHOWN_OF_DIGEST: usize = "sha256:".len() + 8;
    let digest: String = skill.component.chars().take(SHOWN_OF_DIGEST).collect();
    let files = skill.filesystem.iter().map(|(path, access)| format!("files {path}: {access}"));
    let network = skill.network.iter().map(|pattern| format!("network {pattern}"));
    let secrets = skill.secrets.iter().map(|(name, hosts)| format!("secret {name} at {}", hosts.join(", ")));
    let env = skill.env.iter().map(|name| format!("variable {name}"));
    let exec = skill.exec.iter().map(|program| format!("program {program}"));
    let first = [format!("{} {digest}…", skill.skill_name)].into_iter();
    first.chain(files).chain(network).chain(secrets).chain(env).chain(exec).collect::<Vec<_>>().join(" · ")
}

/// A list of things in an event; empty where it is none.
fn list<T: DeserializeOwned>(event: &Value, field: &str) -> Vec<T> {
    event.get(field).and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds / 100 % 10)
}

/// `2026-11-23 08:30:00`, UTC.
fn date(milliseconds: u64) -> String {
    stamp(milliseconds, "%Y-%m-%d %H:%M:%S")
}

/// `08:30:00.125`, UTC.
fn time(milliseconds: u64) -> String {
    stamp(milliseconds, "%H:%M:%S%.3f")
}

fn stamp(milliseconds: u64, format: &str) -> String {
    let milliseconds = i64::try_from(milliseconds).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(milliseconds).map(|time| time.strftime(format).to_string()).unwrap_or_default()
}
