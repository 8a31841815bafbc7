//! Storage of the program's own: nothing of a job is a file.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use perstack_core::{Event, Id, JobStatus, ToolSet};
use perstack_runtime::{
    Durability, Existing, Input, JobChoice, LocalFiles, Outcome, Project, Request, RunError, Runtime, RuntimeConfig,
    Settings, Stop, Storage, StoreError, Workspace, check_storage,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::memory::Memory;
use crate::weather::{Caller, Weather};

/// An embedding program, whose jobs are in `memory`.
struct Program {
    folder: TempDir,
    project: Project,
    memory: Memory,
}

impl Program {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("perstack.toml");
        fs::write(&path, "[experts.guide]\ninstruction = 'Guide.'\n").unwrap();
        let project = Project::read(&path).unwrap();
        Self { folder, project, memory: Memory::new() }
    }

    /// As another process would open it: nothing is shared but the storage.
    fn workspace(&self) -> Workspace {
        Workspace::with_storage(self.folder.path(), Arc::new(self.memory.clone())).unwrap()
    }

    async fn run(&self, weather: &Arc<Weather>, input: Input, job: JobChoice) -> Result<Outcome, RunError> {
        let tool_sets = vec![weather.clone() as Arc<dyn ToolSet>];
        let config = RuntimeConfig { model: Some(Ok(Arc::new(Caller))), tool_sets, ..RuntimeConfig::default() };
        let request = Request { expert_key: "guide".into(), input, job, settings: Settings::default() };
        Runtime::new(config)?.run(&self.project, &self.workspace(), request, |_: &Event| {}).await
    }

    /// The types of a job's events, as they are read back.
    fn events(&self, job: &Id) -> Vec<String> {
        let history = self.workspace().history(job);
        let events = history.events().unwrap();
        for event in &events {
            assert_eq!(history.event(event).unwrap()["type"], event.kind);
            assert!(history.has_run(&event.run_id).unwrap());
        }
        events.into_iter().map(|event| event.kind).collect()
    }

    /// Nothing but the project is in the folder.
    fn assert_no_files(&self) {
        let names: Vec<_> = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["perstack.toml"]);
    }

    /// How often the tool was called, as it remembers it.
    fn calls(&self, place: &str) -> String {
        let state: Value = serde_json::from_str(&self.memory.text(&format!("{place}/guide/program.json"))).unwrap();
        state["entries"]["calls"]["text"].as_str().unwrap().to_owned()
    }
}

fn query() -> Input {
    Input::Query("Weather?".into())
}

#[test]
fn memory_keeps_the_promises_of_a_storage() {
    let memory = Memory::new();
    check_storage(&memory, &memory.clone()).unwrap();
}

#[tokio::test]
async fn a_job_that_was_interrupted_goes_on_from_memory() {
    let program = Program::new();
    let job: Id = "mine".parse().unwrap();
    let stuck = Arc::new(Notify::new());
    let weather = Arc::new(Weather { stuck: Some(stuck.clone()), ..Weather::new() });
    tokio::select! {
        outcome = program.run(&weather, query(), JobChoice::Named(job.clone())) => panic!("{outcome:?}"),
        () = stuck.notified() => {}
    }
    let history = program.workspace().history(&job);
    assert_eq!(history.job().unwrap().unwrap().status, JobStatus::Running);
    assert_eq!(program.events(&job).last().unwrap(), "callTools");

    let weather = Arc::new(Weather::new());
    let outcome = program.run(&weather, Input::Nothing, JobChoice::Latest).await.unwrap();
    assert_eq!((outcome.job_id, outcome.stop), (job.clone(), Stop::Completed("It rains.".into())));
    assert_eq!(*weather.asked.lock().unwrap(), ["guide: weather \"Kyoto\""]);

    let latest = history.job().unwrap().unwrap();
    assert_eq!(latest.status, JobStatus::Completed);
    let checkpoint = history.checkpoint(&latest.latest_checkpoint_id.unwrap()).unwrap().unwrap();
    assert_eq!(checkpoint.step_number, outcome.steps);
    assert_eq!(program.events(&job).last().unwrap(), "completeRun");
    assert_eq!(program.workspace().jobs().unwrap().len(), 1);
    assert_eq!((program.calls("state"), program.calls("jobs/mine/state")), ("|".into(), "|".into()));
    program.assert_no_files();
}

#[tokio::test]
async fn two_openers_of_a_job_exclude_each_other() {
    let program = Program::new();
    let job: Id = "mine".parse().unwrap();
    let stuck = Arc::new(Notify::new());
    let weather = Arc::new(Weather { stuck: Some(stuck.clone()), ..Weather::new() });
    let first = program.run(&weather, query(), JobChoice::Named(job.clone()));
    let second = async {
        stuck.notified().await;
        for (input, choice) in
            [(Input::Nothing, JobChoice::Existing(job.clone())), (query(), JobChoice::Named(job.clone()))]
        {
            let refused = program.run(&Arc::new(Weather::new()), input, choice).await.unwrap_err();
            assert!(matches!(&refused, RunError::Store(StoreError::JobLocked(id)) if id == "mine"), "{refused}");
        }
        // Others may look at it, and begin their own.
        assert_eq!(program.events(&job).last().unwrap(), "callTools");
        program.run(&Arc::new(Weather::new()), query(), JobChoice::New).await.unwrap();
    };
    tokio::select! {
        outcome = first => panic!("{outcome:?}"),
        () = second => {}
    }
    program.run(&Arc::new(Weather::new()), Input::Nothing, JobChoice::Existing(job.clone())).await.unwrap();
    assert_eq!((program.calls("state"), program.calls("jobs/mine/state")), ("||".into(), "|".into()));
    let taken = program.run(&Arc::new(Weather::new()), query(), JobChoice::Named(job)).await.unwrap_err();
    assert!(matches!(taken, RunError::Store(StoreError::JobExists(_))), "{taken}");
}

/// What holds for a disk that is full holds for any storage: whatever was put last, the job goes on.
#[tokio::test]
async fn a_job_goes_on_wherever_its_storage_failed() {
    let mut failures = 0;
    for room in 0.. {
        let program = Program::new();
        let job: Id = "mine".parse().unwrap();
        program.memory.set_room(room);
        let weather = Arc::new(Weather::new());
        let outcome = program.run(&weather, query(), JobChoice::Named(job.clone())).await;
        if program.memory.room() > 0 {
            assert_eq!(outcome.unwrap().stop, Stop::Completed("It rains.".into()));
            break;
        }
        failures += 1;
        if let Err(error) = outcome {
            let RunError::Store(StoreError::Write { place, .. }) = &error else { panic!("{room}: {error}") };
            assert!(place.starts_with("jobs/mine/") || place == "state/guide/program.json", "{room}: {place}");
            assert_eq!(error.to_string(), format!("`{place}` cannot be written: no storage space"));
        }
        program.memory.set_room(usize::MAX);
        let begun = program.workspace().history(&job).job().unwrap().is_some();
        let (input, choice) = if begun {
            (Input::Nothing, JobChoice::Existing(job.clone()))
        } else {
            (query(), JobChoice::Named(job.clone()))
        };
        match program.run(&weather, input, choice).await {
            Ok(outcome) => assert_eq!(outcome.stop, Stop::Completed("It rains.".into()), "{room}"),
            Err(error) => assert!(matches!(error, RunError::Ended { .. }), "{room}: {error}"),
        }
        // The change belongs to the call's answer: it is made once, whenever the answer was recorded.
        let kept = (program.calls("state"), program.calls("jobs/mine/state"));
        assert_eq!(kept, ("|".into(), "|".into()), "{room}");
        assert_eq!(program.events(&job).last().unwrap(), "completeRun", "{room}");
        program.assert_no_files();
    }
    assert!(failures > 10, "{failures}");
}

/// Two calls of one guest, in jobs of their own, wait for each other.
#[tokio::test]
async fn a_guests_state_has_one_holder() {
    let program = Program::new();
    let lock = program.memory.try_lock(&"state/guide/program.lock".parse().unwrap()).unwrap().unwrap();
    let weather = Arc::new(Weather::new());
    let run = program.run(&weather, query(), JobChoice::New);
    tokio::pin!(run);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut run).await.is_err());
    assert_eq!(weather.asked.lock().unwrap().len(), 1);
    drop(lock);
    assert_eq!(run.await.unwrap().stop, Stop::Completed("It rains.".into()));
}

#[tokio::test]
async fn errors_name_the_document() {
    let program = Program::new();
    let job: Id = "mine".parse().unwrap();
    program.run(&Arc::new(Weather::new()), query(), JobChoice::Named(job.clone())).await.unwrap();
    program.memory.set_text("jobs/mine/job.json", "{");
    let error = program.workspace().history(&job).job().unwrap_err().to_string();
    assert!(error.starts_with("`jobs/mine/job.json` is damaged: "), "{error}");
    let error = program.workspace().open_job(&"other".parse().unwrap()).unwrap_err();
    assert!(matches!(error, StoreError::NoSuchJob(_)), "{error}");
    // It cannot be the one that was meant.
    assert!(program.workspace().jobs().unwrap().is_empty());
}

/// The layout and the format are the same wherever documents are: those of memory, put into files, are a job of them.
#[tokio::test]
async fn a_job_moves_from_memory_into_files() {
    let program = Program::new();
    let job = program.run(&Arc::new(Weather::new()), query(), JobChoice::New).await.unwrap().job_id;
    let files = LocalFiles::new(program.folder.path().join("perstack"));
    for name in program.memory.names() {
        let text = program.memory.text(&name);
        files.put(&name.parse().unwrap(), text.as_bytes(), Existing::Keep, Durability::Buffered).unwrap();
    }
    let workspace = Workspace::open(program.folder.path()).unwrap();
    assert_eq!(workspace.latest_job("guide").unwrap(), program.workspace().latest_job("guide").unwrap());
    let kinds = workspace.history(&job).events().unwrap().into_iter().map(|event| event.kind);
    assert_eq!(kinds.collect::<Vec<_>>(), program.events(&job));
    let error = workspace.open_job(&job).map(drop);
    assert!(error.is_ok(), "{error:?}");
}
