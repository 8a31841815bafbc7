//! Skills: a linked component, called in a fresh instance each time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use perstack_core::config::{Access, ByteSize, Needs};
use perstack_core::{
    CallContext, CallLog, CallOutcome, GrantedSkill, Limits, NotKept, Observation, Observer, OpenState, StateError,
    StateSource, ToolDefinition, ToolError, ToolOutput, ToolSet,
};
use serde_json::Value;
use wasmtime::component::{ResourceTable, ResourceTableError};
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::bindings::{skill, types};
use crate::capability::{
    Captured, Denials, FilesView, Gate, Grants, GuestFiles, HasFiles, NetworkGrants, OpenGrants, OpenNetwork,
    Placeholders, SkillState, open_directories, open_network, set_environment, set_placeholders,
};
use crate::component::ComponentBytes;
use crate::convert;
use crate::engine::{LinkedSkill, Sandbox, resources};
use crate::error::{Ended, LoadError, printable};
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
        let mut skill = Self {
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
        if let Functions::Tools(linked) = &skill.functions {
            skill.tools = skill.list_tools(linked).await?;
        }
        skill.times.list_tools = started.elapsed() - link;
        Ok(skill)
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
            Functions::Tools(_) => &[],
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
        let nothing = Granted {
            directories: OpenGrants::default(),
            network: Arc::new(open_network(NetworkGrants::default())?),
            placeholders: Placeholders::default(),
        };
        let data = SkillStore::new(self, wasi.build(), nothing, unattended());
        let (listed, _) = self.run(data, &guest, call).await;
        let listed = listed.map_err(|ended| LoadError::ListTools(ended.to_string()))?;
        convert::tools(listed).map_err(LoadError::BadTools)
    }

    /// Runs one call in a fresh store, within its limits.
    async fn run<T>(
        &self,
        data: SkillStore,
        guest: &Guest,
        call: impl AsyncFnOnce(&mut wasmtime::Store<SkillStore>) -> wasmtime::Result<T>,
    ) -> (Result<T, Ended>, SkillStore) {
        let mut store = self.sandbox.store(data, &self.limits);
        store.limiter(|data| &mut data.limiter);
        let answer = within(self.limits.timeout, &guest.stopwatch, async {
            let _place = self.sandbox.place().await.map_err(|error| Ended::Host(error.to_string()))?;
            Ok(call(&mut store).await)
        });
        let answer = answer.await.and_then(|answer| answer);
        let mut data = store.into_data();
        let answer = answer
            .and_then(|answer| answer.map_err(|error| ended(&error, &mut data.limiter, &self.limits, &guest.stderr)));
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
        let data = SkillStore::new(self, wasi.build(), Granted { directories, network, placeholders }, context);
        let (returned, answer, data) = match &self.functions {
            Functions::Tools(linked) => {
                let arguments = arguments.to_string();
                let call = async |store: &mut wasmtime::Store<SkillStore>| {
                    let instance = linked.instantiate_async(&mut *store).await?;
                    instance.perstack_plugin_tools().call_call_tool(store, tool, &arguments).await
                };
                let (answer, data) = self.run(data, &guest, call).await;
                match answer {
                    Ok(answer) => (true, self.convert(answer).await, data),
                    Err(ended) => (false, Err(ended), data),
                }
            }
            Functions::Typed(typed) => {
                let call = match typed.prepare(tool, arguments) {
                    Ok(call) => call,
                    Err(error) => return CallOutcome::refused(error),
                };
                let (answer, data) = self.run(data, &guest, async |store| call.run(store).await).await;
                (answer.is_ok(), answer.and_then(|value| call.answer(value.as_ref(), &self.limits)), data)
            }
        };
        let result = answer
            .map_err(|ended| ended.under(&self.limits))
            .unwrap_or_else(|ended| Err(ToolError::Ended(format!("`{}` was ended: {ended}", self.name))));
        let result = result.map_err(|error| noted(error, &data.notes()));
        let (changes, open) = data.state.finish();
        CallOutcome {
            result,
            // What a call changed before it crashed is half of something.
            state_changes: if returned { changes } else { Vec::new() },
            state_guard: open.map(|open| open.guard),
            log: CallLog { text: guest.stdout.text() + &guest.stderr.text() },
        }
    }
}

impl Skill {
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

/// What the engine knows about a call.
pub(crate) struct SkillStore {
    wasi: WasiCtx,
    table: ResourceTable,
    files: GuestFiles,
    http: WasiHttpCtx,
    gate: Gate,
    pub(crate) limiter: Limiter,
    pub(crate) skill_name: String,
    pub(crate) context: CallContext,
    pub(crate) state: SkillState,
    pub(crate) reports: usize,
}

/// What one call has of what its skill is granted.
struct Granted {
    directories: OpenGrants,
    network: Arc<OpenNetwork>,
    placeholders: Placeholders,
}

impl SkillStore {
    fn new(skill: &Skill, wasi: WasiCtx, granted: Granted, context: CallContext) -> Self {
        let Granted { directories, network, placeholders } = granted;
        let egress = skill.sandbox.egress();
        Self {
            wasi,
            table: resources(&skill.limits),
            files: GuestFiles::new(directories, skill.limits.disk, Denials::new(&skill.name, context.observer.clone())),
            http: WasiHttpCtx::new(),
            gate: Gate::new(egress, network, placeholders, &skill.name, &context, skill.limits),
            limiter: Limiter::new(&skill.limits),
            skill_name: skill.name.clone(),
            state: SkillState::new(context.state.clone(), skill.limits.state),
            context,
            reports: 0,
        }
    }
}

impl SkillStore {
    /// What was denied, and which limits of the host were passed: one sentence each.
    fn notes(&self) -> Vec<String> {
        self.files.notes().chain(self.gate.notes()).collect()
    }
}

impl WasiView for SkillStore {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for SkillStore {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.gate }
    }
}

impl HasFiles for SkillStore {
    fn files(&mut self) -> FilesView<'_> {
        let wasi = WasiFilesystemCtxView { ctx: self.wasi.filesystem(), table: &mut self.table };
        FilesView::new(&mut self.files, wasi)
    }
}

impl types::Host for SkillStore {}

/// The context in which tools are listed: no call, no state, nobody who listens.
fn unattended() -> CallContext {
    struct Nothing;
    #[async_trait::async_trait]
    impl StateSource for Nothing {
        async fn open(&self) -> Result<OpenState, StateError> {
            Err(StateError::Unavailable("there is no state while tools are listed".into()))
        }
    }
    impl Observer for Nothing {
        fn observe(&self, _: Observation) -> Result<(), NotKept> {
            Err(NotKept("tools are listed".into()))
        }
    }
    let nowhere = perstack_core::Id::from_entropy([0; 24]);
    CallContext {
        job_id: nowhere.clone(),
        run_id: nowhere,
        tool_call_id: String::new(),
        expert_key: String::new(),
        state: Arc::new(Nothing),
        observer: Arc::new(Nothing),
    }
}
