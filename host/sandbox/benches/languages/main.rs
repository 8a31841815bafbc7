//! What a skill costs in each language: its size, what loading it takes, and what a call takes, each in a fresh instance.
//!
//! Rust's is built with this. Those of other languages are taken from the folder that `PERSTACK_BENCH_GUESTS` names: any
//! component there with the tool `greet` or `count` of the examples.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "this is a benchmark")]

#[path = "../boundary/context.rs"]
mod context;
#[path = "../boundary/times.rs"]
mod times;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use perstack_core::{Limits, ToolSet};
use perstack_sandbox::{Cache, ComponentBytes, Grants, Sandbox, SandboxConfig, Skill};
use serde_json::{Value, json};

use context::context;
use times::{Row, timed};

const WARM_UP: usize = 50;
const ROUNDS: usize = 500;
const LOADS: usize = 10;

fn main() {
    // `cargo test` runs benchmarks too, without this: they are built, and that is enough.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let times = ["compile", "load, cached", "call, min", "call, median"];
    println!("{:<28} {:>9} {:>12} {:>12} {:>12} {:>12}", "", "size", times[0], times[1], times[2], times[3]);
    row("rust", Path::new(perstack_test_artifacts::GUESTS)).await;
    let Some(folder) = std::env::var_os("PERSTACK_BENCH_GUESTS").map(PathBuf::from) else {
        println!("skipped: PERSTACK_BENCH_GUESTS names no folder with components of other languages");
        return;
    };
    let mut components: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    components.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    components.sort();
    for component in components {
        row(&component.file_stem().unwrap().to_string_lossy(), &component).await;
    }
}

/// A tool that does next to nothing, and its arguments.
fn small_tool(skill: &Skill) -> Option<(&'static str, Value)> {
    let known = [
        ("sandbox_echo", json!({ "text": "Ada" })),
        ("greet", json!({ "name": "Ada" })),
        ("count", json!({ "text": "Ada" })),
    ];
    known.into_iter().find(|(name, _)| skill.tools().iter().any(|tool| tool.name == *name))
}

async fn row(name: &str, path: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let (_, compiled) = load(folder.path(), path).await;
    let mut loads = Vec::new();
    for _ in 0..LOADS {
        loads.push(load(folder.path(), path).await.1);
    }
    let (skill, _) = load(folder.path(), path).await;
    let Some((tool, arguments)) = small_tool(&skill) else {
        println!("{name:<28} has no tool that is known here");
        return;
    };
    let mut calls = Vec::new();
    for round in 0..WARM_UP + ROUNDS {
        let call = timed(async {
            let outcome = skill.call(tool, &arguments, context()).await;
            assert!(black_box(outcome).result.is_ok());
        });
        let call = call.await;
        if round >= WARM_UP {
            calls.push(call);
        }
    }
    let size = std::fs::metadata(path).unwrap().len() as f64 / 1e6;
    let (load, call) = (Row::of(loads), Row::of(calls));
    println!(
        "{name:<28} {size:>6.2} MB {compiled:>12.1?} {:>12.1?} {:>12.1?} {:>12.1?}",
        load.median, call.min, call.median
    );
}

/// From the file to the list of tools, with an engine that was started before.
async fn load(folder: &Path, path: &Path) -> (Skill, Duration) {
    let cache = Cache::open(&folder.join("cache"), &folder.join("key")).unwrap();
    let sandbox = Sandbox::new(SandboxConfig { cache: Some(cache), ..SandboxConfig::default() }).unwrap();
    let limits = Limits { compile: Duration::from_secs(300), ..Limits::default() };
    let mut loaded = None;
    let took = timed(async {
        let component = ComponentBytes::read(path).unwrap();
        loaded = Some(Skill::load(&sandbox, "bench", &component, Grants::default(), limits).await.unwrap());
    });
    let took = took.await;
    (loaded.unwrap(), took)
}
