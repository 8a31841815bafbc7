//! All that a process is told by its environment.

pub(crate) fn run() -> String {
    let variables = std::env::vars_os().map(|(name, value)| format!("{name:?}={value:?}"));
    let arguments = std::env::args_os().map(|argument| format!("argument {argument:?}"));
    variables.chain(arguments).collect::<Vec<_>>().join("\n")
}
