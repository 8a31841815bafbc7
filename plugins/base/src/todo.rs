//! The list of todos. It is state of the run, so that it is in the run's checkpoints and nobody else's.

use perstack::ToolError;
use perstack::serde::{Deserialize, Serialize};
use perstack::state::{Error, State};

const KEY: &str = "todos";
/// The longest title, in characters. A todo is a line, and the list is repeated in every answer.
const MAX_TITLE: usize = 500;
/// How many todos there can be. Nobody works off more, and a model that adds them in a loop is told.
const MAX_TODOS: usize = 500;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(crate = "perstack::serde")]
pub(crate) struct Todo {
    id: u32,
    title: String,
    completed: bool,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(crate = "perstack::serde")]
pub(crate) struct Todos {
    todos: Vec<Todo>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "perstack::serde", rename_all = "camelCase")]
pub(crate) struct Remaining {
    remaining_todos: Vec<Todo>,
}

/// Adds todos and completes others. Nothing is changed where one of them does not fit.
pub(crate) fn update(new: Vec<String>, completed: &[u32]) -> Result<Todos, ToolError> {
    let mut list = read()?;
    if new.is_empty() && completed.is_empty() {
        return Ok(list);
    }
    for title in new {
        let length = title.chars().count();
        if length > MAX_TITLE {
            return invalid(format!("a todo's title must have at most {MAX_TITLE} characters, not {length}"));
        }
        let id = u32::try_from(list.todos.len()).unwrap_or(u32::MAX);
        list.todos.push(Todo { id, title, completed: false });
    }
    if list.todos.len() > MAX_TODOS {
        return invalid(format!("there can be at most {MAX_TODOS} todos; clear the list"));
    }
    for id in completed {
        match list.todos.iter_mut().find(|todo| todo.id == *id) {
            Some(todo) => todo.completed = true,
            None => return invalid(format!("there is no todo with the id {id}")),
        }
    }
    State::run().set_json(KEY, &list).map_err(unavailable)?;
    Ok(list)
}

pub(crate) fn clear() -> Result<Todos, ToolError> {
    State::run().delete(KEY).map_err(unavailable)?;
    Ok(Todos::default())
}

/// The todos that are not completed, if there are any.
pub(crate) fn remaining() -> Result<Option<Remaining>, ToolError> {
    let remaining_todos: Vec<Todo> = read()?.todos.into_iter().filter(|todo| !todo.completed).collect();
    Ok((!remaining_todos.is_empty()).then_some(Remaining { remaining_todos }))
}

fn read() -> Result<Todos, ToolError> {
    Ok(State::run().get_json(KEY).map_err(unavailable)?.unwrap_or_default())
}

fn invalid<T>(reason: String) -> Result<T, ToolError> {
    Err(ToolError::InvalidArguments(reason))
}

fn unavailable(error: Error) -> ToolError {
    ToolError::Failed(format!("the todos are not available: {error}"))
}
