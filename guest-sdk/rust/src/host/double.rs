//! The host of unit tests: what `testing` scripts, in memory, one per thread.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use crate::context::Context;
use crate::definition::ToolDefinition;
use crate::delegates::{Delegate, Delegation};
use crate::json::Value;
use crate::model::{self, Generation, Request};
use crate::output::Content;
use crate::state::{self, Scope};
use crate::tools::{ToolCall, ToolResult};
use crate::user::AskError;

type TwoTexts = Box<dyn FnMut(&str, &str) -> Result<String, String>>;
type OnToolCall = Box<dyn FnMut(&str, &Value) -> Result<String, String>>;
type OnGenerate = Box<dyn FnMut(&Request) -> Result<Generation, model::Error>>;

/// All that a test scripts or looks at.
#[derive(Default)]
pub(crate) struct Double {
    pub(crate) state: BTreeMap<(Scope, String), Vec<u8>>,
    pub(crate) state_limit: Option<usize>,
    pub(crate) answers: VecDeque<Result<String, AskError>>,
    pub(crate) asked: Vec<(String, Value)>,
    pub(crate) said: Vec<String>,
    pub(crate) progress: Vec<(String, Option<f32>)>,
    pub(crate) context: Option<Context>,
    pub(crate) tools: Option<Vec<ToolDefinition>>,
    pub(crate) on_tool_call: Option<OnToolCall>,
    pub(crate) on_generate: Option<OnGenerate>,
    pub(crate) delegates: Option<Vec<Delegate>>,
    pub(crate) on_delegation: Option<TwoTexts>,
}

thread_local! {
    static DOUBLE: RefCell<Double> = RefCell::default();
}

/// Looks at, or changes, the double of this thread.
pub(crate) fn with<T>(visit: impl FnOnce(&mut Double) -> T) -> T {
    DOUBLE.with_borrow_mut(visit)
}

#[expect(clippy::panic, reason = "a test that does not script what it uses must fail, and say what to script")]
fn not_scripted(what: &str, script: &str) -> ! {
    panic!("the test does not say {what}: script it with `perstack::testing::{script}`")
}

pub(crate) fn get_state(scope: Scope, key: &str) -> Result<Option<Vec<u8>>, state::Error> {
    with(|double| Ok(double.state.get(&(scope, key.to_owned())).cloned()))
}

pub(crate) fn set_state(scope: Scope, key: &str, value: &[u8]) -> Result<(), state::Error> {
    with(|double| {
        let entry = (scope, key.to_owned());
        let others = double.state.iter().filter(|(other, _)| **other != entry);
        let held: usize = others.map(|((_, key), value)| key.len() + value.len()).sum();
        if double.state_limit.is_some_and(|limit| held + key.len() + value.len() > limit) {
            return Err(state::Error::QuotaExceeded);
        }
        double.state.insert(entry, value.to_owned());
        Ok(())
    })
}

pub(crate) fn delete_state(scope: Scope, key: &str) -> Result<(), state::Error> {
    with(|double| double.state.remove(&(scope, key.to_owned())));
    Ok(())
}

pub(crate) fn list_state_keys(scope: Scope) -> Result<Vec<String>, state::Error> {
    with(|double| {
        let keys = double.state.keys().filter(|(of, _)| *of == scope);
        Ok(keys.map(|(_, key)| key.clone()).collect())
    })
}

pub(crate) fn report_progress(message: &str, fraction: Option<f32>) {
    with(|double| double.progress.push((message.to_owned(), fraction)));
}

pub(crate) fn context() -> Context {
    with(|double| double.context.clone()).unwrap_or_else(|| not_scripted("which call is running", "set_context"))
}

pub(crate) fn list_tools() -> Vec<ToolDefinition> {
    with(|double| double.tools.clone()).unwrap_or_else(|| not_scripted("which tools there are", "set_tools"))
}

pub(crate) fn call_tools(calls: Vec<ToolCall>) -> Vec<ToolResult> {
    // Taken out while it runs: the closure may use the double itself.
    let Some(mut on_tool_call) = with(|double| double.on_tool_call.take()) else {
        not_scripted("what tools answer", "on_tool_call")
    };
    let results = calls.into_iter().map(|call| {
        let answer = match crate::json::from_str(&call.arguments) {
            Ok(arguments) => on_tool_call(&call.name, &arguments),
            Err(error) => Err(format!("the arguments are not JSON: {error}")),
        };
        ToolResult {
            tool_call_id: call.id,
            tool_name: call.name,
            is_error: answer.is_err(),
            content: vec![Content::Text(answer.unwrap_or_else(|error| error))],
        }
    });
    let results = results.collect();
    with(|double| double.on_tool_call = Some(on_tool_call));
    results
}

pub(crate) fn ask(tool_name: &str, arguments: &str) -> Result<String, AskError> {
    let arguments: Value = crate::json::from_str(arguments).map_err(|error| AskError::Arguments(error.to_string()))?;
    let question = arguments.to_string();
    let answer = with(|double| {
        double.asked.push((tool_name.to_owned(), arguments));
        double.answers.pop_front()
    });
    answer.unwrap_or_else(|| not_scripted(&format!("what the user answers to `{tool_name}` {question}"), "answer"))
}

pub(crate) fn say(text: &str) {
    with(|double| double.said.push(text.to_owned()));
}

pub(crate) fn generate(request: &Request) -> Result<Generation, model::Error> {
    let Some(mut on_generate) = with(|double| double.on_generate.take()) else {
        return Err(model::Error::NoModel);
    };
    let generation = on_generate(request);
    with(|double| double.on_generate = Some(on_generate));
    generation
}

pub(crate) fn list_delegates() -> Vec<Delegate> {
    with(|double| double.delegates.clone())
        .unwrap_or_else(|| not_scripted("which delegates there are", "set_delegates"))
}

pub(crate) fn run_delegates(delegations: Vec<Delegation>) -> Vec<Result<String, String>> {
    let Some(mut on_delegation) = with(|double| double.on_delegation.take()) else {
        not_scripted("what delegates answer", "on_delegation")
    };
    let answers = delegations.iter().map(|delegation| on_delegation(&delegation.expert_key, &delegation.query));
    let answers = answers.collect();
    with(|double| double.on_delegation = Some(on_delegation));
    answers
}
