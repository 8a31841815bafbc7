//! What the sandbox costs on top of wasmtime: a call of a skill's tool beside the same call in bare wasmtime, measured
//! in turns, so that what else the machine does meets both; and what loading costs.
//!
//! Fails where a call costs more than [`MAX_RATIO`] times as much as in bare wasmtime, or a start from the cache takes
//! longer than [`MAX_WARM`].

#![allow(missing_docs, reason = "bindings are generated without")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "this is a benchmark")]

use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use perstack_core::{
    CallContext, Id, Limits, NotKept, Observation, Observer, OpenState, StateError, StateSource, ToolSet,
};
use perstack_sandbox::{Cache, ComponentBytes, Grants, Sandbox, SandboxConfig, Skill};
use serde_json::json;
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

const WARM_UP: usize = 200;
const ROUNDS: usize = 5000;
const LOADS: usize = 30;
const COLD_LOADS: usize = 3;

const MAX_RATIO: f64 = 1.5;
const MAX_WARM: Duration = Duration::from_millis(5);

fn main() -> ExitCode {
    // `cargo test` runs benchmarks too, without this: they are built, and that is enough.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure())
}

async fn measure() -> ExitCode {
    let folder = tempfile::tempdir().unwrap();
    let mut cold = Vec::new();
    for number in 0..COLD_LOADS {
        cold.push(load(&folder.path().join(number.to_string())).await.1);
    }
    let mut warm = Vec::new();
    for _ in 0..LOADS {
        warm.push(load(&folder.path().join("0")).await.1);
    }
    let (skill, _) = load(&folder.path().join("0")).await;
    let bare = Bare::new();
    for _ in 0..WARM_UP {
        bare.call().await;
        call(&skill).await;
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(timed(bare.call()).await);
        ours.push(timed(call(&skill)).await);
    }
    let (ours, theirs, warm, cold) = (Row::of(ours), Row::of(theirs), Row::of(warm), Row::of(cold));
    let ratio = ours.median.as_secs_f64() / theirs.median.as_secs_f64();
    println!("{:<44} {:>12} {:>12}", "", "min", "median");
    theirs.print("call, bare wasmtime");
    ours.print("call, Skill::call");
    warm.print("load, from the cache");
    cold.print("load, compiled");
    println!("\nSkill::call / bare wasmtime, medians: {ratio:.2} (at most {MAX_RATIO})");
    if ratio > MAX_RATIO || warm.median > MAX_WARM {
        println!("too slow: see the limits in {}", file!());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let started = Instant::now();
    work.await;
    started.elapsed()
}

struct Row {
    min: Duration,
    median: Duration,
}

impl Row {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self { min: times[0], median: times[times.len() / 2] }
    }

    fn print(&self, name: &str) {
        println!("{name:<44} {:>12.1?} {:>12.1?}", self.min, self.median);
    }
}

/// From the file to the list of tools, with an engine that was started before.
async fn load(folder: &Path) -> (Skill, Duration) {
    let cache = Cache::open(&folder.join("cache"), &folder.join("key")).unwrap();
    let sandbox = Sandbox::new(SandboxConfig { cache: Some(cache), ..SandboxConfig::default() }).unwrap();
    let started = Instant::now();
    let component = ComponentBytes::read(Path::new(perstack_test_artifacts::GUESTS)).unwrap();
    let skill = Skill::load(&sandbox, "cases", &component, Grants::default(), Limits::default()).await.unwrap();
    let took = started.elapsed();
    assert!(!skill.tools().is_empty());
    (skill, took)
}

async fn call(skill: &Skill) {
    let outcome = skill.call("sandbox_echo", &json!({ "text": "hello" }), context()).await;
    assert!(black_box(outcome).result.is_ok());
}

fn context() -> CallContext {
    struct Nothing;
    #[async_trait::async_trait]
    impl StateSource for Nothing {
        async fn open(&self) -> Result<OpenState, StateError> {
            Err(StateError::Unavailable("there is none".into()))
        }
    }
    impl Observer for Nothing {
        fn observe(&self, _: Observation) -> Result<(), NotKept> {
            Ok(())
        }
    }
    CallContext {
        job_id: Id::from_entropy([1; 24]),
        run_id: Id::from_entropy([2; 24]),
        tool_call_id: "call-1".into(),
        expert_key: "bench".into(),
        state: Arc::new(Nothing),
        observer: Arc::new(Nothing),
    }
}

/// The same component in wasmtime, with the engine set up as the sandbox has it, and none of its limits and checks.
struct Bare {
    engine: Engine,
    linked: bindings::SkillPre<BareStore>,
}

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "skill",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

use bindings::perstack::plugin::{call_context, progress, state, types};

impl Bare {
    fn new() -> Self {
        const GUESTS: u32 = 256;
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(GUESTS)
            .total_stacks(GUESTS)
            .total_memories(GUESTS)
            .total_tables(4 * GUESTS)
            .total_core_instances(4 * GUESTS)
            .table_elements(60_000)
            .max_memory_size(1 << 30)
            .linear_memory_keep_resident(256 << 10)
            .table_keep_resident(256 << 10)
            .pagemap_scan(Enabled::Auto);
        let mut config = Config::new();
        config
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
            .epoch_interruption(true)
            .concurrency_support(false)
            .wasm_memory64(false);
        let engine = Engine::new(&config).unwrap();
        let time = engine.weak();
        thread::spawn(move || {
            while let Some(engine) = time.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(Duration::from_millis(10));
            }
        });
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        bindings::Skill::add_to_linker::<_, HasSelf<_>>(&mut linker, |store| store).unwrap();
        let component = Component::from_file(&engine, perstack_test_artifacts::GUESTS).unwrap();
        // What the measured call does not use: `wasi:http`.
        linker.define_unknown_imports_as_traps(&component).unwrap();
        let linked = bindings::SkillPre::new(linker.instantiate_pre(&component).unwrap()).unwrap();
        Self { engine, linked }
    }

    async fn call(&self) {
        let data = BareStore { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, data);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        let instance = self.linked.instantiate_async(&mut store).await.unwrap();
        let tools = instance.perstack_plugin_tools();
        let (name, arguments) = ("sandbox_echo".to_owned(), json!({ "text": "hello" }).to_string());
        let output = tools.call_call_tool(&mut store, &name, &arguments).await.unwrap();
        assert!(black_box(output).is_ok());
    }
}

struct BareStore {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for BareStore {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl types::Host for BareStore {}

impl progress::Host for BareStore {
    async fn report(&mut self, _: String, _: Option<f32>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl call_context::Host for BareStore {
    async fn get(&mut self) -> wasmtime::Result<call_context::Context> {
        Err(wasmtime::Error::msg("there is no context"))
    }
}

type Answer<T> = wasmtime::Result<Result<T, state::Error>>;

impl state::Host for BareStore {
    async fn get(&mut self, _: state::Scope, _: String) -> Answer<Option<Vec<u8>>> {
        Ok(Ok(None))
    }

    async fn set(&mut self, _: state::Scope, _: String, _: Vec<u8>) -> Answer<()> {
        Ok(Ok(()))
    }

    async fn delete(&mut self, _: state::Scope, _: String) -> Answer<()> {
        Ok(Ok(()))
    }

    async fn list_keys(&mut self, _: state::Scope) -> Answer<Vec<String>> {
        Ok(Ok(Vec::new()))
    }
}
