//! What the boundary costs: calls of a skill's tools beside the same calls in bare wasmtime, measured in turns, so that
//! what else the machine does meets both; and what loading costs.
//!
//! - A call of a tool that does nothing.
//! - A file that is opened: behind the fence, and in wasmtime's own directories.
//! - A request that is not granted: looked at by the gate, and refused without a look.
//!
//! Fails where one of the limits below is not kept.

#![allow(missing_docs, reason = "bindings are generated without")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "this is a benchmark")]

mod bare;
mod context;
mod times;

use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use perstack_core::config::{Access, NetworkPattern};
use perstack_core::{Limits, ToolSet};
use perstack_sandbox::{Cache, ComponentBytes, DirectoryGrant, Grants, NetworkGrants, Sandbox, SandboxConfig, Skill};
use serde_json::{Value, json};

use bare::Bare;
use context::context;
use times::{Row, timed};

const WARM_UP: usize = 200;
const ROUNDS: usize = 5000;
const LOADS: usize = 30;
const COLD_LOADS: usize = 3;
/// How often a call does what is measured, and how many such calls there are.
const REPEATS: u32 = 200;
const REPEATED_ROUNDS: usize = 200;
/// Destinations that are granted, and not the one that is asked for.
const DESTINATIONS: usize = 20;

const MAX_RATIO: f64 = 1.5;
const MAX_WARM: Duration = Duration::from_millis(5);
/// What the checks may add to opening a file, and to a request.
const MAX_OPEN: Duration = Duration::from_micros(5);
const MAX_DECISION: Duration = Duration::from_micros(2);

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
    let workspace = folder.path().join("workspace");
    std::fs::create_dir_all(workspace.join("in/folder")).unwrap();
    std::fs::write(workspace.join("in/folder/file"), "text").unwrap();

    let (mut warm, mut cold) = (Vec::new(), Vec::new());
    for number in 0..COLD_LOADS {
        cold.push(load(&folder.path().join(number.to_string()), &workspace).await.1);
    }
    for _ in 0..LOADS {
        warm.push(load(&folder.path().join("0"), &workspace).await.1);
    }
    let (skill, _) = load(&folder.path().join("0"), &workspace).await;
    let pair = Pair { skill, bare: Bare::new(), folder: &workspace.join("in") };

    let echo = json!({ "text": "hello" });
    let (ours, theirs) = pair.measure("sandbox_echo", &echo, true, WARM_UP, ROUNDS).await;
    let read = json!({ "path": "in/folder/file", "times": REPEATS });
    let open = pair.added("sandbox_read_file", &read, true).await;
    let fetch = json!({
        "method": "GET", "url": "https://elsewhere.example/", "headers": [], "body": "", "times": REPEATS, "together": false,
    });
    let decision = pair.added("sandbox_fetch", &fetch, false).await;

    let ratio = ours.median.as_secs_f64() / theirs.median.as_secs_f64();
    let (warm, cold) = (Row::of(warm), Row::of(cold));
    println!("{:<44} {:>12} {:>12}", "", "min", "median");
    print(&theirs, "call, bare wasmtime");
    print(&ours, "call, Skill::call");
    print(&warm, "load, from the cache");
    print(&cold, "load, compiled");
    println!("\nSkill::call / bare wasmtime, medians: {ratio:.2} (at most {MAX_RATIO})");
    println!("added to opening a file:              {open:.1?} (at most {MAX_OPEN:?})");
    println!("added to a request, {DESTINATIONS} granted:       {decision:.1?} (at most {MAX_DECISION:?})");
    if ratio > MAX_RATIO || warm.median > MAX_WARM || open > MAX_OPEN || decision > MAX_DECISION {
        println!("too slow: see the limits in {}", file!());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn print(row: &Row, name: &str) {
    println!("{name:<44} {:>12.1?} {:>12.1?}", row.min, row.median);
}

/// The same component twice.
struct Pair<'a> {
    skill: Skill,
    bare: Bare,
    folder: &'a Path,
}

impl Pair<'_> {
    /// How long the same call takes in both, called in turns.
    async fn measure(
        &self,
        tool: &str,
        arguments: &Value,
        succeeds: bool,
        warm_up: usize,
        rounds: usize,
    ) -> (Row, Row) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..warm_up + rounds {
            let their = timed(async {
                assert_eq!(self.bare.call(tool, arguments, self.folder).await, succeeds);
            });
            let their = their.await;
            let our = timed(async {
                let outcome = self.skill.call(tool, arguments, context()).await;
                assert_eq!(black_box(outcome).result.is_ok(), succeeds);
            });
            let our = our.await;
            if round >= warm_up {
                theirs.push(their);
                ours.push(our);
            }
        }
        (Row::of(ours), Row::of(theirs))
    }

    /// What is added to each of the things that a call does so often.
    async fn added(&self, tool: &str, arguments: &Value, succeeds: bool) -> Duration {
        let (ours, theirs) = self.measure(tool, arguments, succeeds, 5, REPEATED_ROUNDS).await;
        ours.median.saturating_sub(theirs.median) / REPEATS
    }
}

/// From the file to the list of tools, with an engine that was started before.
async fn load(folder: &Path, workspace: &Path) -> (Skill, Duration) {
    let cache = Cache::open(&folder.join("cache"), &folder.join("key")).unwrap();
    let sandbox = Sandbox::new(SandboxConfig { cache: Some(cache), ..SandboxConfig::default() }).unwrap();
    let directory =
        DirectoryGrant { workspace: workspace.to_owned(), path: "in".parse().unwrap(), access: Access::Read };
    let destination = |number| format!("https://*.host-{number}.example").parse::<NetworkPattern>().unwrap();
    let destinations: BTreeSet<_> = (0..DESTINATIONS).map(destination).collect();
    let network = NetworkGrants { destinations, ..NetworkGrants::default() };
    let grants = Grants { directories: vec![directory], network, ..Grants::default() };
    let limits = Limits { requests: u64::MAX, timeout: Duration::from_secs(60), ..Limits::default() };
    let started = Instant::now();
    let component = ComponentBytes::read(Path::new(perstack_test_artifacts::GUESTS)).unwrap();
    let skill = Skill::load(&sandbox, "cases", &component, grants, limits).await.unwrap();
    let took = started.elapsed();
    assert!(!skill.tools().is_empty());
    (skill, took)
}
