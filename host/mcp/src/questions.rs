//! Questions of a server to the user, while a call is under way. Nothing but the user answers them: where there is nobody, or too
//! much is asked, they are declined, and it is said so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use perstack_core::{FieldKind, Form, FormAnswer, FormChoice, FormField, User};
use rmcp::model::{ElicitRequestParams, ElicitResult, ElicitationAction};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::harmless::{in_one_line, shortened};
use crate::limits::{
    MAX_CHOICES, MAX_FIELDS, MAX_FORM_BYTES, MAX_LABEL, MAX_QUESTION, MAX_QUESTIONS, MAX_REASON, QUESTION_TIMEOUT,
};
use crate::link::{Listener, ServerEvent};

/// The questions of one connection.
pub(crate) struct Questions {
    skill_name: String,
    user: Option<Arc<dyn User>>,
    listener: Arc<dyn Listener>,
    /// Calls under way.
    calls: watch::Sender<usize>,
    /// Questions since there was none.
    asked: Mutex<usize>,
    /// Questions that wait for the user.
    open: watch::Sender<usize>,
}

impl Questions {
    pub(crate) fn new(skill_name: &str, user: Option<Arc<dyn User>>, listener: Arc<dyn Listener>) -> Arc<Self> {
        let (calls, open) = (watch::Sender::new(0), watch::Sender::new(0));
        Arc::new(Self { skill_name: skill_name.to_owned(), user, listener, calls, asked: Mutex::new(0), open })
    }

    /// Whether there is somebody to ask.
    pub(crate) fn has_user(&self) -> bool {
        self.user.is_some()
    }

    /// How many wait for the user. The time of calls does not run meanwhile.
    pub(crate) fn open(&self) -> watch::Receiver<usize> {
        self.open.subscribe()
    }

    /// A call begins. It ends when this is dropped.
    pub(crate) fn during_call(self: &Arc<Self>) -> DuringCall {
        self.calls.send_modify(|calls| *calls += 1);
        DuringCall(self.clone())
    }

    fn asked(&self) -> MutexGuard<'_, usize> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the user.
    pub(crate) async fn ask(&self, request: ElicitRequestParams) -> ElicitResult {
        let (message, schema) = match request {
            ElicitRequestParams::FormElicitationParams { message, requested_schema, .. } => {
                (message, serde_json::to_value(requested_schema).ok())
            }
            ElicitRequestParams::UrlElicitationParams { message, .. } => (message, None),
            _ => (String::new(), None),
        };
        let message = shortened(&message, MAX_QUESTION);
        let form = match self.admit(&message, schema) {
            Ok(form) => form,
            Err(reason) => {
                self.note(&message, &format!("declined: {reason}"));
                return ElicitResult::new(ElicitationAction::Decline);
            }
        };
        let Some(user) = &self.user else { return ElicitResult::new(ElicitationAction::Decline) };
        let _open = Open::new(&self.open);
        let mut calls = self.calls.subscribe();
        let answer = tokio::select! {
            answer = timeout(QUESTION_TIMEOUT, user.fill(form)) => answer,
            // Nobody is waiting for it any more.
            _ = calls.wait_for(|calls| *calls == 0) => Ok(FormAnswer::Cancelled),
        };
        let (said, result) = match answer {
            Ok(FormAnswer::Filled(content)) => {
                ("answered", ElicitResult::new(ElicitationAction::Accept).with_content(Value::Object(content)))
            }
            Ok(FormAnswer::Declined) => ("declined", ElicitResult::new(ElicitationAction::Decline)),
            Ok(FormAnswer::Cancelled) => ("not answered", ElicitResult::new(ElicitationAction::Cancel)),
            Err(_) => ("not answered in time", ElicitResult::new(ElicitationAction::Cancel)),
        };
        self.note(&message, said);
        result
    }

    fn note(&self, message: &str, what: &str) {
        let message = in_one_line(message, MAX_REASON / 2);
        self.listener.hear(ServerEvent::Noted(format!("it asked the user `{message}`: {what}")));
    }

    /// The form, if it may be shown.
    fn admit(&self, message: &str, schema: Option<Value>) -> Result<Form, String> {
        if self.user.is_none() {
            return Err("nobody can be asked here".to_owned());
        }
        if *self.calls.borrow() == 0 {
            return Err("no call is under way".to_owned());
        }
        let mut asked = self.asked();
        if *asked >= MAX_QUESTIONS {
            return Err(format!("it asks more than {MAX_QUESTIONS} times during a call"));
        }
        *asked += 1;
        let fields = fields(&schema.ok_or("it is no form")?)?;
        Ok(Form { skill_name: self.skill_name.clone(), message: message.to_owned(), fields })
    }
}

/// A call during which may be asked.
pub(crate) struct DuringCall(Arc<Questions>);

impl Drop for DuringCall {
    fn drop(&mut self) {
        self.0.calls.send_modify(|calls| *calls -= 1);
        if *self.0.calls.borrow() == 0 {
            *self.0.asked() = 0;
        }
    }
}

/// A question that waits, also where it is given up.
struct Open<'a>(&'a watch::Sender<usize>);

impl<'a> Open<'a> {
    fn new(open: &'a watch::Sender<usize>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(open)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

/// The fields of a schema, bounded.
fn fields(schema: &Value) -> Result<Vec<FormField>, String> {
    if schema.to_string().len() > MAX_FORM_BYTES {
        return Err(format!("its form has more than {} KiB", MAX_FORM_BYTES >> 10));
    }
    let properties = schema["properties"].as_object().ok_or("it is no form")?;
    if properties.len() > MAX_FIELDS {
        return Err(format!("its form has more than {MAX_FIELDS} fields"));
    }
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    let field = |(name, schema): (&String, &Value)| {
        let label = |key: &str| schema[key].as_str().map(|text| in_one_line(text, MAX_LABEL));
        let field = FormField {
            name: name.clone(),
            title: label("title"),
            description: label("description"),
            required: required.iter().any(|one| one == name),
            default: schema.get("default").cloned(),
            kind: kind(schema)?,
        };
        Ok(FormField { default: field.default.clone().filter(|value| fits(&field, value)), ..field })
    };
    properties.iter().map(field).collect()
}

/// Whether a default is of the kind that it is for: it is sent where nothing is typed.
fn fits(field: &FormField, value: &Value) -> bool {
    let typed = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        value => value.to_string(),
    };
    field.read(&typed).is_ok_and(|read| read.as_ref() == Some(value))
}

fn kind(schema: &Value) -> Result<FieldKind, String> {
    let length = |key: &str| schema[key].as_u64().and_then(|length| usize::try_from(length).ok());
    let choices = choices(schema)?;
    Ok(match schema["type"].as_str() {
        Some("string") if !choices.is_empty() => FieldKind::One(choices),
        Some("string") => FieldKind::Text {
            min: length("minLength").unwrap_or_default(),
            max: length("maxLength"),
            format: schema["format"].as_str().map(|format| in_one_line(format, MAX_LABEL)),
        },
        Some(kind @ ("number" | "integer")) => FieldKind::Number {
            whole: kind == "integer",
            min: schema["minimum"].as_f64(),
            max: schema["maximum"].as_f64(),
        },
        Some("boolean") => FieldKind::Boolean,
        Some("array") => FieldKind::Some {
            choices: self::choices(&schema["items"])?,
            min: length("minItems").unwrap_or_default(),
            max: length("maxItems"),
        },
        _ => return Err("its form has a field of a kind that is not known".to_owned()),
    })
}

/// What can be chosen, in each of the ways in which that is said.
fn choices(schema: &Value) -> Result<Vec<FormChoice>, String> {
    let list = |key: &str| schema[key].as_array().filter(|list| !list.is_empty());
    let choice = |value: &str, title: Option<&str>| FormChoice {
        value: value.to_owned(),
        title: in_one_line(title.unwrap_or(value), MAX_LABEL),
    };
    let titled = list("oneOf").or_else(|| list("anyOf")).into_iter().flatten();
    let titled = titled.filter_map(|one| Some(choice(one["const"].as_str()?, one["title"].as_str())));
    let names = |place: usize| schema["enumNames"].get(place).and_then(Value::as_str);
    let named = list("enum").into_iter().flatten().enumerate();
    let named = named.filter_map(|(place, value)| Some(choice(value.as_str()?, names(place))));
    let all: Vec<FormChoice> = titled.chain(named).collect();
    if all.len() > MAX_CHOICES {
        return Err(format!("its form has more than {MAX_CHOICES} choices in a field"));
    }
    Ok(all)
}
