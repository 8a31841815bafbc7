//! A linked plugin, and calling it.

use serde_json::{Value, json};
use wasmtime::{Instance, InstancePre, Store, Val};
use wasmtime_wasi::I32Exit;

use super::module::Interface;
use super::store::PluginStore;
use crate::convert::within_output;
use crate::error::{Ended, printable};
use perstack_core::Limits;

/// What gets a plugin's own language ready. Extism calls the first of them that is there.
const INITIALIZERS: [&str; 2] = ["__wasm_call_ctors", "_initialize"];
/// The same of Haskell, which takes the arguments of a program.
const HASKELL: &str = "hs_init";

/// A plugin that is linked.
pub(crate) struct Plugin {
    linked: InstancePre<PluginStore>,
    interface: Interface,
}

/// What a plugin returned.
pub(crate) type Returned = Result<Vec<u8>, String>;

impl Plugin {
    pub(crate) fn new(linked: InstancePre<PluginStore>, interface: Interface) -> Self {
        Self { linked, interface }
    }

    /// Asks for its tools.
    pub(crate) async fn list(&self, store: &mut Store<PluginStore>, limits: &Limits) -> wasmtime::Result<Returned> {
        let input = match self.interface {
            Interface::Servlet => String::new(),
            Interface::Handlers => json!({ "context": { "id": "", "_meta": {} } }).to_string(),
        };
        self.run(store, self.interface.list(), input, limits).await
    }

    /// Calls a tool.
    pub(crate) async fn call(
        &self,
        store: &mut Store<PluginStore>,
        call_id: &str,
        tool: &str,
        arguments: &Value,
        limits: &Limits,
    ) -> wasmtime::Result<Returned> {
        let called = json!({ "name": tool, "arguments": arguments });
        let input = match self.interface {
            Interface::Servlet => json!({ "method": "tools/call", "params": called }),
            Interface::Handlers => json!({ "request": called, "context": { "id": call_id, "_meta": {} } }),
        };
        self.run(store, self.interface.call(), input.to_string(), limits).await
    }

    /// Calls a function in a fresh instance: its output, or the error that it set.
    async fn run(
        &self,
        store: &mut Store<PluginStore>,
        name: &str,
        input: String,
        limits: &Limits,
    ) -> wasmtime::Result<Returned> {
        let instance = self.linked.instantiate_async(&mut *store).await?;
        initialize(&instance, store).await?;
        let length = input.len() as u64;
        store.data_mut().input = (store.data_mut().give(input.as_bytes())?, length);
        let code = match call_function(&instance, store, name).await {
            Err(error) if matches!(error.downcast_ref(), Some(I32Exit(0))) => 0,
            code => code?,
        };
        let data = store.data();
        let error = data.blocks.get(data.error).filter(|text| !text.is_empty());
        if let Some(text) = error {
            within_output(text.len(), limits)?;
            return Ok(Err(String::from_utf8_lossy(text).into_owned()));
        }
        if code != 0 {
            return Ok(Err(format!("`{name}` returned {code}, and does not say why")));
        }
        let (offset, length) = data.output;
        if length == 0 {
            return Ok(Ok(Vec::new()));
        }
        // Before it is copied.
        within_output(usize::try_from(length)?, limits)?;
        let output = data.blocks.read(offset, length);
        let output = output.ok_or_else(|| Ended::BadAnswer("its output is not in its memory".into()))?;
        Ok(Ok(output.to_vec()))
    }
}

async fn initialize(instance: &Instance, store: &mut Store<PluginStore>) -> wasmtime::Result<()> {
    for name in INITIALIZERS {
        if let Ok(function) = instance.get_typed_func::<(), ()>(&mut *store, name) {
            function.call_async(&mut *store, ()).await?;
            break;
        }
    }
    if let Ok(function) = instance.get_typed_func::<(u32, u32), ()>(&mut *store, HASKELL) {
        function.call_async(&mut *store, (0, 0)).await?;
    }
    Ok(())
}

/// Calls a function without parameters that returns a number or nothing.
async fn call_function(instance: &Instance, store: &mut Store<PluginStore>, name: &str) -> wasmtime::Result<i32> {
    let bad = |what: &str| Ended::BadAnswer(format!("`{}` {what}", printable(name)));
    let function = instance.get_func(&mut *store, name).ok_or_else(|| bad("is not there"))?;
    let ty = function.ty(&*store);
    if ty.params().len() > 0 || ty.results().len() > 1 {
        return Err(bad("takes parameters, or returns several values").into());
    }
    let mut results = vec![Val::I32(0); ty.results().len()];
    function.call_async(store, &[], &mut results).await?;
    match results.first() {
        Some(Val::I32(code)) => Ok(*code),
        Some(_) => Err(bad("returns no number of 32 bits").into()),
        None => Ok(0),
    }
}
