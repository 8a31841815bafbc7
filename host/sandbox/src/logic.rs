//! An Expert's own logic: a component that decides what the Expert does. Everything that it asks goes to a
//! [`LogicHost`], which keeps the journal; the sandbox adds the boundary and the limits.

use std::sync::Arc;

use perstack_core::Limits;
use perstack_core::config::ByteSize;
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
use crate::logic_host::{AskError, LogicDelegation, LogicHost, LogicInput, LogicModelError, LogicRequest};
use crate::skill::{Guest, ended};

/// Calls that one request for tools may hold; as many as a run has steps by default.
const MAX_CALLS: usize = 100;
/// Messages that one conversation with the model may have.
const MAX_MESSAGES: usize = 10_000;

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
        let linked = sandbox.link_logic(component, &limits).await?;
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
            table: resources(&self.limits),
            limiter: Limiter::new(&self.limits),
            host,
            stopwatch: guest.stopwatch.clone(),
            output: self.limits.output,
        };
        let mut store = self.sandbox.store(data, &self.limits);
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
        let answer = answer
            .and_then(|answer| answer.map_err(|error| ended(&error, &mut data.limiter, &self.limits, &guest.stderr)));
        let answer = answer.and_then(|answer| {
            let size = answer.as_ref().map_or_else(String::len, String::len);
            convert::within_output(size, &self.limits).map(|()| answer)
        });
        (answer.map_err(|ended| ended.under(&self.limits)), guest.stdout.text() + &guest.stderr.text())
    }
}

fn refuse_many(count: usize, what: &str) -> Result<(), Ended> {
    if count > MAX_CALLS {
        return Err(Ended::BadAnswer(format!("it called {count} {what} at once, more than {MAX_CALLS}")));
    }
    Ok(())
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
        request: wit::model::Request,
    ) -> wasmtime::Result<Result<wit::model::Generation, wit::model::Error>> {
        if request.messages.len() > MAX_MESSAGES {
            return Err(Ended::BadAnswer(format!("a conversation of more than {MAX_MESSAGES} messages")).into());
        }
        let request = LogicRequest {
            messages: request.messages.into_iter().map(convert::logic_message).collect::<Result<_, Ended>>()?,
            tools: request.tools,
            response_schema: request.response_schema,
        };
        let _paused = self.stopwatch.pause();
        Ok(match self.host.generate(request).await? {
            Ok(generation) => Ok(convert::generation(generation)?),
            Err(LogicModelError::NoModel) => Err(wit::model::Error::NoModel),
            Err(LogicModelError::ContextExceeded(text)) => Err(wit::model::Error::ContextExceeded(text)),
            Err(LogicModelError::Provider(text)) => Err(wit::model::Error::Provider(text)),
            Err(LogicModelError::LimitExceeded(text)) => Err(wit::model::Error::LimitExceeded(text)),
        })
    }
}

impl wit::delegates::Host for LogicStore {
    async fn list_delegates(&mut self) -> wasmtime::Result<Vec<wit::delegates::Delegate>> {
        let _paused = self.stopwatch.pause();
        let delegates = self.host.list_delegates().await?.into_iter();
        Ok(delegates.map(|(expert_key, description)| wit::delegates::Delegate { expert_key, description }).collect())
    }

    async fn run_delegates(
        &mut self,
        delegations: Vec<wit::delegates::Delegation>,
    ) -> wasmtime::Result<Vec<Result<String, String>>> {
        refuse_many(delegations.len(), "delegates")?;
        for delegation in &delegations {
            self.bounded(&[&delegation.expert_key, &delegation.query])?;
        }
        let delegations = delegations
            .into_iter()
            .map(|delegation| LogicDelegation { expert_key: delegation.expert_key, query: delegation.query })
            .collect();
        let _paused = self.stopwatch.pause();
        Ok(self.host.run_delegates(delegations).await?)
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
        refuse_many(calls.len(), "tools")?;
        for call in &calls {
            self.bounded(&[&call.id, &call.name, &call.arguments])?;
        }
        let calls = calls.into_iter().map(convert::logic_call).collect();
        let _paused = self.stopwatch.pause();
        let results = self.host.call_tools(calls).await?;
        Ok(results.into_iter().map(convert::tool_result).collect::<Result<_, Ended>>()?)
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
