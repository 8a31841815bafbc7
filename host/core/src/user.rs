//! Questions of skills to the user, while a call is under way. What is answered goes to the skill, and no model sees the question.

use serde_json::{Map, Number, Value};

/// Who can be asked while an Expert runs.
#[async_trait::async_trait]
pub trait User: Send + Sync {
    /// Asks. Dropped where the answer is not waited for any more.
    async fn fill(&self, form: Form) -> FormAnswer;
}

/// What a skill wants to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// The skill.
    pub skill_name: String,
    /// Why, in its words.
    pub message: String,
    /// What.
    pub fields: Vec<FormField>,
}

/// What the user says to it.
#[derive(Clone, Debug, PartialEq)]
pub enum FormAnswer {
    /// The fields, each as [`FormField::read`] gives it.
    Filled(Map<String, Value>),
    /// They do not want to.
    Declined,
    /// They did not say.
    Cancelled,
}

/// One thing that a skill wants to know.
#[derive(Clone, Debug, PartialEq)]
pub struct FormField {
    /// Its name in the answer.
    pub name: String,
    /// What it is called, for people.
    pub title: Option<String>,
    /// What it is, for people.
    pub description: Option<String>,
    /// Whether there is no answer without it.
    pub required: bool,
    /// What it is where nothing is typed.
    pub default: Option<Value>,
    /// What it may be.
    pub kind: FieldKind,
}

/// What a field may be. Bounds are part of what is allowed.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldKind {
    /// Text of so many characters.
    Text {
        /// The fewest.
        min: usize,
        /// The most.
        max: Option<usize>,
        /// `email`, `uri`, `date` or `date-time`, which the skill checks.
        format: Option<String>,
    },
    /// A number.
    Number {
        /// Whether it is a whole one.
        whole: bool,
        /// The lowest.
        min: Option<f64>,
        /// The highest.
        max: Option<f64>,
    },
    /// Yes or no.
    Boolean,
    /// One of these.
    One(Vec<FormChoice>),
    /// So many of these.
    Some {
        /// Those that there are.
        choices: Vec<FormChoice>,
        /// The fewest.
        min: usize,
        /// The most.
        max: Option<usize>,
    },
}

/// What one can choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormChoice {
    /// As the skill knows it.
    pub value: String,
    /// As people do.
    pub title: String,
}

impl FormField {
    /// What was typed, as a value: none where nothing was and nothing is needed.
    ///
    /// # Errors
    /// What is allowed instead, for who typed it.
    pub fn read(&self, typed: &str) -> Result<Option<Value>, String> {
        let typed = typed.trim();
        if typed.is_empty() {
            return match &self.default {
                None if self.required => Err("it is needed".to_owned()),
                default => Ok(default.clone()),
            };
        }
        let value = match &self.kind {
            FieldKind::Text { min, max, .. } => {
                within(typed.chars().count(), *min, *max, "characters")?;
                Value::from(typed)
            }
            FieldKind::Number { whole, min, max } => number(typed, *whole, *min, *max)?,
            FieldKind::Boolean => match typed.to_ascii_lowercase().as_str() {
                "y" | "yes" | "true" => Value::Bool(true),
                "n" | "no" | "false" => Value::Bool(false),
                _ => return Err("it is `yes` or `no`".to_owned()),
            },
            FieldKind::One(choices) => chosen(choices, typed)?,
            FieldKind::Some { choices, min, max } => {
                let mut some: Vec<Value> = Vec::new();
                for word in typed.split(',').map(str::trim).filter(|word| !word.is_empty()) {
                    let value = chosen(choices, word)?;
                    if !some.contains(&value) {
                        some.push(value);
                    }
                }
                within(some.len(), *min, *max, "of them")?;
                Value::Array(some)
            }
        };
        Ok(Some(value))
    }
}

fn within(count: usize, min: usize, max: Option<usize>, what: &str) -> Result<(), String> {
    match max {
        _ if count < min => Err(format!("at least {min} {what}")),
        Some(max) if count > max => Err(format!("at most {max} {what}")),
        _ => Ok(()),
    }
}

fn number(typed: &str, whole: bool, min: Option<f64>, max: Option<f64>) -> Result<Value, String> {
    let parsed = if whole { typed.parse::<i64>().ok().map(Number::from) } else { None };
    let parsed = match parsed {
        None if whole => return Err("it is a whole number".to_owned()),
        None => typed.parse().ok().and_then(Number::from_f64),
        number => number,
    };
    let number = parsed.ok_or_else(|| "it is a number".to_owned())?;
    let value = number.as_f64().unwrap_or_default();
    match (min, max) {
        (Some(min), _) if value < min => Err(format!("at least {min}")),
        (_, Some(max)) if value > max => Err(format!("at most {max}")),
        _ => Ok(Value::Number(number)),
    }
}

/// A choice by its number, as people know it, or as the skill does.
fn chosen(choices: &[FormChoice], typed: &str) -> Result<Value, String> {
    let same = |choice: &&FormChoice| choice.value == typed || choice.title.eq_ignore_ascii_case(typed);
    let by_number = || choices.get(typed.parse::<usize>().ok()?.checked_sub(1)?);
    let choice = choices.iter().find(same).or_else(by_number);
    choice.map(|choice| Value::from(choice.value.as_str())).ok_or_else(|| format!("there is no `{typed}` among them"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(kind: FieldKind) -> FormField {
        FormField { name: "a".into(), title: None, description: None, required: true, default: None, kind }
    }

    #[test]
    fn what_is_typed_is_read_as_what_is_wanted() {
        let choice = |value: &str, title: &str| FormChoice { value: value.into(), title: title.into() };
        let choices = vec![choice("r", "Red"), choice("g", "Green"), choice("b", "Blue")];
        let text = field(FieldKind::Text { min: 2, max: Some(3), format: None });
        let whole = field(FieldKind::Number { whole: true, min: Some(1.0), max: Some(10.0) });
        let any = field(FieldKind::Number { whole: false, min: None, max: None });
        let boolean = field(FieldKind::Boolean);
        let one = field(FieldKind::One(choices.clone()));
        let some = field(FieldKind::Some { choices, min: 1, max: Some(2) });
        for (field, typed, value) in [
            (&text, " äöü ", Ok(json!("äöü"))),
            (&text, "a", Err("at least 2 characters")),
            (&text, "abcd", Err("at most 3 characters")),
            (&text, "", Err("it is needed")),
            (&whole, "10", Ok(json!(10))),
            (&whole, "1.5", Err("it is a whole number")),
            (&whole, "0", Err("at least 1")),
            (&whole, "11", Err("at most 10")),
            (&any, "1.5", Ok(json!(1.5))),
            (&any, "NaN", Err("it is a number")),
            (&any, "x", Err("it is a number")),
            (&boolean, "Yes", Ok(json!(true))),
            (&boolean, "false", Ok(json!(false))),
            (&boolean, "1", Err("it is `yes` or `no`")),
            (&one, "green", Ok(json!("g"))),
            (&one, "b", Ok(json!("b"))),
            (&one, "1", Ok(json!("r"))),
            (&one, "0", Err("there is no `0` among them")),
            (&some, "red, 3, r", Ok(json!(["r", "b"]))),
            (&some, "1,2,3", Err("at most 2 of them")),
            (&some, ",", Err("at least 1 of them")),
        ] {
            assert_eq!(field.read(typed), value.map(Some).map_err(str::to_owned), "{typed}");
        }
    }

    #[test]
    fn where_nothing_is_typed_there_is_the_default() {
        let optional = FormField { required: false, ..field(FieldKind::Boolean) };
        assert_eq!(optional.read(" "), Ok(None));
        let default = FormField { default: Some(json!(true)), ..field(FieldKind::Boolean) };
        assert_eq!(default.read(""), Ok(Some(json!(true))));
    }
}
