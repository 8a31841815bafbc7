//! Runs WASI components, each with exactly what it was granted. The only crate that knows wasmtime.
