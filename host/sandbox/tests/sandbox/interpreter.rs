//! Components on the interpreter: they do the same, under the same limits, and what is compiled for one kind of engine is
//! not for the other.

use std::fs;
use std::path::Path;

use perstack_core::Limits;
use perstack_core::policy::EngineKind;
use perstack_sandbox::{Cache, CacheContents, Grants, Sandbox, SandboxConfig, Skill};
use serde_json::json;

use crate::harness::{SHORT, call, ended, guests, still_works, text};

fn sandbox(folder: &Path, engine: EngineKind) -> Sandbox {
    let cache = Cache::open(&folder.join("cache"), &folder.join("key")).unwrap();
    Sandbox::new(SandboxConfig { cache: Some(cache), engine, ..SandboxConfig::default() }).unwrap()
}

async fn load(sandbox: &Sandbox, limits: Limits) -> Skill {
    Skill::load(sandbox, "cases", &guests(), Grants::default(), limits).await.unwrap()
}

#[tokio::test]
async fn each_kind_of_engine_has_its_own_code() {
    let folder = tempfile::tempdir().unwrap();
    let count = |sandbox: &Sandbox| {
        let CacheContents { components, bytes, fitting } = sandbox.cached().unwrap().unwrap();
        assert_eq!(bytes > 0, components > 0);
        (components, fitting)
    };
    let compiled = sandbox(folder.path(), EngineKind::Compiled);
    still_works(&load(&compiled, Limits::default()).await).await;
    assert_eq!(count(&compiled), (1, 1));
    let interpreter = sandbox(folder.path(), EngineKind::Interpreter);
    assert_eq!(count(&interpreter), (1, 0));
    still_works(&load(&interpreter, Limits::default()).await).await;
    assert_eq!((count(&interpreter), count(&compiled)), ((2, 1), (2, 1)));
    // Under the other's name it does not pass either.
    let files = || fs::read_dir(folder.path().join("cache")).unwrap().map(|entry| entry.unwrap().path());
    let contents: Vec<_> = files().map(|file| (fs::read(&file).unwrap(), file)).collect();
    fs::write(&contents[0].1, &contents[1].0).unwrap();
    fs::write(&contents[1].1, &contents[0].0).unwrap();
    for engine in [EngineKind::Compiled, EngineKind::Interpreter] {
        still_works(&load(&sandbox(folder.path(), engine), Limits::default()).await).await;
    }
    let again: Vec<_> = contents.iter().map(|(_, file)| fs::read(file).unwrap()).collect();
    assert!(again[0] == contents[0].0 && again[1] == contents[1].0, "compiled anew, each for its own");
}

#[tokio::test]
async fn the_interpreter_keeps_limits() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = sandbox(folder.path(), EngineKind::Interpreter);
    let skill = load(&sandbox, Limits { timeout: SHORT, ..Limits::default() }).await;
    let spun = ended(call(&skill, "sandbox_spin", json!({})).await);
    assert_eq!(spun, "`cases` was ended: it ran into its time limit of 1 s");
    let skill = load(&sandbox, Limits { memory: 16 << 20, ..Limits::default() }).await;
    let bomb = ended(call(&skill, "sandbox_memory_bomb", json!({ "careful": false })).await);
    assert_eq!(bomb, "`cases` was ended: it ran into its limit of 16MiB memory");
    let deep = ended(call(&skill, "sandbox_recursion", json!({})).await);
    assert!(deep.contains("call stack exhausted"), "{deep}");
    still_works(&skill).await;
    assert_eq!(text(call(&skill, "sandbox_echo", json!({ "text": "ä" })).await), "ä");
}
