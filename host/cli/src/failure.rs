//! What people read when something went wrong: what, where, and a `hint:` with what to do.

use std::fmt::Display;

use miette::{LabeledSpan, MietteDiagnostic, NamedSource, Report};
use perstack_core::config::ConfigError;
use perstack_runtime::{PackError, PolicyError, ProjectError, RunError, ScriptError};

use crate::text::harmless;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// The run failed.
    Failed,
    /// It could not start.
    NotStarted,
    /// By the user.
    Interrupted,
    /// By whoever started it.
    Terminated,
}

impl From<Exit> for i32 {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::NotStarted => 2,
            // As a shell reports SIGINT and SIGTERM.
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
        }
    }
}

/// Why the program cannot go on.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    report: String,
}

impl Failure {
    /// One message, with what to do.
    pub(crate) fn new(exit: Exit, message: impl Display, hint: Option<String>) -> Self {
        let mut report = format!("error: {}", harmless(&message.to_string()));
        if let Some(hint) = hint {
            report.push_str(&format!("\n  hint: {}", harmless(&hint)));
        }
        Self { exit, report }
    }

    pub(crate) fn no_threads(error: std::io::Error) -> Self {
        Self::new(Exit::NotStarted, format_args!("no threads can be started: {error}"), None)
    }

    /// Tells it on stderr.
    #[expect(clippy::print_stderr, reason = "this is where the program speaks to people")]
    pub(crate) fn show(&self) -> Exit {
        eprintln!("{}", self.report);
        self.exit
    }
}

/// A mistake in a TOML file, with the place marked.
fn mistake(path: String, text: String, error: &ConfigError) -> Failure {
    let label = LabeledSpan::new_with_span(error.label.clone(), error.span.clone());
    let mut diagnostic = MietteDiagnostic::new(error.message.clone()).with_label(label);
    if let Some(hint) = &error.hint {
        diagnostic = diagnostic.with_help(hint.clone());
    }
    let report = Report::new(diagnostic).with_source_code(NamedSource::new(path, text));
    Failure { exit: Exit::NotStarted, report: format!("{report:?}") }
}

impl From<ProjectError> for Failure {
    fn from(error: ProjectError) -> Self {
        match error {
            ProjectError::Invalid { path, text, error } => mistake(path, text, &error),
            error => Self::new(Exit::NotStarted, &error, error.hint()),
        }
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Invalid { path, text, error } => mistake(path, text, &error),
            error => Self::new(Exit::NotStarted, &error, error.hint()),
        }
    }
}

impl From<ScriptError> for Failure {
    fn from(error: ScriptError) -> Self {
        match error {
            ScriptError::Invalid { path, text, error } => mistake(path, text, &error),
            error => Self::new(Exit::NotStarted, &error, error.hint()),
        }
    }
}

impl From<PackError> for Failure {
    fn from(error: PackError) -> Self {
        Self::new(Exit::NotStarted, &error, error.hint())
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        // What comes up once a run has begun; a disk that fails before has failed the run all the same.
        let began = matches!(error, RunError::Diverged { .. } | RunError::DamagedJournal(_));
        let storage = matches!(&error, RunError::Store(perstack_runtime::StoreError::Write { .. }));
        let exit = if began || storage { Exit::Failed } else { Exit::NotStarted };
        Self::new(exit, &error, error.hint())
    }
}
