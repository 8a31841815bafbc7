//! An Expert's own logic: a component that decides what the Expert does. Everything that it asks goes to a
//! [`LogicHost`], which keeps the journal; the sandbox adds the boundary and the limits.

use std::sync::Arc;

use perstack_core::config::ByteSize;
use perstack_core::{Content, Limits, Scope, StateError, ToolDefinition};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::bindings::expert::perstack::plugin as wit;
use crate::bindings::{expert, state, types};
use crate::capability::{GuestClock, journaled_clocks, seeded};
use crate::component::ComponentBytes;
use crate::convert;
use crate::engine::{Sandbox, resources};
use crate::error::{Ended, LoadError};
use crate::limits::{Limiter, Stopwatch, within};
use crate::skill::{Guest, ended};

/// Calls that one request for tools may hold; as many as a run has steps by default.
const MAX_CALLS: usize = 100;

/// What an Expert's logic is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogicInput {
    /// What was asked.
    pub query: String,
    /// The Expert's instruction, empty where it has none.
    pub instruction: String,
    /// Queries and answers of the job's earlier runs of this Expert, oldest first.
    pub history: Vec<(String, String)>,
}

/// One tool that the logic calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicToolCall {
    /// Chosen by the logic.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments, as the logic gave them.
    pub arguments: String,
}

/// The answer to a [`LogicToolCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicToolResult {
    /// The call that this answers.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Whether it failed.
    pub is_error: bool,
    /// The answer.
    pub content: Vec<Content>,
}

/// Why the user was not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskError {
    /// Only a job's first Expert may ask.
    NotCoordinator,
    /// The Expert has no such interactive tool.
    UnknownTool(String),
}

/// The host stops the logic. It is not told; the run ends where it is, to be continued later or not.
#[derive(Debug, Clone, thiserror::Error)]
#[error("stopped by the host")]
pub struct Halt;

/// An answer of the host, unless it stops the logic.
pub type Answer<T> = Result<T, Halt>;

/// What an Expert's logic can ask for. Every answer must be the same when the run is repeated.
#[async_trait::async_trait]
pub trait LogicHost: Send {
    /// The tools of the Expert's skills.
    async fn list_tools(&mut self) -> Answer<Vec<ToolDefinition>>;
    /// Calls tools side by side; results are in the order of the calls.
    async fn call_tools(&mut self, calls: Vec<LogicToolCall>) -> Answer<Vec<LogicToolResult>>;
    /// Asks the user. `arguments` is JSON text, unchecked.
    async fn ask(&mut self, tool_name: String, arguments: String) -> Answer<Result<String, AskError>>;
    /// Shows text.
    async fn say(&mut self, text: String) -> Answer<()>;
    /// Reads the Expert's own state.
    async fn state_get(&mut self, scope: Scope, key: String) -> Answer<Result<Option<Vec<u8>>, StateError>>;
    /// Sets an entry, or deletes it where there is no value.
    async fn state_set(&mut self, scope: Scope, key: String, value: Option<Vec<u8>>) -> Answer<Result<(), StateError>>;
    /// Lists the keys of a scope.
    async fn state_keys(&mut self, scope: Scope) -> Answer<Result<Vec<String>, StateError>>;
}

/// How the logic ended.
pub type LogicResult = Result<Result<String, String>, Ended>;

/// An Expert's logic, linked.
pub struct Logic {
    sandbox: Sandbox,
    linked: expert::ExpertPre<LogicStore>,
    limits: Limits,
    size: ByteSize,
}

impl Logic {
    /// Checks a component, compiles it or takes it from the cache, and links it.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn load(sandbox: &Sandbox, component: &ComponentBytes, limits: Limits) -> Result<Self, LoadError> {
        let linked = sandbox.link_logic(component).await?;
        Ok(Self { sandbox: sandbox.clone(), linked, limits, size: component.size() })
    }

    /// How large its component is.
    pub fn size(&self) -> ByteSize {
        self.size
    }

    /// Runs the logic from the top to its answer, to an error, or until `host` stops it. `seed` is what all its random
    /// numbers come from. Also gives what it wrote to stdout and stderr.
    pub async fn run(
        &self,
        input: LogicInput,
        host: Box<dyn LogicHost>,
        clock: Arc<dyn GuestClock>,
        seed: [u8; 32],
    ) -> (LogicResult, String) {
        let (guest, mut wasi) = Guest::new(&self.limits);
        seeded(&mut wasi, seed);
        journaled_clocks(&mut wasi, clock);
        let data = LogicStore {
            wasi: wasi.build(),
            table: resources(),
            limiter: Limiter::new(&self.limits),
            host,
            stopwatch: guest.stopwatch.clone(),
            output: self.limits.output,
        };
        let mut store = self.sandbox.store(data);
        store.limiter(|data| &mut data.limiter);
        let input = wit_input(input);
        let call = within(self.limits.timeout, &guest.stopwatch, async {
            let _place = self.sandbox.place().await.map_err(|error| Ended::Host(error.to_string()))?;
            Ok(async {
                let instance = self.linked.instantiate_async(&mut store).await?;
                instance.perstack_plugin_logic().call_run(&mut store, &input).await
            }
            .await)
        });
        let answer = call.await.and_then(|answer| answer);
        let mut data = store.into_data();
        let answer = answer.and_then(|answer| answer.map_err(|error| ended(&error, &mut data.limiter, &guest.stderr)));
        let answer = answer.and_then(|answer| {
            let size = answer.as_ref().map_or_else(String::len, String::len);
            convert::within_output(size, &self.limits).map(|()| answer)
        });
        (answer, guest.stdout.text() + &guest.stderr.text())
    }
}

fn wit_input(input: LogicInput) -> expert::exports::perstack::plugin::logic::Input {
    expert::exports::perstack::plugin::logic::Input {
        query: input.query,
        instruction: input.instruction,
        history: input.history,
    }
}

/// What the engine knows about a run of an Expert's logic.
pub(crate) struct LogicStore {
    wasi: WasiCtx,
    table: ResourceTable,
    limiter: Limiter,
    host: Box<dyn LogicHost>,
    stopwatch: Stopwatch,
    output: u64,
}

impl LogicStore {
    /// Refuses texts that the guest made too large.
    fn bounded(&self, texts: &[&str]) -> wasmtime::Result<()> {
        if texts.iter().map(|text| text.len() as u64).sum::<u64>() > self.output {
            Err(Ended::Output(self.output).into())
        } else {
            Ok(())
        }
    }
}

impl WasiView for LogicStore {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl types::Host for LogicStore {}

impl wit::model::Host for LogicStore {
    async fn generate(
        &mut self,
        _: wit::model::Request,
    ) -> wasmtime::Result<Result<wit::model::Generation, wit::model::Error>> {
        Ok(Err(wit::model::Error::NoModel))
    }
}

impl wit::delegates::Host for LogicStore {
    async fn list_delegates(&mut self) -> wasmtime::Result<Vec<wit::delegates::Delegate>> {
        Ok(Vec::new())
    }

    async fn run_delegates(
        &mut self,
        delegations: Vec<wit::delegates::Delegation>,
    ) -> wasmtime::Result<Vec<Result<String, String>>> {
        let refuse = |delegation: wit::delegates::Delegation| {
            Err(format!("`{}` is not a delegate of this Expert", delegation.expert_key))
        };
        Ok(delegations.into_iter().map(refuse).collect())
    }
}

impl wit::toolbox::Host for LogicStore {
    async fn list_tools(&mut self) -> wasmtime::Result<Vec<types::ToolDefinition>> {
        let _paused = self.stopwatch.pause();
        let tools = self.host.list_tools().await?;
        Ok(tools.into_iter().map(convert::tool_definition).collect())
    }

    async fn call_tools(
        &mut self,
        calls: Vec<wit::toolbox::ToolCall>,
    ) -> wasmtime::Result<Vec<wit::toolbox::ToolResult>> {
        if calls.len() > MAX_CALLS {
            return Err(
                Ended::BadAnswer(format!("it called {} tools at once, more than {MAX_CALLS}", calls.len())).into()
            );
        }
        for call in &calls {
            self.bounded(&[&call.id, &call.name, &call.arguments])?;
        }
        let calls = calls
            .into_iter()
            .map(|call| LogicToolCall { id: call.id, name: call.name, arguments: call.arguments })
            .collect();
        let _paused = self.stopwatch.pause();
        let results = self.host.call_tools(calls).await?;
        let results = results.into_iter().map(|result| {
            Ok(wit::toolbox::ToolResult {
                tool_call_id: result.id,
                tool_name: result.name,
                is_error: result.is_error,
                content: result.content.into_iter().map(convert::to_content).collect::<Result<_, Ended>>()?,
            })
        });
        results.collect()
    }
}

impl wit::user::Host for LogicStore {
    async fn ask(
        &mut self,
        tool_name: String,
        arguments: String,
    ) -> wasmtime::Result<Result<String, wit::user::Error>> {
        self.bounded(&[&tool_name, &arguments])?;
        let _paused = self.stopwatch.pause();
        let answer = self.host.ask(tool_name, arguments).await?;
        Ok(answer.map_err(|error| match error {
            AskError::NotCoordinator => wit::user::Error::NotCoordinator,
            AskError::UnknownTool(name) => wit::user::Error::UnknownTool(name),
        }))
    }

    async fn say(&mut self, text: String) -> wasmtime::Result<()> {
        self.bounded(&[&text])?;
        let _paused = self.stopwatch.pause();
        Ok(self.host.say(text).await?)
    }
}

type StateAnswer<T> = wasmtime::Result<Result<T, state::Error>>;

impl state::Host for LogicStore {
    async fn get(&mut self, scope: state::Scope, key: String) -> StateAnswer<Option<Vec<u8>>> {
        let _paused = self.stopwatch.pause();
        Ok(self.host.state_get(crate::capability::scope(scope), key).await?.map_err(Into::into))
    }

    async fn set(&mut self, scope: state::Scope, key: String, value: Vec<u8>) -> StateAnswer<()> {
        let _paused = self.stopwatch.pause();
        Ok(self.host.state_set(crate::capability::scope(scope), key, Some(value)).await?.map_err(Into::into))
    }

    async fn delete(&mut self, scope: state::Scope, key: String) -> StateAnswer<()> {
        let _paused = self.stopwatch.pause();
        Ok(self.host.state_set(crate::capability::scope(scope), key, None).await?.map_err(Into::into))
    }

    async fn list_keys(&mut self, scope: state::Scope) -> StateAnswer<Vec<String>> {
        let _paused = self.stopwatch.pause();
        Ok(self.host.state_keys(crate::capability::scope(scope)).await?.map_err(Into::into))
    }
}
