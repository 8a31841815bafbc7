//! Does what it is told to its state, step by step.

use perstack::state::State;

/// Steps are `get SCOPE KEY`, `set SCOPE KEY VALUE`, `fill SCOPE KEY BYTES`, `delete SCOPE KEY`, `keys SCOPE`, `fail`
/// and `panic`.
pub(crate) fn run(steps: &[String]) -> Result<String, String> {
    let mut said = Vec::new();
    for step in steps {
        let words: Vec<&str> = step.split(' ').collect();
        let done = match *words {
            ["get", scope, key] => state(scope)?.get(key).map(|value| match value {
                Some(value) => String::from_utf8_lossy(&value).into_owned(),
                None => "nothing".to_owned(),
            }),
            ["set", scope, key, value] => state(scope)?.set(key, value.as_bytes()).map(|()| "set".to_owned()),
            ["fill", scope, key, bytes] => {
                let bytes = bytes.parse().map_err(|_| format!("no number: {bytes}"))?;
                state(scope)?.set(key, &vec![b'x'; bytes]).map(|()| "filled".to_owned())
            }
            ["delete", scope, key] => state(scope)?.delete(key).map(|()| "deleted".to_owned()),
            ["keys", scope] => state(scope)?.keys().map(|keys| format!("[{}]", keys.join(" "))),
            ["fail"] => return Err(format!("failed after: {}", said.join(", "))),
            ["panic"] => {
                #[expect(clippy::panic, reason = "what a crash leaves behind is the case")]
                {
                    panic!("crashed after: {}", said.join(", "))
                }
            }
            _ => return Err(format!("no such step: {step}")),
        };
        said.push(done.unwrap_or_else(|error| format!("error: {error}")));
    }
    Ok(said.join(", "))
}

fn state(scope: &str) -> Result<State, String> {
    match scope {
        "run" => Ok(State::run()),
        "job" => Ok(State::job()),
        "workspace" => Ok(State::workspace()),
        other => Err(format!("no such scope: {other}")),
    }
}
