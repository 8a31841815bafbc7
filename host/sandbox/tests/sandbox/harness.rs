//! What every test needs: a sandbox, skills with grants and limits, calls, and a host that keeps what it is told.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use perstack_core::{
    CallContext, CallOutcome, Content, Id, Limits, NotKept, Observation, Observer, OpenState, StateEntries, StateError,
    StateSource, ToolError, ToolSet,
};
use perstack_sandbox::{
    Cache, ComponentBytes, DirectoryGrant, EgressConfig, Grants, LoadError, Sandbox, SandboxConfig, Skill,
};
use serde_json::{Value, json};

/// The time limit of guests that never end by themselves: long enough for every other call, on any machine.
pub(crate) const SHORT: Duration = Duration::from_secs(1);
/// A limit that no test reaches: guests that wait for each other have that long to meet.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// One engine for all tests, with a cache that outlives them: compiling is not what they test. All of them hold for the
/// interpreter too: `PERSTACK_TEST_ENGINE=interpreter`.
pub(crate) fn sandbox() -> Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| sandbox_on(EgressConfig::default())).clone()
}

/// An engine of its own, on an operator's network.
pub(crate) fn sandbox_on(egress: EgressConfig) -> Sandbox {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let cache = Cache::open(&folder.join("sandbox-cache"), &folder.join("sandbox-key")).unwrap();
    let engine = std::env::var("PERSTACK_TEST_ENGINE").map(|name| name.parse().unwrap()).unwrap_or_default();
    Sandbox::new(SandboxConfig { cache: Some(cache), egress, engine }).unwrap()
}

pub(crate) fn guests() -> ComponentBytes {
    ComponentBytes::read(Path::new(perstack_test_artifacts::GUESTS)).unwrap()
}

/// The test guests as a skill named `cases`.
pub(crate) async fn skill_with(grants: Grants, limits: Limits) -> Result<Skill, LoadError> {
    Skill::load(&sandbox(), "cases", &guests(), grants, limits).await
}

/// A skill that is granted nothing and has the default limits.
pub(crate) async fn skill() -> Skill {
    limited(Limits::default()).await
}

pub(crate) async fn limited(limits: Limits) -> Skill {
    skill_with(Grants::default(), limits).await.unwrap()
}

/// Grants in one workspace.
pub(crate) fn directories(workspace: &Path, grants: &[(&str, perstack_core::config::Access)]) -> Grants {
    let grant = |(path, access): &(&str, perstack_core::config::Access)| DirectoryGrant {
        workspace: workspace.to_owned(),
        path: path.parse().unwrap(),
        access: *access,
    };
    Grants { directories: grants.iter().map(grant).collect(), ..Grants::default() }
}

/// Where a call's state comes from and what it is told, kept to be looked at.
#[derive(Clone, Default)]
pub(crate) struct Host {
    pub(crate) entries: Arc<tokio::sync::Mutex<StateEntries>>,
    pub(crate) opened: Arc<AtomicUsize>,
    pub(crate) observed: Arc<Mutex<Vec<Observation>>>,
    /// Opening the state waits for others that open theirs.
    pub(crate) meeting: Option<Arc<tokio::sync::Barrier>>,
    /// Opening the state fails, and so does keeping what happens.
    pub(crate) broken: bool,
}

impl Host {
    pub(crate) fn context(&self) -> CallContext {
        CallContext {
            job_id: Id::from_entropy([1; 24]),
            run_id: Id::from_entropy([2; 24]),
            tool_call_id: "call-7".into(),
            expert_key: "tester@1.0.0".into(),
            state: Arc::new(self.clone()),
            observer: Arc::new(self.clone()),
        }
    }

    pub(crate) fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    pub(crate) async fn call(&self, skill: &Skill, tool: &str, arguments: Value) -> CallOutcome {
        skill.call(tool, &arguments, self.context()).await
    }
}

#[async_trait::async_trait]
impl StateSource for Host {
    async fn open(&self) -> Result<OpenState, StateError> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        if let Some(meeting) = &self.meeting {
            meeting.wait().await;
        }
        if self.broken {
            return Err(StateError::Unavailable("the disk is gone".into()));
        }
        let guard = self.entries.clone().lock_owned().await;
        Ok(OpenState { entries: guard.clone(), guard: Box::new(guard) })
    }
}

impl Observer for Host {
    fn observe(&self, observation: Observation) -> Result<(), NotKept> {
        if self.broken {
            return Err(NotKept("the disk is gone".into()));
        }
        self.observed.lock().unwrap().push(observation);
        Ok(())
    }
}

/// Calls a tool for a host that nobody looks at.
pub(crate) async fn call(skill: &Skill, tool: &str, arguments: Value) -> CallOutcome {
    Host::default().call(skill, tool, arguments).await
}

/// The text that a tool answered.
pub(crate) fn text(outcome: CallOutcome) -> String {
    match outcome.result.unwrap().content.as_slice() {
        [Content::Text { text }] => text.clone(),
        other => panic!("not one text: {other:?}"),
    }
}

/// The tool's own error.
pub(crate) fn failed(outcome: CallOutcome) -> String {
    match outcome.result {
        Err(ToolError::Failed(reason)) => reason,
        other => panic!("the tool did not fail: {other:?}"),
    }
}

/// Why the host ended the call.
pub(crate) fn ended(outcome: CallOutcome) -> String {
    match outcome.result {
        Err(ToolError::Ended(reason)) => reason,
        other => panic!("the call was not ended: {other:?}"),
    }
}

/// After whatever happened, the same skill answers as before.
pub(crate) async fn still_works(skill: &Skill) {
    let outcome = call(skill, "sandbox_echo", json!({ "text": "still here" })).await;
    assert_eq!(text(outcome), "still here");
}

/// A workspace with the folders `in` and `outside`, a file in each, and a `perstack` folder.
pub(crate) struct Workspace {
    folder: tempfile::TempDir,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        let workspace = Self { folder: tempfile::tempdir().unwrap() };
        for (folder, file) in [("in", "file"), ("outside", "secret"), ("perstack", "secret")] {
            std::fs::create_dir(workspace.path(folder)).unwrap();
            std::fs::write(workspace.path(folder).join(file), file).unwrap();
        }
        workspace
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }
}
