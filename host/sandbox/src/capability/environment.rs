//! Environment variables: those that were granted, in an environment that is built from nothing.

use wasmtime_wasi::WasiCtxBuilder;

use super::network::{Placeholders, Secrets};

pub(crate) fn set(wasi: &mut WasiCtxBuilder, granted: &[(String, String)]) {
    wasi.envs(granted);
}

/// Variables of secrets have placeholders.
pub(crate) fn set_placeholders(wasi: &mut WasiCtxBuilder, placeholders: &Placeholders, secrets: &Secrets) {
    for (name, placeholder) in placeholders.variables(secrets) {
        wasi.env(name, placeholder);
    }
}
