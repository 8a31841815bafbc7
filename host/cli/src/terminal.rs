//! What the user is asked, and types.

use std::io::{self, BufRead, IsTerminal, Read, Write, stdin, stdout};

use perstack_core::{FieldKind, Form, FormAnswer, FormField, User};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::commands::plain::show;
use crate::failure::{Exit, Failure};
use crate::text::harmless;

/// The longest line that is read; the runtime takes queries up to 20 KiB.
const MAX_LINE_BYTES: u64 = 64 << 10;
/// How often a field is asked for that was answered with what it may not be.
const MAX_TRIES: usize = 5;

/// The line that is being read. Reading cannot be given up, so the next question goes on with it.
static READING: Mutex<Option<JoinHandle<io::Result<Vec<u8>>>>> = Mutex::const_new(None);

/// Reads a line; none at the end of the input. Who types sees a prompt; who pipes does not need one, but sees the question all the
/// same.
pub(crate) async fn read_line(prompt: &str) -> Result<Option<String>, Failure> {
    let mut reading = READING.lock().await;
    // What was typed after an earlier question was taken back is no answer to this one.
    reading.take_if(|line| line.is_finished());
    drop(write!(stdout(), "\n{} › ", harmless(prompt)).and_then(|()| stdout().flush()));
    let line = reading.get_or_insert_with(|| {
        spawn_blocking(|| {
            let mut line = Vec::new();
            stdin().lock().take(MAX_LINE_BYTES).read_until(b'\n', &mut line).map(|_| line)
        })
    });
    let read = line.await.map_err(io::Error::from).flatten();
    *reading = None;
    let failed = |error| Failure::new(Exit::Failed, format_args!("the input cannot be read: {error}"), None);
    let line = read.map_err(failed)?;
    if line.is_empty() {
        return Ok(None);
    }
    let answer = String::from_utf8_lossy(&line).trim().to_owned();
    // What was piped in is part of what happened; what was typed is there already.
    let echo = if stdin().is_terminal() { String::new() } else { format!("{}\n", harmless(&answer)) };
    drop(writeln!(stdout(), "{echo}"));
    Ok(Some(answer))
}

/// The user of this terminal, for MCP servers that ask.
#[derive(Default)]
pub(crate) struct Terminal {
    /// Held while one of them asks.
    asking: Mutex<()>,
}

#[async_trait::async_trait]
impl User for Terminal {
    async fn fill(&self, form: Form) -> FormAnswer {
        let _asking = self.asking.lock().await;
        let mut withdrawn = Withdrawn(true);
        let answer = fill(form).await;
        withdrawn.0 = false;
        // Without an input there is no answer.
        answer.ok().flatten().unwrap_or(FormAnswer::Cancelled)
    }
}

/// Says so where a question is not asked any more.
struct Withdrawn(bool);

impl Drop for Withdrawn {
    fn drop(&mut self) {
        if self.0 {
            show("\n(it is not asked any more)");
        }
    }
}

/// None at the end of the input.
async fn fill(form: Form) -> Result<Option<FormAnswer>, Failure> {
    // Set in, so that none of its lines looks like one of ours.
    let message = form.message.replace('\n', "\n  │ ");
    show(&format!("\nthe MCP server of `{}` asks you:\n  │ {message}", form.skill_name));
    show("what you type is sent to it: no passwords, and nothing that it need not know");
    loop {
        match read_line("[a]nswer or [d]ecline").await?.map(|line| line.to_ascii_lowercase()).as_deref() {
            None => return Ok(None),
            Some("a" | "answer") => break,
            Some("d" | "decline") => return Ok(Some(FormAnswer::Declined)),
            Some(_) => {}
        }
    }
    let mut filled = Map::new();
    for field in &form.fields {
        match field_of(field).await? {
            Filled::Value(value) => drop(filled.insert(field.name.clone(), value)),
            Filled::Nothing => {}
            Filled::Ended => return Ok(None),
        }
    }
    Ok(Some(FormAnswer::Filled(filled)))
}

/// What became of a field.
enum Filled {
    Value(Value),
    /// It is left out.
    Nothing,
    /// The input is over, or what was typed is never what it may be.
    Ended,
}

async fn field_of(field: &FormField) -> Result<Filled, Failure> {
    let prompt = prompt(field);
    for _ in 0..MAX_TRIES {
        let Some(line) = read_line(&prompt).await? else { return Ok(Filled::Ended) };
        match field.read(&line) {
            Ok(Some(value)) => return Ok(Filled::Value(value)),
            Ok(None) => return Ok(Filled::Nothing),
            Err(reason) => show(&format!("  {reason}")),
        }
    }
    Ok(Filled::Ended)
}

/// `Age: years (whole number; empty for 30)`.
fn prompt(field: &FormField) -> String {
    let titles = |choices: &[perstack_core::FormChoice]| {
        let titles: Vec<&str> = choices.iter().map(|choice| choice.title.as_str()).collect();
        titles.join(" / ")
    };
    let kind = match &field.kind {
        FieldKind::Text { format, .. } => format.clone().unwrap_or_else(|| "text".to_owned()),
        FieldKind::Number { whole: true, .. } => "whole number".to_owned(),
        FieldKind::Number { .. } => "number".to_owned(),
        FieldKind::Boolean => "yes / no".to_owned(),
        FieldKind::One(choices) => titles(choices),
        FieldKind::Some { choices, .. } => format!("some of {}, with commas", titles(choices)),
    };
    let empty = match &field.default {
        Some(default) => format!("; empty for {default}"),
        None if field.required => String::new(),
        None => "; may be empty".to_owned(),
    };
    let name = field.title.as_deref().unwrap_or(&field.name);
    let description = field.description.iter().map(|text| format!(": {text}")).collect::<String>();
    format!("{name}{description} ({kind}{empty})")
}

#[cfg(test)]
mod tests {
    use perstack_core::FormChoice;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_asked_for_with_what_it_may_be() {
        let choice = |title: &str| FormChoice { value: title.to_lowercase(), title: title.into() };
        let choices = vec![choice("Red"), choice("Green")];
        let field = |required, default, kind| FormField {
            name: "a".into(),
            title: Some("A".into()),
            description: None,
            required,
            default,
            kind,
        };
        let whole = FieldKind::Number { whole: true, min: None, max: None };
        assert_eq!(prompt(&field(true, Some(json!(30)), whole)), "A (whole number; empty for 30)");
        assert_eq!(prompt(&field(false, None, FieldKind::One(choices))), "A (Red / Green; may be empty)");
        let bare =
            FormField { title: None, description: Some("is it".into()), ..field(true, None, FieldKind::Boolean) };
        assert_eq!(prompt(&bare), "a: is it (yes / no)");
    }
}
