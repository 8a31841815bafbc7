//! Which events are shown.

use std::cmp::Ordering;
use std::ops::RangeInclusive;
use std::str::FromStr;

use perstack_runtime::EventEntry;
use serde_json::Value;

use crate::args::LogArgs;

const ERRORS: &[&str] = &["stopRunByError", "stopRunByExceededMaxSteps", "retry"];
pub(crate) const TOOLS: &[&str] = &["callTools", "resolveToolResults", "callInteractiveTool"];
pub(crate) const DELEGATIONS: &[&str] = &["callDelegate", "stopRunByDelegate"];
/// Types of events that tell of denials; of the first, those that were not allowed.
pub(crate) const DENIALS: &[&str] = &[PROXY_ACCESS, "fileDenied"];
/// The type of event with which a skill's access to the network is on record.
pub(crate) const PROXY_ACCESS: &str = "proxyAccess";
/// Pieces of what is told as a whole afterwards.
const PIECES: &[&str] = &["streamReasoning", "streamRunResult"];

pub(crate) fn is_error(kind: &str) -> bool {
    ERRORS.contains(&kind)
}

/// Whether an event is shown, as far as its name tells.
pub(crate) fn matches(args: &LogArgs, event: &EventEntry) -> bool {
    let kind = event.kind.as_str();
    let pieces = args.verbose || args.json || args.kind.is_some();
    args.run.as_ref().is_none_or(|run| event.run_id == *run)
        && args.step.as_ref().is_none_or(|steps| steps.0.contains(&event.step_number))
        && args.kind.as_ref().is_none_or(|wanted| wanted == kind)
        && (!args.errors || is_error(kind))
        && (!args.tools || TOOLS.contains(&kind))
        && (!args.denials || DENIALS.contains(&kind))
        && (!args.delegations || DELEGATIONS.contains(&kind))
        && (pieces || !PIECES.contains(&kind))
}

/// Whether an event of one of these types tells of a denial.
pub(crate) fn is_denial(event: &Value) -> bool {
    event.get("action").and_then(Value::as_str) != Some("allowed")
}

/// `5`, `>5`, `>=5`, `<5`, `<=5`, `1-10`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Steps(RangeInclusive<u64>);

impl FromStr for Steps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let number = |text: &str| {
            text.trim().parse::<u64>().map_err(|_| "write 5, >5, >=5, <5, <=5 or 1-10, with quotation marks".to_owned())
        };
        Ok(Self(if let Some(least) = text.strip_prefix(">=") {
            number(least)?..=u64::MAX
        } else if let Some(below) = text.strip_prefix('>') {
            number(below)?.saturating_add(1)..=u64::MAX
        } else if let Some(most) = text.strip_prefix("<=") {
            0..=number(most)?
        } else if let Some(above) = text.strip_prefix('<') {
            match number(above)? {
                0 => return Err("there is no step below 0".to_owned()),
                above => 0..=above - 1,
            }
        } else if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(format!("{first} comes after {last}"));
            }
            first..=last
        } else {
            let step = number(text)?;
            step..=step
        }))
    }
}

/// `.stepNumber > 5`, `.toolCalls[].skillName == "notes"`: of a list, any item will do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    path: Vec<Step>,
    operator: Operator,
    value: Value,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Items,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The longer ones first.
const OPERATORS: &[(&str, Operator)] = &[
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write a field, a comparison and a value: .stepNumber > 5, .type == \"retry\"".to_owned();
        let rest = text.trim().strip_prefix('.').ok_or_else(wrong)?;
        let place = rest.find(['=', '!', '<', '>']).ok_or_else(wrong)?;
        let (path, rest) = rest.split_at(place);
        let (sign, operator) = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign)).ok_or_else(wrong)?;
        let value = rest[sign.len()..].trim();
        if path.trim().is_empty() || value.is_empty() {
            return Err(wrong());
        }
        let mut steps = Vec::new();
        for name in path.trim().split('.') {
            let field = name.trim_end_matches("[]");
            if !field.is_empty() {
                steps.push(Step::Field(field.to_owned()));
            }
            steps.extend((0..(name.len() - field.len()) / 2).map(|_| Step::Items));
        }
        let quoted = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
        let value = match quoted {
            Some(text) => Value::String(text.to_owned()),
            None => serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned())),
        };
        Ok(Self { path: steps, operator: *operator, value })
    }
}

impl Condition {
    pub(crate) fn holds(&self, event: &Value) -> bool {
        self.holds_at(event, &self.path)
    }

    fn holds_at(&self, value: &Value, path: &[Step]) -> bool {
        match (path, value) {
            ([Step::Items, rest @ ..], Value::Array(items)) => items.iter().any(|item| self.holds_at(item, rest)),
            ([Step::Field(name), rest @ ..], Value::Object(fields)) => {
                fields.get(name).is_some_and(|value| self.holds_at(value, rest))
            }
            ([], Value::Array(items)) => items.iter().any(|item| self.compare(item)),
            ([], value) => self.compare(value),
            _ => false,
        }
    }

    fn compare(&self, value: &Value) -> bool {
        let order = match (value.as_f64(), self.value.as_f64()) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ => None,
        };
        match self.operator {
            Operator::Equal => *value == self.value || order == Some(Ordering::Equal),
            Operator::NotEqual => *value != self.value && order != Some(Ordering::Equal),
            Operator::Less => order == Some(Ordering::Less),
            Operator::LessOrEqual => order.is_some_and(Ordering::is_le),
            Operator::Greater => order == Some(Ordering::Greater),
            Operator::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_are_numbers_and_ranges() {
        for (text, range) in [
            ("5", 5..=5),
            (">5", 6..=u64::MAX),
            (">=5", 5..=u64::MAX),
            ("<5", 0..=4),
            ("<=5", 0..=5),
            (" 1 - 10 ", 1..=10),
        ] {
            assert_eq!(text.parse(), Ok(Steps(range)), "{text}");
        }
        for text in ["", "x", ">", "5-1", "-1", "<0", "1-", "99999999999999999999"] {
            text.parse::<Steps>().unwrap_err();
        }
    }

    #[test]
    fn conditions_look_into_events() {
        let event = json!({
            "type": "callTools", "stepNumber": 6, "ok": true,
            "toolCalls": [{ "toolName": "a", "args": { "n": 1 } }, { "toolName": "b" }],
        });
        for (text, holds) in [
            (".stepNumber > 5", true),
            (".stepNumber>6", false),
            (".stepNumber >= 6", true),
            (".stepNumber < 6", false),
            (".stepNumber <= 6.0", true),
            (".stepNumber == 6", true),
            (".type == callTools", true),
            (".type == \"callTools\"", true),
            (".type != 'callTools'", false),
            (".ok == true", true),
            (".toolCalls[].toolName == \"b\"", true),
            (".toolCalls[].toolName == \"c\"", false),
            (".toolCalls[].args.n == 1", true),
            (".toolCalls.toolName == \"b\"", false),
            (".nothing != 1", false),
            (".type > 1", false),
        ] {
            assert_eq!(text.parse::<Condition>().unwrap().holds(&event), holds, "{text}");
        }
        for text in ["", "stepNumber > 5", ".stepNumber", ".stepNumber =", ". == 1", ".a ==", ".a ~ 1"] {
            text.parse::<Condition>().unwrap_err();
        }
    }
}
