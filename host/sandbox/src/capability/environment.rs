//! Environment variables: those that were granted, in an environment that is built from nothing.

use wasmtime_wasi::WasiCtxBuilder;

pub(crate) fn set(wasi: &mut WasiCtxBuilder, granted: &[(String, String)]) {
    wasi.envs(granted);
}
