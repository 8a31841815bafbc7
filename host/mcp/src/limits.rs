//! What a server may use up, and how long it may take.

use std::time::Duration;

/// Bytes of one message: an image or a document in base64, as large as models take them.
pub(crate) const MAX_MESSAGE_BYTES: usize = 16 << 20;
/// Messages that nobody asked for, such as progress and logs, until the next answer. A server that says more only keeps this
/// process busy.
pub(crate) const MAX_UNASKED_MESSAGES: u64 = 10_000;
/// Bytes between two answers: what was asked, and as much again that was not, several times over.
pub(crate) const MAX_BYTES_BETWEEN: u64 = 64 << 20;

/// How often streams of events may be opened again until the next answer: each is a connection, and on record.
pub(crate) const MAX_REOPENED: u64 = 1_000;
/// How soon a server may want a stream opened again, and how late: as long as a call may go without a word.
pub(crate) const REOPEN_AFTER: (Duration, Duration) = (Duration::from_millis(100), CALL_TIMEOUT);
/// Bytes of an event's name, with which a stream goes on. It is sent back in a header.
pub(crate) const MAX_EVENT_ID: usize = 1 << 10;

/// How long a server may take until it has introduced itself: `npx` may download it first.
pub(crate) const INITIALIZE_TIMEOUT: Duration = Duration::from_secs(120);
/// How long it may take to list all its tools.
pub(crate) const LIST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a call may take without a word about its progress.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a call may take that speaks of progress.
pub(crate) const LONG_CALL_TIMEOUT: Duration = Duration::from_secs(1800);
/// How long a server may take to say that it is there, when it let a call pass its time.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// How long closing may take. The process of a native server is ended in any case.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(8);
/// How long is waited for the reason when a connection has ended.
pub(crate) const REASON_TIMEOUT: Duration = Duration::from_millis(500);
/// How often a server that ended is connected again, in a run.
pub(crate) const RESTARTS: u32 = 1;

/// Tools of a server: more than any model can choose among.
pub(crate) const MAX_TOOLS: usize = 500;
/// Pages in which it lists them: one tool a page.
pub(crate) const MAX_PAGES: usize = MAX_TOOLS;
/// Bytes of all definitions, as the model is sent them with every step.
pub(crate) const MAX_DEFINITIONS_BYTES: usize = 1 << 20;
/// Bytes of one schema.
pub(crate) const MAX_SCHEMA_BYTES: usize = 64 << 10;
/// Characters of a description, and of a title.
pub(crate) const MAX_DESCRIPTION: usize = 8_000;
pub(crate) const MAX_TITLE: usize = 200;
/// Characters of a tool's name: what all providers of models take.
pub(crate) const MAX_TOOL_NAME: usize = 64;
/// Characters of a server's name and version.
pub(crate) const MAX_SERVER_NAME: usize = 200;
/// Tools left out that are named, one by one.
pub(crate) const MAX_NOTES: usize = 10;

/// Parts of one result.
pub(crate) const MAX_PARTS: usize = 500;
/// Bytes of all its text: what a component may answer, too.
pub(crate) const MAX_TEXT_BYTES: usize = 1 << 20;

/// Reports of progress in one call, each of which is kept.
pub(crate) const MAX_PROGRESS: usize = 1_000;
/// Characters of one.
pub(crate) const MAX_PROGRESS_TEXT: usize = 1_000;

/// Bytes of a line that a server writes to its errors; the rest of it is the next one.
pub(crate) const MAX_LINE_BYTES: usize = 4 << 10;
/// Lines in one run, and their bytes: each line is an event, and kept.
pub(crate) const MAX_LINES: usize = 1_000;
pub(crate) const MAX_STDERR_BYTES: usize = 256 << 10;
/// Characters of what a server says went wrong.
pub(crate) const MAX_REASON: usize = 2_000;

/// Questions to the user until the call is answered during which they are asked.
pub(crate) const MAX_QUESTIONS: usize = 10;
/// How long a question waits for its answer.
pub(crate) const QUESTION_TIMEOUT: Duration = Duration::from_secs(600);
/// Fields of a question, what can be chosen in one, and bytes of their schema.
pub(crate) const MAX_FIELDS: usize = 20;
pub(crate) const MAX_CHOICES: usize = 100;
pub(crate) const MAX_FORM_BYTES: usize = 64 << 10;
/// Characters of a question, and of what is said of a field or choice.
pub(crate) const MAX_QUESTION: usize = 2_000;
pub(crate) const MAX_LABEL: usize = 200;
