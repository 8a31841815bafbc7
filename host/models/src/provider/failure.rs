//! What went wrong, as the runtime knows it. Nothing of it has the key: neither bodies nor URLs of requests are told.

use perstack_core::ModelError;
use rig_core::{ProviderError, http_client};
use serde_json::Value;

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
];

pub(crate) fn failure(error: &ProviderError, key_hint: &str) -> ModelError {
    let Some(response) = error.provider_response() else {
        let message = one_line(&match error {
            ProviderError::Http(error) => match &**error {
                http_client::Error::Instance(source) => source.to_string(),
                error => error.to_string(),
            },
            error => error.to_string(),
        });
        return match error {
            ProviderError::Truncated => transient("the reply was cut off before it was complete".to_owned(), None),
            ProviderError::Http(_) | ProviderError::Json(_) | ProviderError::Response(_) => transient(message, None),
            error if error.is_retryable() => transient(message, None),
            _ => ModelError::Fatal { message },
        };
    };
    let said = said(&response.body);
    let status = response.status.map(|status| status.as_u16()).filter(|status| *status >= 400);
    let message = match status {
        Some(status) => format!("the provider answered {status}: {said}"),
        None => format!("the provider failed: {said}"),
    };
    if TOO_LONG.iter().any(|words| said.to_lowercase().contains(words)) {
        return ModelError::ContextExceeded { message: said };
    }
    // Anthropic tells an overload within the stream, where there is no status any more.
    let overloaded = response.machine_code().is_some_and(|code| {
        ["overloaded", "rate_limit", "unavailable", "server_error", "api_error", "internal", "timeout"]
            .iter()
            .any(|word| code.to_lowercase().contains(word))
    });
    match status {
        // Google says it with a 400.
        Some(400) if said.contains("API key") => ModelError::Fatal { message: format!("{message}; {key_hint}") },
        Some(401 | 403) => ModelError::Fatal { message: format!("{message}; {key_hint}") },
        Some(408 | 409 | 425 | 429 | 500..) => transient(message, retry_after(error)),
        Some(404) => ModelError::Fatal { message: format!("{message}; check the name given with `--model`") },
        None if overloaded || response.is_retryable() => transient(message, None),
        _ => ModelError::Fatal { message },
    }
}

fn transient(message: String, retry_after: Option<u64>) -> ModelError {
    ModelError::Transient { message, retry_after }
}

/// Milliseconds that the provider asks to wait.
fn retry_after(error: &ProviderError) -> Option<u64> {
    let headers = error.provider_response_headers()?;
    let header = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let milliseconds = header("retry-after-ms").or_else(|| header("retry-after").map(|seconds| seconds * 1000.0))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time to wait, saturated")]
    let whole = milliseconds.max(0.0) as u64;
    Some(whole)
}

/// What a body says: its `message`, wherever that is.
fn said(body: &str) -> String {
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    let json = json.as_array().and_then(|items| items.first()).unwrap_or(&json);
    let message = json.pointer("/error/message").or_else(|| json.get("message")).or_else(|| json.get("error"));
    match message.and_then(Value::as_str) {
        Some(message) => one_line(message),
        None if body.trim().is_empty() => "nothing more".to_owned(),
        None => one_line(body),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_MESSAGE).collect()
}
