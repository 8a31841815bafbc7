//! What went wrong, as the runtime knows it. Nothing of it has the key: neither bodies nor URLs of requests are told, and
//! it is taken out of what the provider says.

use std::time::SystemTime;

use perstack_core::ModelError;
use rig_core::{ProviderError, http_client};
use serde_json::Value;

use super::credential::Credential;

/// Characters of a provider's message that are told.
const MAX_MESSAGE: usize = 500;

/// Words by which providers say that a conversation is too long.
const TOO_LONG: &[&str] = &[
    "prompt is too long",
    "context window",
    "context_length_exceeded",
    "maximum context length",
    "exceeds the maximum number of tokens",
    "input token count",
    "input is too long",
];

/// Words in the codes of failures that pass.
const PASSING: &[&str] =
    &["overloaded", "rate_limit", "unavailable", "server_error", "api_error", "internal", "timeout"];

pub(crate) fn failure(error: &ProviderError, credential: &Credential) -> ModelError {
    let Some(response) = error.provider_response() else { return unanswered(error, credential) };
    let said = said(&response.body, credential);
    let status = response.status.map(|status| status.as_u16()).filter(|status| *status >= 400);
    let message = match status {
        Some(status) => format!("the provider answered {status}: {said}"),
        None => format!("the provider failed: {said}"),
    };
    if is_too_long(&said) {
        return ModelError::ContextExceeded { message: said };
    }
    // Anthropic tells an overload within the stream, where there is no status any more.
    let code = response.machine_code().unwrap_or_default().to_lowercase();
    let passes = PASSING.iter().any(|word| code.contains(word));
    let refused = format!("{message}; check {}", credential.named());
    let unknown = |message| ModelError::Fatal { message: format!("{message}; check the name given with `--model`") };
    match status {
        // Google says it with a 400.
        Some(400) if said.contains("API key") => ModelError::Fatal { message: refused },
        Some(401 | 403) => ModelError::Fatal { message: refused },
        // So says Bedrock.
        Some(400) if said.contains("model identifier") => unknown(message),
        Some(408 | 409 | 424 | 425 | 429 | 500..) => transient(message, retry_after(error)),
        Some(404) => unknown(message),
        None if passes || response.is_retryable() => transient(message, None),
        _ => ModelError::Fatal { message },
    }
}

/// Whether it is said that a conversation is too long.
pub(crate) fn is_too_long(said: &str) -> bool {
    TOO_LONG.iter().any(|words| said.to_lowercase().contains(words))
}

/// There was no answer that says what went wrong.
fn unanswered(error: &ProviderError, credential: &Credential) -> ModelError {
    let one_line = |text: &str| one_line(&credential.hidden_in(text));
    match error {
        ProviderError::Truncated => transient("the reply was cut off before it was complete".to_owned(), None),
        ProviderError::Http(error) => match &**error {
            http_client::Error::Instance(source) => transient(one_line(&source.to_string()), None),
            http_client::Error::StreamEnded => transient("the connection was closed".to_owned(), None),
            http_client::Error::InvalidContentType(kind) => {
                transient(format!("the reply makes no sense: it is of type {kind:?}"), None)
            }
            error => ModelError::Fatal { message: one_line(&error.to_string()) },
        },
        ProviderError::Json(_) | ProviderError::Response(_) => {
            transient(format!("the reply makes no sense: {}", one_line(&error.to_string())), None)
        }
        error => ModelError::Fatal { message: one_line(&error.to_string()) },
    }
}

pub(crate) fn transient(message: String, retry_after: Option<u64>) -> ModelError {
    ModelError::Transient { message, retry_after }
}

/// Milliseconds that the provider asks to wait.
fn retry_after(error: &ProviderError) -> Option<u64> {
    let headers = error.provider_response_headers()?;
    let header = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(milliseconds) = header("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return Some(whole(milliseconds));
    }
    let text = header("retry-after")?;
    let seconds = text.parse::<f64>().ok().or_else(|| {
        let until = httpdate::parse_http_date(text).ok()?;
        Some(until.duration_since(SystemTime::now()).unwrap_or_default().as_secs_f64())
    });
    seconds.map(|seconds| whole(seconds * 1000.0))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time to wait, saturated")]
fn whole(milliseconds: f64) -> u64 {
    milliseconds.max(0.0) as u64
}

/// What a body says: its `message`, wherever that is; without the key, should it be repeated there.
pub(crate) fn said(body: &str, credential: &Credential) -> String {
    let body = &credential.hidden_in(body);
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    let json = json.as_array().and_then(|items| items.first()).unwrap_or(&json);
    let message = json.pointer("/error/message").or_else(|| json.get("message")).or_else(|| json.get("error"));
    match message.and_then(Value::as_str) {
        Some(message) => one_line(message),
        None if body.trim().is_empty() => "nothing more".to_owned(),
        None => one_line(body),
    }
}

pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_MESSAGE).collect()
}
