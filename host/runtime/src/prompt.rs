//! The instruction that a model begins with: the rules of the loop, the Expert's own instruction, and what it has.

use std::fmt::Write;

use crate::cast::LoadedExpert;
use crate::recorder::now;

/// The rules of the loop.
const RULES: &str = "\
You are an Expert: an agent that works by calling tools until what it was asked is done.
- Work step by step. Each reply calls the tools that come next; their results are in the next message.
- A reply without a tool call ends the run: its text is your answer. Do not announce what you will do; do it.
- When everything is done, call `attemptCompletion`, alone. You are then asked for your final answer.
- If what you are asked is outside your expertise, say so in place of trying.";

const PLACE: &str = "You work in a folder of files; paths are relative to its root, which is `.`.";

/// What the model is told first. Where the workspace is on this machine is not a model's business: tools take paths from its
/// root.
pub(crate) fn instruction(expert: &LoadedExpert) -> String {
    let mut text = format!("{RULES}\n\nIt is {}. {PLACE}", utc(now()));
    section(&mut text, "Your instruction", &expert.config.instruction);
    for skill in &expert.config.skills {
        if let Some(rule) = &skill.rule {
            section(&mut text, &format!("Using the skill `{}`", skill.name), rule);
        }
    }
    let delegates: Vec<String> = expert
        .toolbox
        .delegates()
        .map(|(_, tool)| format!("- `{}`: {}", tool.name, tool.description.replace('\n', " ")))
        .collect();
    if !delegates.is_empty() {
        let others = "Each is a tool that takes a query. They see nothing of this conversation but the query.";
        section(&mut text, "Experts that you can ask", &format!("{others}\n{}", delegates.join("\n")));
    }
    text
}

fn section(text: &mut String, title: &str, content: &str) {
    // Writing to a String cannot fail.
    let _ = write!(text, "\n\n# {title}\n\n{}", content.trim());
}

/// Milliseconds since 1970 as `2026-11-23T08:30:00Z`.
fn utc(milliseconds: u64) -> String {
    let seconds = i64::try_from(milliseconds / 1000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}
