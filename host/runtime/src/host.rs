//! The host of an Expert's own logic: answers from the journal as long as there is something recorded, then for real.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use perstack_core::{
    CallContext, Content, RuntimeEvent, Scope, StateChange, StateChanges, StateError, StateSource, StoredValue,
    ToolCall, ToolDefinition, ToolError, ToolOutput,
};
use perstack_sandbox::{Answer, AskError, GuestClock, Halt, LogicHost, LogicToolCall, LogicToolResult};
use perstack_store::{Commit, JobStore, StateOwner, StoreError};
use serde_json::Value;

use crate::conversation::{Conversation, Onward};
use crate::error::RunError;
use crate::journal::{Entry, Journal, Reading, Record};
use crate::recorder::{Recorder, new_id, now};
use crate::request::Stop;
use crate::state::{GuestState, LOGIC, RunState};
use crate::toolbox::Toolbox;

/// Clock readings that may wait for the next entry: a logic that only looks at the clock makes no progress.
const MAX_READINGS: usize = 65_536;
/// Characters of a tool call's identifier, in the sense of Perstack.
const MAX_CALL_ID: usize = 255;
/// What a call is said to belong to when no skill has its tool.
const NO_SKILL: &str = "(none)";

/// Everything that a run of an Expert's logic stands on. What changes while it runs is in [`Progress`].
pub(crate) struct Scene {
    pub(crate) expert_key: String,
    pub(crate) expert_name: String,
    pub(crate) toolbox: Arc<Toolbox>,
    /// Interactive tools, each with its skill.
    pub(crate) interactive: BTreeMap<String, String>,
    pub(crate) job: Arc<JobStore>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) run_id: perstack_core::Id,
    pub(crate) state: RunState,
    /// Journal entries whose events and checkpoints were kept before.
    pub(crate) covered: u64,
    progress: Mutex<Progress>,
}

/// Where the run is.
pub(crate) struct Progress {
    pub(crate) journal: Journal,
    pub(crate) conversation: Conversation,
    /// Why the host stopped the logic.
    pub(crate) halt: Option<Halted>,
    clock: Clock,
}

/// Why the host stopped the logic.
#[derive(Debug)]
pub(crate) enum Halted {
    /// The run has come to a stop that belongs to it.
    Stopped(Box<Stop>),
    /// The logic did what it may not.
    Refused(String),
    /// The host cannot go on.
    Broken(RunError),
}

/// What the clocks said since the last entry.
struct Clock {
    started: Instant,
    /// Where the monotonic clock stood when the run went live.
    offset: Option<u64>,
    latest: u64,
    used: usize,
    waiting: Vec<Reading>,
}

/// What a scene is made of, beside its progress.
pub(crate) struct SceneParts {
    pub(crate) expert_key: String,
    pub(crate) expert_name: String,
    pub(crate) toolbox: Arc<Toolbox>,
    pub(crate) interactive: BTreeMap<String, String>,
    pub(crate) job: Arc<JobStore>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) run_id: perstack_core::Id,
    pub(crate) state: RunState,
    pub(crate) covered: u64,
}

impl Scene {
    pub(crate) fn new(parts: SceneParts, journal: Journal, conversation: Conversation) -> Arc<Self> {
        let clock = Clock { started: Instant::now(), offset: None, latest: 0, used: 0, waiting: Vec::new() };
        let progress = Mutex::new(Progress { journal, conversation, halt: None, clock });
        let SceneParts { expert_key, expert_name, toolbox, interactive, job, recorder, run_id, state, covered } = parts;
        Arc::new(Self {
            expert_key,
            expert_name,
            toolbox,
            interactive,
            job,
            recorder,
            run_id,
            state,
            covered,
            progress,
        })
    }

    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_new(&self, entry: u64) -> bool {
        entry > self.covered
    }

    fn diverged(&self, entry: u64, reason: impl Into<String>) -> RunError {
        RunError::Diverged { expert: self.expert_key.clone(), entry, reason: reason.into() }
    }

    /// The next recorded entry with its number, once all clock readings before it were used; none when live.
    fn recorded(&self, progress: &mut Progress) -> Result<Option<(u64, Entry)>, RunError> {
        let used = std::mem::take(&mut progress.clock.used);
        let Some(record) = progress.journal.next().cloned() else { return Ok(None) };
        let number = progress.journal.place();
        if record.clock.len() != used {
            return Err(self.diverged(number, format!("it read the clock {used} times, not {}", record.clock.len())));
        }
        Ok(Some((number, record.entry)))
    }

    fn append(&self, progress: &mut Progress, entry: Entry) -> Result<u64, RunError> {
        let clock = std::mem::take(&mut progress.clock.waiting);
        progress.journal.append(Record { at: now(), clock, entry })
    }

    /// The recorded answer, if `same` finds one in the recorded entry; what was asked must be what was recorded. None when
    /// live.
    fn replay<T>(
        &self,
        progress: &mut Progress,
        asked: &str,
        same: impl FnOnce(Entry) -> Option<T>,
    ) -> Result<Option<(u64, T)>, RunError> {
        let Some((number, entry)) = self.recorded(progress)? else { return Ok(None) };
        let answer = same(entry).ok_or_else(|| self.diverged(number, format!("it {asked}, which was not recorded")))?;
        Ok(Some((number, answer)))
    }

    /// The logic has ended by itself.
    pub(crate) fn finish(&self, answer: Result<String, String>) -> Result<Stop, RunError> {
        let mut progress = self.progress();
        let progress = &mut *progress;
        let same = |entry| match entry {
            Entry::Finished { answer: recorded } if recorded == answer => Some(()),
            _ => None,
        };
        if self.replay(progress, "ended", same)?.is_none() {
            self.append(progress, Entry::Finished { answer: answer.clone() })?;
        }
        let entries = progress.journal.place();
        match answer {
            Ok(text) => {
                progress.conversation.completed(&text, entries)?;
                Ok(Stop::Completed(text))
            }
            Err(text) => {
                progress.conversation.failed("LogicError", &text, entries)?;
                Ok(Stop::Failed(text))
            }
        }
    }

    /// The logic was ended. That is not recorded: another try may go further.
    pub(crate) fn fail(&self, message: &str) -> Result<(), RunError> {
        let mut progress = self.progress();
        let entries = progress.journal.place();
        progress.conversation.failed("LogicEnded", message, entries)
    }

    fn checked(&self, call: LogicToolCall, seen: &mut BTreeSet<String>) -> (ToolCall, Option<String>) {
        let skill = self.toolbox.set(&call.name).map(|set| set.name().to_owned());
        let arguments = serde_json::from_str::<Value>(&call.arguments);
        let refusal = if call.id.is_empty() || call.id.chars().count() > MAX_CALL_ID {
            Some(format!("a call's `id` has 1 to {MAX_CALL_ID} characters"))
        } else if !seen.insert(call.id.clone()) {
            Some(format!("two calls have the id `{}`", call.id))
        } else if self.interactive.contains_key(&call.name) {
            Some(format!("`{}` asks the user: call it with `user.ask`", call.name))
        } else if skill.is_none() {
            Some(format!("there is no tool `{}`", call.name))
        } else {
            match &arguments {
                Err(error) => Some(format!("the arguments are not JSON: {error}")),
                Ok(arguments) => {
                    self.toolbox.check(&call.name, arguments).err().map(|error| format!("invalid arguments: {error}"))
                }
            }
        };
        let call = ToolCall {
            id: call.id,
            skill_name: skill.unwrap_or_else(|| NO_SKILL.to_owned()),
            tool_name: call.name,
            args: arguments.unwrap_or(Value::String(call.arguments)),
        };
        (call, refusal)
    }

    /// Calls one tool for real, and keeps its answer.
    async fn call(&self, index: usize, call: &ToolCall, refusal: Option<String>) -> Result<Answered, RunError> {
        let set = self.toolbox.set(&call.tool_name).filter(|_| refusal.is_none());
        let Some(set) = set else {
            let text = refusal.unwrap_or_else(|| format!("there is no tool `{}`", call.tool_name));
            let answer = Answered { is_error: true, content: vec![Content::Text { text }] };
            let mut progress = self.progress();
            self.append(&mut progress, answer.entry(index, Vec::new()))?;
            return Ok(answer);
        };
        let state = Arc::new(self.skill_state(set.name()));
        let context = CallContext {
            job_id: self.recorder.job_id().clone(),
            run_id: self.run_id.clone(),
            tool_call_id: call.id.clone(),
            expert_key: self.expert_key.clone(),
            state: state.clone(),
            observer: self.recorder.clone(),
        };
        let outcome = set.call(&call.tool_name, &call.args, context).await;
        if !outcome.log.text.is_empty() {
            let message = outcome.log.text.clone();
            self.recorder.runtime(RuntimeEvent::SkillStderr { skill_name: set.name().to_owned(), message })?;
        }
        let answer = Answered::from(outcome.result);
        let changes = outcome.state_changes;
        let entry = {
            let mut progress = self.progress();
            self.append(&mut progress, answer.entry(index, changes.clone()))?
        };
        self.state.apply(&state.guest, &changes);
        state.access.apply(&changes, Commit { run_id: &self.run_id, entry })?;
        drop(outcome.state_guard);
        Ok(answer)
    }

    fn skill_state(&self, skill: &str) -> GuestState {
        let owner = StateOwner { expert: self.expert_name.clone(), skill: Some(skill.to_owned()) };
        GuestState { guest: skill.to_owned(), access: self.job.state(owner), run: self.state.clone() }
    }

    fn own_state(&self) -> GuestState {
        let owner = StateOwner { expert: self.expert_name.clone(), skill: None };
        GuestState { guest: LOGIC.to_owned(), access: self.job.state(owner), run: self.state.clone() }
    }

    /// Makes recorded changes again: those of scope `run` live in memory, and the others may not have been made before the
    /// process was killed.
    async fn reapply(&self, guest: &GuestState, changes: &[StateChange], entry: u64) -> Result<(), RunError> {
        self.state.apply(&guest.guest, changes);
        if self.is_new(entry) && !changes.is_empty() {
            let _held = guest.access.lock().await?;
            guest.access.apply(changes, Commit { run_id: &self.run_id, entry })?;
        }
        Ok(())
    }

    async fn call_all(&self, calls: Vec<LogicToolCall>) -> Result<Vec<LogicToolResult>, Halted> {
        let mut seen = BTreeSet::new();
        let (calls, refusals): (Vec<ToolCall>, Vec<Option<String>>) =
            calls.into_iter().map(|call| self.checked(call, &mut seen)).unzip();
        let mut answers: Vec<Option<Answered>> = Vec::new();
        answers.resize_with(calls.len(), || None);
        let (entry, recorded) = self.begin_calls(&mut self.progress(), &calls)?;
        for Recorded { entry, index, answer, state } in recorded {
            self.reapply(&self.skill_state(&calls[index].skill_name), &state, entry).await?;
            answers[index] = Some(answer);
        }
        let open = answers.iter().enumerate().filter(|(_, answer)| answer.is_none()).map(|(index, _)| index);
        let open: Vec<usize> = open.collect();
        let done = open.iter().map(|index| self.call(*index, &calls[*index], refusals[*index].clone()));
        for (index, answer) in open.iter().zip(join_all(done).await) {
            answers[*index] = Some(answer?);
        }
        let answers: Vec<Answered> = answers.into_iter().flatten().collect();
        if self.is_new(entry) {
            let mut progress = self.progress();
            let entries = progress.journal.place();
            let results: Vec<_> = answers.iter().map(|answer| (answer.is_error, answer.content.clone())).collect();
            if progress.conversation.answered(&calls, &results, entries)? == Onward::MaxSteps {
                return Err(Halted::Stopped(Box::new(Stop::MaxSteps(entries))));
            }
        }
        let results = calls.into_iter().zip(answers).map(|(call, answer)| LogicToolResult {
            id: call.id,
            name: call.tool_name,
            is_error: answer.is_error,
            content: answer.content,
        });
        Ok(results.collect())
    }

    /// Records that the calls are made, or takes the answers that were recorded. Gives the number of the entry.
    fn begin_calls(&self, progress: &mut Progress, calls: &[ToolCall]) -> Result<(u64, Vec<Recorded>), RunError> {
        let same = |entry| match entry {
            Entry::Called { calls: recorded } => same_calls(&recorded, calls).then_some(()),
            _ => None,
        };
        let recorded = self.replay(progress, "called tools", same)?;
        let number = match recorded {
            Some((number, ())) => number,
            None => self.append(progress, Entry::Called { calls: calls.to_vec() })?,
        };
        if self.is_new(number) {
            progress.conversation.called(calls)?;
        }
        let mut answers = Vec::new();
        while let Some(Record { entry: Entry::Answered { .. }, .. }) = progress.journal.peek() {
            let Some((entry, Entry::Answered { index, is_error, content, state })) = self.recorded(progress)? else {
                break;
            };
            if index >= calls.len() {
                return Err(RunError::DamagedJournal(format!("entry {entry} answers a call that was not made")));
            }
            answers.push(Recorded { entry, index, answer: Answered { is_error, content }, state });
        }
        Ok((number, answers))
    }

    fn ask(&self, tool_name: String, arguments: &str) -> Result<Result<String, AskError>, Halted> {
        let mut progress = self.progress();
        let progress = &mut *progress;
        let Some(skill_name) = self.interactive.get(&tool_name) else {
            let same = |entry| match entry {
                Entry::AskRefused { tool_name: recorded } => (recorded == tool_name).then_some(()),
                _ => None,
            };
            if self.replay(progress, "asked through an unknown tool", same)?.is_none() {
                self.append(progress, Entry::AskRefused { tool_name: tool_name.clone() })?;
            }
            return Ok(Err(AskError::UnknownTool(tool_name)));
        };
        let args: Value = serde_json::from_str(arguments)
            .map_err(|error| Halted::Refused(format!("the arguments of `{tool_name}` are not JSON: {error}")))?;
        let same = |entry| match entry {
            Entry::Asked { call } => (call.tool_name == tool_name && call.args == args).then_some(call),
            _ => None,
        };
        let (entry, call) = match self.replay(progress, "asked the user", same)? {
            Some(recorded) => recorded,
            None => {
                let id = new_id()?.to_string();
                let call = ToolCall { id, skill_name: skill_name.clone(), tool_name, args: args.clone() };
                (self.append(progress, Entry::Asked { call: call.clone() })?, call)
            }
        };
        if self.is_new(entry) {
            progress.conversation.asked(&call, entry)?;
        }
        let same = |entry| match entry {
            Entry::Replied { text } => Some(text),
            _ => None,
        };
        match self.replay(progress, "went on", same)? {
            Some((entry, text)) => {
                if self.is_new(entry) {
                    progress.conversation.replied(&call, &text, entry)?;
                }
                Ok(Ok(text))
            }
            None => Err(Halted::Stopped(Box::new(Stop::Asks(call)))),
        }
    }

    fn say(&self, text: String) -> Result<(), RunError> {
        let mut progress = self.progress();
        let progress = &mut *progress;
        let same = |entry| match entry {
            Entry::Said { text: recorded } => (recorded == text).then_some(()),
            _ => None,
        };
        let entry = match self.replay(progress, "said something", same)? {
            Some((entry, ())) => entry,
            None => self.append(progress, Entry::Said { text: text.clone() })?,
        };
        if self.is_new(entry) { progress.conversation.said(&text) } else { Ok(()) }
    }

    fn list_tools(&self) -> Result<Vec<ToolDefinition>, RunError> {
        let mut progress = self.progress();
        let same = |entry| match entry {
            Entry::Listed { tools } => Some(tools),
            _ => None,
        };
        if let Some((_, tools)) = self.replay(&mut progress, "listed its tools", same)? {
            return Ok(tools);
        }
        let tools = self.toolbox.definitions();
        self.append(&mut progress, Entry::Listed { tools: tools.clone() })?;
        Ok(tools)
    }

    async fn state_get(&self, scope: Scope, key: String) -> Result<Result<Option<Vec<u8>>, StateError>, RunError> {
        let damaged = || RunError::DamagedJournal("a value of the state cannot be read".into());
        let same = |entry| match entry {
            Entry::StateRead { scope: its, key: recorded, value } => (its == scope && recorded == key).then_some(value),
            _ => None,
        };
        let recorded = self.replay(&mut self.progress(), "read its state", same)?;
        if let Some((_, value)) = recorded {
            return Ok(Ok(value.map(|value| value.to_bytes().ok_or_else(damaged)).transpose()?));
        }
        let open = match self.own_state().open().await {
            Ok(open) => open,
            Err(error) => return Ok(Err(error)),
        };
        let value = open.entries.get(scope, &key).map(<[u8]>::to_vec);
        let stored = value.clone().map(StoredValue::from);
        self.append(&mut self.progress(), Entry::StateRead { scope, key, value: stored })?;
        Ok(Ok(value))
    }

    async fn state_keys(&self, scope: Scope) -> Result<Result<Vec<String>, StateError>, RunError> {
        let same = |entry| match entry {
            Entry::StateListed { scope: its, keys } => (its == scope).then_some(keys),
            _ => None,
        };
        let recorded = self.replay(&mut self.progress(), "listed its state", same)?;
        if let Some((_, keys)) = recorded {
            return Ok(Ok(keys));
        }
        let open = match self.own_state().open().await {
            Ok(open) => open,
            Err(error) => return Ok(Err(error)),
        };
        let keys = open.entries.keys(scope);
        self.append(&mut self.progress(), Entry::StateListed { scope, keys: keys.clone() })?;
        Ok(Ok(keys))
    }

    async fn state_set(&self, change: StateChange) -> Result<Result<(), StateError>, RunError> {
        let full = || StateError::QuotaExceeded("it was, when this was recorded".into());
        let same = |entry| match entry {
            Entry::StateChanged { change: recorded } => (recorded == change).then_some(Ok(())),
            Entry::StateRefused { scope, key } => (scope == change.scope && key == change.key).then(|| Err(full())),
            _ => None,
        };
        let state = self.own_state();
        let recorded = self.replay(&mut self.progress(), "changed its state", same)?;
        if let Some((entry, answer)) = recorded {
            if answer.is_ok() {
                self.reapply(&state, std::slice::from_ref(&change), entry).await?;
            }
            return Ok(answer);
        }
        let mut open = match state.open().await {
            Ok(open) => open,
            Err(error) => return Ok(Err(error)),
        };
        if let Err(error) = open.entries.apply(&change) {
            let entry = Entry::StateRefused { scope: change.scope, key: change.key };
            self.append(&mut self.progress(), entry)?;
            return Ok(Err(error));
        }
        let entry = self.append(&mut self.progress(), Entry::StateChanged { change: change.clone() })?;
        let changes = std::slice::from_ref(&change);
        self.state.apply(&state.guest, changes);
        state.access.apply(changes, Commit { run_id: &self.run_id, entry })?;
        Ok(Ok(()))
    }

    /// The answer, unless the host is at its end; then the logic is stopped, and why is kept.
    fn answer<T, H: Into<Halted>>(&self, answer: Result<T, H>) -> Answer<T> {
        let earlier = self.progress().halt.is_some();
        match answer {
            Ok(answer) if !earlier => Ok(answer),
            Ok(_) => Err(Halt),
            Err(halted) => {
                self.progress().halt.get_or_insert(halted.into());
                Err(Halt)
            }
        }
    }

    fn read_clock(&self, live: impl FnOnce(&mut Clock) -> Reading) -> u64 {
        let mut progress = self.progress();
        let progress = &mut *progress;
        let used = progress.clock.used;
        let recorded = progress.journal.peek().map(|record| record.clock.get(used).copied());
        let reading = match recorded {
            // The kind is compared by the caller's use of it: another kind gives another way, which the next entry finds.
            Some(Some(reading)) => {
                progress.clock.used += 1;
                reading
            }
            Some(None) => {
                progress.clock.used += 1;
                live(&mut progress.clock)
            }
            None => {
                let reading = live(&mut progress.clock);
                if progress.clock.waiting.len() < MAX_READINGS {
                    progress.clock.waiting.push(reading);
                } else {
                    let reason = format!("it read the clock more than {MAX_READINGS} times in a row");
                    progress.halt.get_or_insert(Halted::Refused(reason));
                }
                reading
            }
        };
        let (Reading::Wall(nanoseconds) | Reading::Monotonic(nanoseconds)) = reading;
        if let Reading::Monotonic(nanoseconds) = reading {
            progress.clock.latest = nanoseconds;
        }
        nanoseconds
    }
}

impl From<RunError> for Halted {
    fn from(error: RunError) -> Self {
        match error {
            // The logic filled it.
            RunError::Store(full @ StoreError::JournalFull { .. }) => Self::Refused(full.to_string()),
            error => Self::Broken(error),
        }
    }
}

/// Calls are the same if the logic made them so. Which skill had the tool, the logic does not know.
fn same_calls(recorded: &[ToolCall], made: &[ToolCall]) -> bool {
    let same = |(left, right): (&ToolCall, &ToolCall)| {
        left.id == right.id && left.tool_name == right.tool_name && left.args == right.args
    };
    recorded.len() == made.len() && recorded.iter().zip(made).all(same)
}

/// An answer that was recorded before the process was killed.
struct Recorded {
    entry: u64,
    index: usize,
    answer: Answered,
    state: StateChanges,
}

/// The answer to one call.
#[derive(Clone, Debug)]
struct Answered {
    is_error: bool,
    content: Vec<Content>,
}

impl Answered {
    fn entry(&self, index: usize, state: Vec<StateChange>) -> Entry {
        Entry::Answered { index, is_error: self.is_error, content: self.content.clone(), state }
    }
}

impl From<Result<ToolOutput, ToolError>> for Answered {
    fn from(result: Result<ToolOutput, ToolError>) -> Self {
        match result {
            Ok(ToolOutput { content, structured }) => {
                let content = match structured {
                    Some(structured) if content.is_empty() => vec![Content::Text { text: structured.to_string() }],
                    _ => content,
                };
                Self { is_error: false, content }
            }
            Err(error) => Self { is_error: true, content: vec![Content::Text { text: error.to_string() }] },
        }
    }
}

/// What the sandbox talks to.
pub(crate) struct SceneHost(pub(crate) Arc<Scene>);

#[async_trait::async_trait]
impl LogicHost for SceneHost {
    async fn list_tools(&mut self) -> Answer<Vec<ToolDefinition>> {
        self.0.answer(self.0.list_tools())
    }

    async fn call_tools(&mut self, calls: Vec<LogicToolCall>) -> Answer<Vec<LogicToolResult>> {
        let results = self.0.call_all(calls).await;
        self.0.answer(results)
    }

    async fn ask(&mut self, tool_name: String, arguments: String) -> Answer<Result<String, AskError>> {
        self.0.answer(self.0.ask(tool_name, &arguments))
    }

    async fn say(&mut self, text: String) -> Answer<()> {
        self.0.answer(self.0.say(text))
    }

    async fn state_get(&mut self, scope: Scope, key: String) -> Answer<Result<Option<Vec<u8>>, StateError>> {
        let answer = self.0.state_get(scope, key).await;
        self.0.answer(answer)
    }

    async fn state_set(&mut self, scope: Scope, key: String, value: Option<Vec<u8>>) -> Answer<Result<(), StateError>> {
        let answer = self.0.state_set(StateChange { scope, key, value: value.map(Into::into) }).await;
        self.0.answer(answer)
    }

    async fn state_keys(&mut self, scope: Scope) -> Answer<Result<Vec<String>, StateError>> {
        let answer = self.0.state_keys(scope).await;
        self.0.answer(answer)
    }
}

/// The clocks that the logic sees.
pub(crate) struct SceneClock(pub(crate) Arc<Scene>);

impl GuestClock for SceneClock {
    fn wall(&self) -> Duration {
        let live = |_: &mut Clock| {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            Reading::Wall(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
        };
        Duration::from_nanos(self.0.read_clock(live))
    }

    /// Goes on from where it was recorded last: it never runs backwards, in whatever process.
    fn monotonic(&self) -> u64 {
        self.0.read_clock(|clock| {
            let since = u64::try_from(clock.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let offset = *clock.offset.get_or_insert(clock.latest.saturating_sub(since));
            Reading::Monotonic(offset.saturating_add(since).max(clock.latest))
        })
    }
}
