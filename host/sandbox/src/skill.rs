//! Skills: a linked component or plugin, called in a fresh instance each time.

mod store;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use perstack_core::config::{Access, ByteSize, Needs};
use perstack_core::{
    CallContext, CallLog, CallOutcome, GrantedSkill, Limits, ToolDefinition, ToolError, ToolOutput, ToolSet,
};
use serde_json::Value;
use wasmtime::component::ResourceTableError;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

pub(crate) use self::store::SkillStore;
use self::store::{Called, Granted, Limited, unattended};

use crate::bindings::{skill, types};
use crate::capability::{
    Captured, Gate, Grants, OpenGrants, OpenNetwork, Placeholders, open_directories, open_network, set_environment,
    set_placeholders,
};
use crate::component::ComponentBytes;
use crate::convert;
use crate::engine::{LinkedSkill, Sandbox};
use crate::error::{Ended, LoadError, printable};
use crate::extism::{self, Answers, Plugin, PluginStore};
use crate::limits::{Limiter, MAX_RANDOM_BYTES, Stopwatch, within};
use crate::typed::{LeftOut, Typed};

/// Lines of a crash that are told: a panic's message and place.
const MAX_CRASH_LINES: usize = 4;
/// What a Rust guest says of every panic, and nobody outside can follow.
const RUST_NOTE: &str = "note: run with `RUST_BACKTRACE=1`";

/// A skill that is ready to be called.
pub struct Skill {
    name: String,
    sandbox: Sandbox,
    functions: Functions,
    environment: Vec<(String, String)>,
    directories: OpenGrants,
    network: Arc<OpenNetwork>,
    limits: Limits,
    tools: Vec<ToolDefinition>,
    needs: Option<Needs>,
    granted: GrantedSkill,
    /// Where it may write files.
    turns: Option<Arc<tokio::sync::Mutex<()>>>,
    size: ByteSize,
    times: LoadTimes,
}

/// How a skill is called.
enum Functions {
    /// Through the interface `tools` of our world.
    Tools(skill::SkillPre<SkillStore>),
    /// Each function that it exports by itself.
    Typed(Typed),
    /// Through the functions of an Extism plugin, with its configuration.
    Plugin(Plugin, Arc<BTreeMap<String, String>>),
}

/// How long getting a skill ready took.
#[derive(Clone, Copy, Debug)]
pub struct LoadTimes {
    /// Checking, compiling or taking from the cache, and linking.
    pub link: Duration,
    /// Asking for its tools.
    pub list_tools: Duration,
}

impl Skill {
    /// Loads a skill: checks it, compiles it or takes it from the cache, links it, opens what it is granted, and asks
    /// for its tools. None of its code runs before it is known to import nothing that it was not granted. Of its grants, it
    /// has what it says that it needs.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn load(
        sandbox: &Sandbox,
        name: &str,
        component: &ComponentBytes,
        grants: Grants,
        limits: Limits,
    ) -> Result<Self, LoadError> {
        let started = Instant::now();
        let (linked, needs) = sandbox.link_skill(component, &limits).await?;
        let link = started.elapsed();
        let grants = match &needs {
            Some(needs) => grants.within(needs),
            None => grants,
        };
        let granted = grants.summary(name, component);
        let directories = open_directories(&grants.directories, &grants.protected)?;
        let writes = grants.directories.iter().any(|grant| grant.access == Access::Write);
        let turns = writes.then(|| sandbox.turns(component));
        let (functions, tools) = match linked {
            LinkedSkill::Ours(linked) => (Functions::Tools(linked), Vec::new()),
            LinkedSkill::Other { linked, documentation } => {
                let (typed, tools) = Typed::read(linked, &documentation)?;
                (Functions::Typed(typed), tools)
            }
        };
        let skill = Self {
            name: name.to_owned(),
            sandbox: sandbox.clone(),
            functions,
            environment: grants.environment,
            directories,
            network: Arc::new(open_network(grants.network)?),
            limits,
            tools,
            needs,
            granted,
            turns,
            size: component.size(),
            times: LoadTimes { link, list_tools: Duration::ZERO },
        };
        skill.listed(started).await
    }

    /// Loads an Extism plugin in the same way. It has no directories: its WASI, 0.1, knows nothing of them.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn load_plugin(
        sandbox: &Sandbox,
        name: &str,
        plugin: &ComponentBytes,
        config: BTreeMap<String, String>,
        grants: Grants,
        limits: Limits,
    ) -> Result<Self, LoadError> {
        let started = Instant::now();
        if let Some(grant) = grants.directories.first() {
            let reason = "an Extism plugin has no files here".to_owned();
            return Err(LoadError::BadDirectory { path: grant.path.to_string(), reason });
        }
        let linked = sandbox.link_plugin(plugin, &limits).await?;
        let link = started.elapsed();
        let skill = Self {
            name: name.to_owned(),
            sandbox: sandbox.clone(),
            functions: Functions::Plugin(linked, Arc::new(config)),
            granted: grants.summary(name, plugin),
            environment: grants.environment,
            directories: OpenGrants::default(),
            network: Arc::new(open_network(grants.network)?),
            limits,
            tools: Vec::new(),
            needs: None,
            turns: None,
            size: plugin.size(),
            times: LoadTimes { link, list_tools: Duration::ZERO },
        };
        skill.listed(started).await
    }

    /// Asks for its tools, if they are not known.
    async fn listed(mut self, started: Instant) -> Result<Self, LoadError> {
        match &self.functions {
            Functions::Tools(linked) => self.tools = self.list_tools(linked).await?,
            Functions::Plugin(plugin, config) => self.tools = self.list_plugin_tools(plugin, config).await?,
            Functions::Typed(_) => {}
        }
        self.times.list_tools = started.elapsed() - self.times.link;
        Ok(self)
    }

    /// How large its component is.
    pub fn size(&self) -> ByteSize {
        self.size
    }

    /// What it says that it needs; `None` where it says nothing, and gets all that it is granted.
    pub fn needs(&self) -> Option<&Needs> {
        self.needs.as_ref()
    }

    /// Which component it is, and what it is granted of what it asks for.
    pub fn granted(&self) -> &GrantedSkill {
        &self.granted
    }

    /// How long loading took.
    pub fn load_times(&self) -> LoadTimes {
        self.times
    }

    /// Functions that it exports and that are no tools, with the reasons. A skill of our world has none.
    pub fn left_out(&self) -> &[LeftOut] {
        match &self.functions {
            Functions::Tools(_) | Functions::Plugin(..) => &[],
            Functions::Typed(typed) => typed.left_out(),
        }
    }

    /// The list must not depend on capabilities, so it is made without any.
    async fn list_tools(&self, linked: &skill::SkillPre<SkillStore>) -> Result<Vec<ToolDefinition>, LoadError> {
        let (guest, mut wasi) = Guest::new(&self.limits);
        let call = async |store: &mut wasmtime::Store<SkillStore>| {
            let instance = linked.instantiate_async(&mut *store).await?;
            instance.perstack_plugin_tools().call_list_tools(store).await
        };
        let data = SkillStore::new(self, wasi.build(), Granted::nothing()?, unattended());
        let (listed, _) = self.run(data, &guest, call).await;
        let listed = listed.map_err(|ended| LoadError::ListTools(ended.to_string()))?;
        convert::tools(listed).map_err(LoadError::BadTools)
    }

    /// The same of a plugin. Its configuration is no capability.
    async fn list_plugin_tools(
        &self,
        plugin: &Plugin,
        config: &Arc<BTreeMap<String, String>>,
    ) -> Result<Vec<ToolDefinition>, LoadError> {
        let (guest, mut wasi) = Guest::new(&self.limits);
        let answers = Answers { config: config.clone(), granted: BTreeMap::new() };
        let gate = self.gate(Granted::nothing()?, &unattended());
        let data = PluginStore::new(wasi.build_p1(), gate, Limiter::new(&self.limits), answers, guest.stderr.clone());
        let (listed, _) = self.run(data, &guest, async |store| plugin.list(store, &self.limits).await).await;
        let listed = listed.map_err(|ended| LoadError::ListTools(ended.to_string()))?;
        let listed = listed.map_err(|error| LoadError::ListTools(printable(&error)))?;
        extism::definitions(&listed).map_err(|reason| LoadError::BadTools(printable(&reason)))
    }

    /// The way of one call to the network.
    fn gate(&self, granted: Granted, context: &CallContext) -> Gate {
        Gate::new(self.sandbox.egress(), granted.network, granted.placeholders, &self.name, context, self.limits)
    }

    /// Runs one call in a fresh store, within its limits.
    async fn run<D: Limited, T>(
        &self,
        data: D,
        guest: &Guest,
        call: impl AsyncFnOnce(&mut wasmtime::Store<D>) -> wasmtime::Result<T>,
    ) -> (Result<T, Ended>, D) {
        let mut store = self.sandbox.store(data, &self.limits);
        store.limiter(|data| data.limiter());
        let answer = within(self.limits.timeout, &guest.stopwatch, async {
            let _place = self.sandbox.place().await.map_err(|error| Ended::Host(error.to_string()))?;
            Ok(call(&mut store).await)
        });
        let answer = answer.await.and_then(|answer| answer);
        let mut data = store.into_data();
        let answer = answer
            .and_then(|answer| answer.map_err(|error| ended(&error, data.limiter(), &self.limits, &guest.stderr)));
        (answer, data)
    }
}

#[async_trait::async_trait]
impl ToolSet for Skill {
    fn name(&self) -> &str {
        &self.name
    }

    fn tools(&self) -> &[ToolDefinition] {
        &self.tools
    }

    async fn call(&self, tool: &str, arguments: &Value, context: CallContext) -> CallOutcome {
        let reads_only = self.tools.iter().any(|known| known.name == tool && known.hints.read_only);
        let _turn = match &self.turns {
            Some(turns) if !reads_only => Some(turns.lock().await),
            _ => None,
        };
        let (guest, mut wasi) = Guest::new(&self.limits);
        set_environment(&mut wasi, &self.environment);
        let placeholders = match Placeholders::new(&self.network.secrets) {
            Ok(placeholders) => placeholders,
            Err(error) => return CallOutcome::refused(ToolError::Failed(format!("no random numbers: {error}"))),
        };
        set_placeholders(&mut wasi, &placeholders, &self.network.secrets);
        let (directories, network) = (self.directories.clone(), self.network.clone());
        let granted = Granted { directories, network, placeholders };
        let called = match &self.functions {
            Functions::Tools(linked) => {
                let arguments = arguments.to_string();
                let call = async |store: &mut wasmtime::Store<SkillStore>| {
                    let instance = linked.instantiate_async(&mut *store).await?;
                    instance.perstack_plugin_tools().call_call_tool(store, tool, &arguments).await
                };
                let data = SkillStore::new(self, wasi.build(), granted, context);
                let (answer, data) = self.run(data, &guest, call).await;
                match answer {
                    Ok(answer) => data.called(true, self.convert(answer).await),
                    Err(ended) => data.called(false, Err(ended)),
                }
            }
            Functions::Typed(typed) => {
                let call = match typed.prepare(tool, arguments) {
                    Ok(call) => call,
                    Err(error) => return CallOutcome::refused(error),
                };
                let data = SkillStore::new(self, wasi.build(), granted, context);
                let (answer, data) = self.run(data, &guest, async |store| call.run(store).await).await;
                data.called(answer.is_ok(), answer.and_then(|value| call.answer(value.as_ref(), &self.limits)))
            }
            Functions::Plugin(plugin, config) => {
                let answers = Answers { config: config.clone(), granted: self.answers(&granted.placeholders) };
                let gate = self.gate(granted, &context);
                let limiter = Limiter::new(&self.limits);
                let data = PluginStore::new(wasi.build_p1(), gate, limiter, answers, guest.stderr.clone());
                let id = &context.tool_call_id;
                let call = async |store: &mut wasmtime::Store<PluginStore>| {
                    plugin.call(store, id, tool, arguments, &self.limits).await
                };
                let (returned, data) = self.run(data, &guest, call).await;
                let result = match returned.and_then(plugin_answer) {
                    Ok(answer) => self.convert(answer).await,
                    Err(ended) => Err(ended),
                };
                Called { result, notes: data.gate.notes(), changes: Vec::new(), open: None }
            }
        };
        let Called { result, notes, changes, open } = called;
        let result = result
            .map_err(|ended| ended.under(&self.limits))
            .unwrap_or_else(|ended| Err(ToolError::Ended(format!("`{}` was ended: {ended}", self.name))));
        CallOutcome {
            result: result.map_err(|error| noted(error, &notes)),
            state_changes: changes,
            state_guard: open.map(|open| open.guard),
            log: CallLog { text: guest.stdout.text() + &guest.stderr.text() },
        }
    }
}

/// What a plugin returned, as a tool's answer.
fn plugin_answer(returned: extism::Returned) -> Result<Result<types::ToolOutput, types::ToolError>, Ended> {
    match returned {
        Ok(output) => extism::output(&output),
        Err(error) => Ok(Err(types::ToolError::Failed(error))),
    }
}

impl Skill {
    /// What of its grants a plugin can ask for by name.
    fn answers(&self, placeholders: &Placeholders) -> BTreeMap<String, String> {
        let secrets = placeholders.variables(&self.network.secrets).map(|(name, value)| (name.into(), value.into()));
        self.environment.iter().cloned().chain(secrets).collect()
    }

    async fn convert(
        &self,
        answer: Result<types::ToolOutput, types::ToolError>,
    ) -> Result<Result<ToolOutput, ToolError>, Ended> {
        match answer {
            Ok(output) => {
                let _turn = self.sandbox.reading().await;
                convert::output(output, &self.limits, &self.directories).await
            }
            Err(error) => convert::error(error, &self.limits).map(Err),
        }
    }
}

/// An error with what the guest could not say itself: what of it was denied, and which limits of the host it passed.
fn noted(error: ToolError, notes: &[String]) -> ToolError {
    if notes.is_empty() {
        return error;
    }
    let told = |text: String| format!("{text} ({})", notes.join("; "));
    match error {
        ToolError::InvalidArguments(text) => ToolError::InvalidArguments(told(text)),
        ToolError::Denied(text) => ToolError::Denied(told(text)),
        ToolError::Failed(text) => ToolError::Failed(told(text)),
        ToolError::Ended(text) => ToolError::Ended(told(text)),
    }
}

/// What the host keeps of a guest while it runs.
pub(crate) struct Guest {
    pub(crate) stopwatch: Stopwatch,
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
}

impl Guest {
    /// A guest that is granted nothing, and what can grant it something.
    pub(crate) fn new(limits: &Limits) -> (Self, WasiCtxBuilder) {
        let (stdout, stderr) = (Captured::new(limits.output), Captured::new(limits.output));
        let mut wasi = WasiCtx::builder();
        wasi.stdout(stdout.clone());
        wasi.stderr(stderr.clone());
        wasi.allow_tcp(false);
        wasi.allow_udp(false);
        wasi.allow_ip_name_lookup(false);
        wasi.max_random_size(MAX_RANDOM_BYTES);
        (Self { stopwatch: Stopwatch::start(), stdout, stderr }, wasi)
    }
}

/// Why a guest did not return: the limit that it hit, or its crash with what it said.
pub(crate) fn ended(error: &wasmtime::Error, limiter: &mut Limiter, limits: &Limits, stderr: &Captured) -> Ended {
    if let Some(limit) = limiter.hit.take() {
        return limit;
    }
    if let Some(ended) = error.downcast_ref::<Ended>() {
        return ended.clone();
    }
    if matches!(error.root_cause().downcast_ref(), Some(ResourceTableError::Full)) {
        return Ended::Handles(limits.handles);
    }
    let root = error.root_cause().to_string();
    // wasmtime has no types for these two.
    if root.contains("instance count too high") {
        return Ended::Instances(limits.instances);
    }
    if root.contains("fuel allocated for hostcalls") {
        return Ended::HostCall(limits.buffers);
    }
    let said = stderr.text();
    let telling = |line: &&str| !line.trim().is_empty() && !line.starts_with(RUST_NOTE);
    let said: Vec<&str> = said.lines().filter(telling).take(MAX_CRASH_LINES).collect();
    let said = printable(&said.join(" "));
    if said.is_empty() { Ended::Trap(root) } else { Ended::Trap(format!("{root}; it said: {said}")) }
}
