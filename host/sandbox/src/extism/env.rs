//! The functions of `extism:host/env`, as Extism's documentation and its kernel have them.

use wasmtime::{Caller, Engine, Linker};
use wasmtime_wasi::p1;

use super::http;
use super::store::PluginStore;

/// The interface's name.
pub(super) const ENV: &str = "extism:host/env";

/// What a plugin is told which messages are wanted: Extism's number for `info`.
const INFO: u32 = 2;

/// All that a plugin may import of it. Its kernel has more, for hosts.
pub(super) const FUNCTIONS: &[&str] = &[
    "alloc",
    "free",
    "length",
    "length_unsafe",
    "load_u8",
    "load_u64",
    "store_u8",
    "store_u64",
    "input_length",
    "input_offset",
    "input_load_u8",
    "input_load_u64",
    "output_set",
    "output_length",
    "output_offset",
    "error_set",
    "error_get",
    "config_get",
    "var_get",
    "var_set",
    "http_request",
    "http_status_code",
    "http_headers",
    "log_trace",
    "log_debug",
    "log_info",
    "log_warn",
    "log_error",
    "get_log_level",
];

type Plugin<'a> = Caller<'a, PluginStore>;

/// All that there is for plugins.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<PluginStore>> {
    let mut linker = Linker::new(engine);
    p1::add_to_linker_async(&mut linker, |store: &mut PluginStore| &mut store.wasi)?;
    memory(&mut linker)?;
    values(&mut linker)?;
    linker.func_wrap_async(ENV, "http_request", |plugin: Plugin<'_>, (request, body): (u64, u64)| {
        Box::new(http::request(plugin, request, body))
    })?;
    linker.func_wrap(ENV, "http_status_code", |plugin: Plugin<'_>| u32::from(plugin.data().response.status))?;
    linker.func_wrap(ENV, "http_headers", |mut plugin: Plugin<'_>| -> wasmtime::Result<u64> {
        let headers = plugin.data().response.headers();
        Ok(plugin.data_mut().give(headers.as_bytes())?)
    })?;
    linker.func_wrap(ENV, "get_log_level", || INFO)?;
    for level in ["trace", "debug"] {
        linker.func_wrap(ENV, &format!("log_{level}"), |mut plugin: Plugin<'_>, text: u64| {
            plugin.data_mut().free(text);
        })?;
    }
    for level in ["info", "warn", "error"] {
        linker.func_wrap(ENV, &format!("log_{level}"), move |mut plugin: Plugin<'_>, text: u64| {
            plugin.data_mut().log(level, text).map_err(wasmtime::Error::new)
        })?;
    }
    Ok(linker)
}

/// Blocks, and the input, the output and the error, which are such.
fn memory(linker: &mut Linker<PluginStore>) -> wasmtime::Result<()> {
    linker.func_wrap(ENV, "alloc", |mut plugin: Plugin<'_>, length: u64| plugin.data_mut().alloc(length))?;
    linker.func_wrap(ENV, "free", |mut plugin: Plugin<'_>, offset: u64| plugin.data_mut().free(offset))?;
    for name in ["length", "length_unsafe"] {
        linker.func_wrap(ENV, name, |plugin: Plugin<'_>, offset: u64| {
            plugin.data().blocks.get(offset).map_or(0, |block| block.len() as u64)
        })?;
    }
    linker.func_wrap(ENV, "load_u8", |plugin: Plugin<'_>, offset: u64| byte(plugin.data(), offset))?;
    linker.func_wrap(ENV, "load_u64", |plugin: Plugin<'_>, offset: u64| word(plugin.data(), offset))?;
    linker.func_wrap(ENV, "store_u8", |mut plugin: Plugin<'_>, offset: u64, byte: u32| {
        let [byte, ..] = byte.to_le_bytes();
        plugin.data_mut().blocks.write(offset, [byte]);
    })?;
    linker.func_wrap(ENV, "store_u64", |mut plugin: Plugin<'_>, offset: u64, word: u64| {
        plugin.data_mut().blocks.write(offset, word.to_le_bytes());
    })?;
    linker.func_wrap(ENV, "input_length", |plugin: Plugin<'_>| plugin.data().input.1)?;
    linker.func_wrap(ENV, "input_offset", |plugin: Plugin<'_>| plugin.data().input.0)?;
    linker.func_wrap(ENV, "input_load_u8", |plugin: Plugin<'_>, at: u64| {
        in_input(plugin.data(), at).map_or(0, |offset| byte(plugin.data(), offset))
    })?;
    linker.func_wrap(ENV, "input_load_u64", |plugin: Plugin<'_>, at: u64| {
        in_input(plugin.data(), at).map_or(0, |offset| word(plugin.data(), offset))
    })?;
    linker.func_wrap(ENV, "output_set", |mut plugin: Plugin<'_>, offset: u64, length: u64| {
        plugin.data_mut().output = (offset, length);
    })?;
    linker.func_wrap(ENV, "output_offset", |plugin: Plugin<'_>| plugin.data().output.0)?;
    linker.func_wrap(ENV, "output_length", |plugin: Plugin<'_>| plugin.data().output.1)?;
    linker.func_wrap(ENV, "error_set", |mut plugin: Plugin<'_>, offset: u64| plugin.data_mut().error = offset)?;
    linker.func_wrap(ENV, "error_get", |plugin: Plugin<'_>| plugin.data().error)?;
    Ok(())
}

/// Configuration and variables.
fn values(linker: &mut Linker<PluginStore>) -> wasmtime::Result<()> {
    linker.func_wrap(ENV, "config_get", |mut plugin: Plugin<'_>, name: u64| {
        plugin.data_mut().config(name).map_err(wasmtime::Error::new)
    })?;
    linker.func_wrap(ENV, "var_get", |mut plugin: Plugin<'_>, name: u64| {
        plugin.data_mut().variable(name).map_err(wasmtime::Error::new)
    })?;
    linker.func_wrap(ENV, "var_set", |mut plugin: Plugin<'_>, name: u64, value: u64| {
        plugin.data_mut().set_variable(name, value).map_err(wasmtime::Error::new)
    })?;
    Ok(())
}

fn byte(store: &PluginStore, offset: u64) -> u32 {
    store.blocks.read(offset, 1).map_or(0, |bytes| u32::from(bytes[0]))
}

fn word(store: &PluginStore, offset: u64) -> u64 {
    let word = store.blocks.read(offset, 8).and_then(|bytes| bytes.try_into().ok());
    word.map_or(0, u64::from_le_bytes)
}

/// Where a byte of the input is.
fn in_input(store: &PluginStore, at: u64) -> Option<u64> {
    (at < store.input.1).then(|| store.input.0.checked_add(at)).flatten()
}
