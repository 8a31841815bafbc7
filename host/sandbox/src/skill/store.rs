//! What the engine knows about a call while it runs, and what is left of it afterwards.

use std::sync::Arc;

use perstack_core::{
    CallContext, NotKept, Observation, Observer, OpenState, StateChanges, StateError, StateSource, ToolError,
    ToolOutput,
};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::Skill;
use crate::bindings::types;
use crate::capability::{
    Denials, FilesView, Gate, GuestFiles, HasFiles, NetworkGrants, OpenGrants, OpenNetwork, Placeholders, SkillState,
    open_network,
};
use crate::engine::resources;
use crate::error::{Ended, LoadError};
use crate::extism::PluginStore;
use crate::limits::Limiter;

/// What the limiter of a call is found in.
pub(super) trait Limited: Send + 'static {
    fn limiter(&mut self) -> &mut Limiter;
}

/// What came out of a call.
pub(super) struct Called {
    pub(super) result: Result<Result<ToolOutput, ToolError>, Ended>,
    /// What the guest could not say itself.
    pub(super) notes: Vec<String>,
    pub(super) changes: StateChanges,
    pub(super) open: Option<OpenState>,
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
pub(super) struct Granted {
    pub(super) directories: OpenGrants,
    pub(super) network: Arc<OpenNetwork>,
    pub(super) placeholders: Placeholders,
}

impl Granted {
    pub(super) fn nothing() -> Result<Self, LoadError> {
        let network = Arc::new(open_network(NetworkGrants::default())?);
        Ok(Self { directories: OpenGrants::default(), network, placeholders: Placeholders::default() })
    }
}

impl Limited for SkillStore {
    fn limiter(&mut self) -> &mut Limiter {
        &mut self.limiter
    }
}

impl Limited for PluginStore {
    fn limiter(&mut self) -> &mut Limiter {
        &mut self.limiter
    }
}

impl SkillStore {
    pub(super) fn new(skill: &Skill, wasi: WasiCtx, granted: Granted, context: CallContext) -> Self {
        let denials = Denials::new(&skill.name, context.observer.clone());
        Self {
            wasi,
            table: resources(&skill.limits),
            files: GuestFiles::new(granted.directories.clone(), skill.limits.disk, denials),
            http: WasiHttpCtx::new(),
            gate: skill.gate(granted, &context),
            limiter: Limiter::new(&skill.limits),
            skill_name: skill.name.clone(),
            state: SkillState::new(context.state.clone(), skill.limits.state),
            context,
            reports: 0,
        }
    }

    /// What came out of a call that returned, or did not.
    pub(super) fn called(self, returned: bool, result: Result<Result<ToolOutput, ToolError>, Ended>) -> Called {
        // What was denied, and which limits of the host were passed: one sentence each.
        let notes = self.files.notes().chain(self.gate.notes()).collect();
        let (changes, open) = self.state.finish();
        // What a call changed before it crashed is half of something.
        Called { result, notes, changes: if returned { changes } else { Vec::new() }, open }
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
pub(super) fn unattended() -> CallContext {
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
