//! The engine: one for the process, set up once, with everything that makes a fresh instance per call cheap.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use perstack_core::Limits;
use perstack_core::config::Needs;
use perstack_core::policy::EngineKind;
use tokio::sync::Semaphore;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, Module, OptLevel, PoolingAllocationConfig, Store};

use crate::bindings::{expert, skill};
use crate::cache::{Cache, CacheContents};
use crate::capability::{Egress, EgressConfig, add_files_to_linker, add_network_to_linker};
use crate::component::{Calls, ComponentBytes, World, check};
use crate::error::{LoadError, printable};
use crate::extism::{self, Plugin, PluginStore};
use crate::limits::{MAX_MEMORIES, MAX_TABLES};
use crate::logic::LogicStore;
use crate::skill::SkillStore;
use crate::typed::{Documentation, SECTION};

/// How often a guest that only computes gives way, and thus how exactly its deadline is kept.
const EPOCH: Duration = Duration::from_millis(10);
/// Guests alive at the same time. More calls wait. With four gigabytes of address space for each memory it stays far
/// below what a process may reserve.
const MAX_GUESTS: u32 = 256;
/// Linear memories and tables of all guests together: most have one of each, QuickJS two memories.
const POOL_MEMORIES: u32 = 2 * MAX_GUESTS;
const POOL_TABLES: u32 = 4 * MAX_GUESTS;
/// Core instances of all guests together: Rust has 3, CPython up to 38.
const POOL_CORE_INSTANCES: u32 = 16 * MAX_GUESTS;
/// Memory of a slot that is kept and zeroed rather than given back to the kernel: what a small guest touches.
const KEEP_RESIDENT: usize = 256 << 10;
/// Components compiled at the same time; each may take twenty times its size in memory.
const MAX_COMPILING: usize = 2;
/// Answers whose files the host reads at the same time; each may have thirty megabytes.
const MAX_READING: usize = 2;

/// How long reading the WIT that comes with a component may take. That of all WASI takes a few milliseconds.
const DOCUMENTATION_TIMEOUT: Duration = Duration::from_secs(10);

/// How a sandbox is set up.
#[derive(Default)]
pub struct SandboxConfig {
    /// Where compiled components are kept; nowhere by default.
    pub cache: Option<Cache>,
    /// How components are run.
    pub engine: EngineKind,
    /// What the operator of the machine says about its network.
    pub egress: EgressConfig,
}

/// Loads components and holds what their calls share. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox(Arc<Shared>);

/// A skill that is linked.
pub(crate) enum LinkedSkill {
    /// One of our world.
    Ours(skill::SkillPre<SkillStore>),
    /// One of another world, with what is said about it.
    Other { linked: InstancePre<SkillStore>, documentation: Documentation },
}

struct Shared {
    engine: Engine,
    skills: Linker<SkillStore>,
    experts: Linker<LogicStore>,
    plugins: wasmtime::Linker<PluginStore>,
    cache: Option<Cache>,
    compiling: Arc<Semaphore>,
    guests: Arc<Semaphore>,
    egress: Arc<Egress>,
    /// Held while the host reads files for a model.
    reading: Semaphore,
    /// Held by a call that may write files, one for each component: two that read, change and write a file at the same
    /// time would each undo what the other did.
    writing: Mutex<HashMap<[u8; 32], Arc<tokio::sync::Mutex<()>>>>,
}

impl Sandbox {
    /// Starts the engine.
    ///
    /// # Errors
    /// [`LoadError::Engine`]: the host does not allow what the engine needs, executable memory for example.
    pub fn new(config: SandboxConfig) -> Result<Self, LoadError> {
        let engine = engine_config(config.engine).and_then(|config| Engine::new(&config)).map_err(engine_error)?;
        keep_time(&engine).map_err(|error| LoadError::Engine(error.to_string()))?;
        let mut skills = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut skills).map_err(engine_error)?;
        add_files_to_linker(&mut skills).map_err(engine_error)?;
        add_network_to_linker(&mut skills).map_err(engine_error)?;
        skill::Skill::add_to_linker::<_, HasSelf<_>>(&mut skills, |store| store).map_err(engine_error)?;
        let mut experts = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut experts).map_err(engine_error)?;
        expert::Expert::add_to_linker::<_, HasSelf<_>>(&mut experts, |store| store).map_err(engine_error)?;
        let plugins = extism::linker(&engine).map_err(engine_error)?;
        Ok(Self(Arc::new(Shared {
            engine,
            skills,
            experts,
            plugins,
            cache: config.cache,
            compiling: Arc::new(Semaphore::new(MAX_COMPILING)),
            guests: Arc::new(Semaphore::new(MAX_GUESTS as usize)),
            egress: Arc::new(Egress::new(config.egress)),
            reading: Semaphore::new(MAX_READING),
            writing: Mutex::default(),
        })))
    }

    /// What the cache holds, where there is one.
    ///
    /// # Errors
    /// Its folder cannot be read.
    pub fn cached(&self) -> std::io::Result<Option<CacheContents>> {
        self.0.cache.as_ref().map(|cache| cache.contents(&self.0.engine)).transpose()
    }

    /// A turn to read files for a model.
    pub(crate) async fn reading(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        // It is never closed.
        self.0.reading.acquire().await.ok()
    }

    /// The way to the network.
    pub(crate) fn egress(&self) -> Arc<Egress> {
        self.0.egress.clone()
    }

    /// What calls of a component that may write files take turns with.
    pub(crate) fn turns(&self, component: &ComponentBytes) -> Arc<tokio::sync::Mutex<()>> {
        let mut writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        writing.entry(*component.digest()).or_default().clone()
    }

    /// Checks and compiles a skill, and links it.
    pub(crate) async fn link_skill(
        &self,
        component: &ComponentBytes,
        limits: &Limits,
    ) -> Result<(LinkedSkill, Option<Needs>), LoadError> {
        component.at_most(limits.component)?;
        let checked = check(component, World::Skill)?;
        let compiled = self.compile(component, limits.compile).await?;
        let linked = self.0.skills.instantiate_pre(&compiled).map_err(does_not_link)?;
        let linked = match checked.calls {
            Calls::World => skill::SkillPre::new(linked).map(LinkedSkill::Ours).map_err(does_not_link)?,
            Calls::Functions => {
                let wit = checked.wit.into_iter().map(<[u8]>::to_vec).collect();
                LinkedSkill::Other { linked, documentation: read_documentation(wit).await? }
            }
        };
        Ok((linked, checked.needs))
    }

    /// Checks and compiles an Expert's logic, and links it.
    pub(crate) async fn link_logic(
        &self,
        component: &ComponentBytes,
        limits: &Limits,
    ) -> Result<expert::ExpertPre<LogicStore>, LoadError> {
        component.at_most(limits.component)?;
        check(component, World::Expert)?;
        let compiled = self.compile(component, limits.compile).await?;
        let linked = self.0.experts.instantiate_pre(&compiled).and_then(expert::ExpertPre::new);
        linked.map_err(does_not_link)
    }

    /// Checks and compiles an Extism plugin, and links it.
    pub(crate) async fn link_plugin(&self, plugin: &ComponentBytes, limits: &Limits) -> Result<Plugin, LoadError> {
        plugin.at_most(limits.component)?;
        let interface = extism::check(plugin.bytes())?.interface;
        let bytes = plugin.clone();
        let module = self.compiling(limits.compile, move |shared| shared.compile_module(&bytes)).await?;
        let linked = self.0.plugins.instantiate_pre(&module).map_err(does_not_link)?;
        Ok(Plugin::new(linked, interface))
    }

    async fn compile(&self, component: &ComponentBytes, limit: Duration) -> Result<Component, LoadError> {
        let component = component.clone();
        self.compiling(limit, move |shared| shared.compile(&component)).await
    }

    async fn compiling<T: Send + 'static>(
        &self,
        limit: Duration,
        compile: impl FnOnce(&Shared) -> Result<T, LoadError> + Send + 'static,
    ) -> Result<T, LoadError> {
        let shared = self.0.clone();
        let failed = |error: &dyn std::fmt::Display| LoadError::Engine(error.to_string());
        // Taken into the task: one that ran over its time still counts until it is really done.
        let turn = shared.compiling.clone().acquire_owned().await.map_err(|error| failed(&error))?;
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            compile(&shared)
        });
        match tokio::time::timeout(limit, task).await {
            Ok(done) => done.map_err(|error| failed(&error))?,
            Err(_) => Err(LoadError::CompileTimeout(limit)),
        }
    }

    /// Waits for a place among the guests.
    pub(crate) async fn place(&self) -> Result<tokio::sync::OwnedSemaphorePermit, tokio::sync::AcquireError> {
        self.0.guests.clone().acquire_owned().await
    }

    /// A store that holds nothing but `data`, with everything bounded that is the same for every guest.
    pub(crate) fn store<T: Send + 'static>(&self, data: T, limits: &Limits) -> Store<T> {
        let mut store = Store::new(&self.0.engine, data);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        store.set_hostcall_fuel(usize::try_from(limits.buffers).unwrap_or(usize::MAX));
        store
    }
}

impl Shared {
    fn compile(&self, component: &ComponentBytes) -> Result<Component, LoadError> {
        if let Some(compiled) = self.cache.as_ref().and_then(|cache| cache.load(&self.engine, component)) {
            return Ok(compiled);
        }
        let compiled =
            Component::from_binary(&self.engine, component.bytes()).map_err(|error| does_not_compile(&error))?;
        self.keep(component, || compiled.serialize());
        Ok(compiled)
    }

    fn compile_module(&self, module: &ComponentBytes) -> Result<Module, LoadError> {
        if let Some(compiled) = self.cache.as_ref().and_then(|cache| cache.load_module(&self.engine, module)) {
            return Ok(compiled);
        }
        let compiled = Module::from_binary(&self.engine, module.bytes()).map_err(|error| does_not_compile(&error))?;
        self.keep(module, || compiled.serialize());
        Ok(compiled)
    }

    /// Puts code into the cache, if there is one.
    fn keep(&self, component: &ComponentBytes, code: impl FnOnce() -> wasmtime::Result<Vec<u8>>) {
        if let Some((cache, code)) = self.cache.as_ref().zip(code().ok()) {
            // A full disk makes the next start slower, and nothing else.
            drop(cache.store(&self.engine, component, &code));
        }
    }
}

/// Reads the WIT that a component carries.
async fn read_documentation(sections: Vec<Vec<u8>>) -> Result<Documentation, LoadError> {
    if sections.is_empty() {
        return Ok(Documentation::default());
    }
    let task = tokio::task::spawn_blocking(move || {
        Documentation::read(&sections.iter().map(Vec::as_slice).collect::<Vec<_>>())
    });
    let reason = match tokio::time::timeout(DOCUMENTATION_TIMEOUT, task).await {
        Ok(Ok(Ok(documentation))) => return Ok(documentation),
        Ok(Ok(Err(reason))) => reason,
        Ok(Err(_)) | Err(_) => format!("its section `{SECTION}` cannot be read"),
    };
    Err(LoadError::Damaged { reason: printable(&reason) })
}

/// The interpreter's instructions, for pointers as this host has them.
const INTERPRETER: &str = match (cfg!(target_pointer_width = "64"), cfg!(target_endian = "little")) {
    (true, true) => "pulley64",
    (true, false) => "pulley64be",
    (false, true) => "pulley32",
    (false, false) => "pulley32be",
};

fn engine_config(kind: EngineKind) -> wasmtime::Result<Config> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(MAX_GUESTS)
        .total_stacks(MAX_GUESTS)
        .total_memories(POOL_MEMORIES)
        .total_tables(POOL_TABLES)
        .total_core_instances(POOL_CORE_INSTANCES)
        .max_core_instances_per_component(Limits::DEFAULT_INSTANCES as u32)
        .max_memories_per_component(MAX_MEMORIES as u32)
        .max_tables_per_component(MAX_TABLES as u32)
        .max_tables_per_module(8)
        .table_elements(Limits::DEFAULT_TABLE_ELEMENTS as usize)
        .max_memory_size(usize::try_from(Limits::MAX_MEMORY).unwrap_or(usize::MAX))
        .max_component_instance_size(1 << 20)
        .max_core_instance_size(1 << 20)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .memory_init_cow(true)
        .epoch_interruption(true)
        .concurrency_support(false)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_memory64(false);
    if kind == EngineKind::Interpreter {
        // It checks every access itself: neither signals nor guard pages are of use to it, and none are asked for.
        config.target(INTERPRETER)?;
    }
    Ok(config)
}

/// Moves the engine's time forward for as long as the engine lives.
fn keep_time(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(EPOCH);
        }
    };
    thread::Builder::new().name("sandbox-epoch".into()).spawn(tick).map(drop)
}

/// A table of resources that a guest cannot fill without end.
pub(crate) fn resources(limits: &Limits) -> wasmtime::component::ResourceTable {
    let mut table = wasmtime::component::ResourceTable::new();
    table.set_max_capacity(usize::try_from(limits.handles).unwrap_or(usize::MAX));
    table
}

fn engine_error(error: wasmtime::Error) -> LoadError {
    LoadError::Engine(format!("{error:#}"))
}

fn does_not_link(error: wasmtime::Error) -> LoadError {
    LoadError::DoesNotLink { reason: printable(&format!("{error:#}")) }
}

fn does_not_compile(error: &wasmtime::Error) -> LoadError {
    let reason = printable(format!("{error:#}").lines().next().unwrap_or("unknown"));
    // wasmtime has no type for it: what is larger than a slot of the pool says so.
    if reason.contains("pooling allocator") {
        LoadError::TooDemanding { reason }
    } else {
        LoadError::Damaged { reason }
    }
}
