//! Tools of the program's own.

use std::sync::{Arc, Mutex};

use perstack_core::{Event, EventBody, RunEvent, ToolSet};
use perstack_runtime::{Project, Request, RunError, Runtime, RuntimeConfig, Stop, Workspace};

use crate::weather::{Caller, Weather};

pub(crate) const PROJECT: &str = "[experts.guide]\ninstruction = 'Guide.'\n";

async fn run(project: &str, tools: Arc<Weather>, times: usize) -> Result<(Stop, Vec<Event>), RunError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("perstack.toml"), project).unwrap();
    let project = Project::read(&folder.path().join("perstack.toml")).unwrap();
    let workspace = Workspace::open(folder.path())?;
    let tool_sets = (0..times).map(|_| tools.clone() as Arc<dyn ToolSet>).collect();
    let config = RuntimeConfig { model: Some(Ok(Arc::new(Caller))), tool_sets, ..RuntimeConfig::default() };
    let heard: Arc<Mutex<Vec<Event>>> = Arc::default();
    let listener = {
        let heard = heard.clone();
        move |event: &Event| heard.lock().unwrap().push(event.clone())
    };
    let outcome =
        Runtime::new(config)?.run(&project, &workspace, Request::query("guide", "Weather?"), listener).await?;
    let heard = heard.lock().unwrap().clone();
    Ok((outcome.stop, heard))
}

#[tokio::test]
async fn a_program_brings_its_own_model_and_tools() {
    let tools = Arc::new(Weather::new());
    let (stop, events) = run(PROJECT, tools.clone(), 1).await.unwrap();
    assert_eq!(stop, Stop::Completed("It rains.".into()));
    assert_eq!(*tools.asked.lock().unwrap(), ["guide: weather \"Kyoto\""]);
    let called = events.iter().find_map(|event| match &event.body {
        EventBody::Run { event, .. } => match &**event {
            RunEvent::CallTools { tool_calls, .. } => Some(tool_calls[0].skill_name.clone()),
            _ => None,
        },
        EventBody::Runtime(_) => None,
    });
    assert_eq!(called.unwrap(), "program");
}

#[tokio::test]
async fn two_tools_of_one_name_are_refused() {
    let refused = run(PROJECT, Arc::new(Weather::new()), 2).await;
    assert!(matches!(refused, Err(RunError::DuplicateTool { .. })), "{:?}", refused.map(|(stop, _)| stop));
}
