//! The same component in wasmtime, with the engine set up as the sandbox has it, and none of its limits and checks.

use std::hint::black_box;
use std::path::Path;
use std::thread;
use std::time::Duration;

use http::{Request, Response};
use serde_json::Value;
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

pub(crate) struct Bare {
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
    pub(crate) fn new() -> Self {
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
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).unwrap();
        bindings::Skill::add_to_linker::<_, HasSelf<_>>(&mut linker, |store| store).unwrap();
        let component = Component::from_file(&engine, perstack_test_artifacts::GUESTS).unwrap();
        let linked = bindings::SkillPre::new(linker.instantiate_pre(&component).unwrap()).unwrap();
        Self { engine, linked }
    }

    /// Calls a tool; `in` is the folder.
    pub(crate) async fn call(&self, tool: &str, arguments: &Value, folder: &Path) -> bool {
        let mut wasi = WasiCtx::builder();
        wasi.preopened_dir(folder, "in", FsPerms::ReadOnly).unwrap();
        let data =
            BareStore { wasi: wasi.build(), http: WasiHttpCtx::new(), hooks: Nowhere, table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, data);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        let instance = self.linked.instantiate_async(&mut store).await.unwrap();
        let tools = instance.perstack_plugin_tools();
        let output = tools.call_call_tool(&mut store, tool, &arguments.to_string()).await.unwrap();
        black_box(output).is_ok()
    }
}

struct BareStore {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Nowhere,
    table: ResourceTable,
}

/// Refuses requests, without a look at them.
struct Nowhere;

type Sent =
    wasmtime_wasi_http::Result<(Response<WasiBody>, Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>)>;

impl WasiHttpHooks for Nowhere {
    fn send_request(
        &mut self,
        _: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

impl WasiHttpView for BareStore {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
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
