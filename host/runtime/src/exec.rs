//! The base skill's `exec`, where a project lists programs for it: those are started by the host, and all other tools are
//! the component's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use perstack_core::{
    CallContext, CallLog, CallOutcome, Content, Limits, ToolDefinition, ToolError, ToolOutput, ToolSet,
};
use perstack_native::{Confinement, Ended, Invocation, Programs, RunError as ProgramError};
use perstack_sandbox::{CONFIG, HIDDEN};
use serde::Deserialize;
use serde_json::{Value, json};

/// The tool that starts programs.
const EXEC: &str = "exec";
/// How long a program may take if the model does not say: Perstack's default.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take at the most: a build of a large project.
const MAX_TIMEOUT: Duration = Duration::from_secs(1800);
/// What a program that said nothing is answered with, as in Perstack.
const NOTHING_SAID: &str = "Command executed successfully, but produced no output.";

/// The base skill, with programs.
pub(crate) struct WithPrograms {
    base: Arc<dyn ToolSet>,
    tools: Vec<ToolDefinition>,
    programs: Programs,
    confinement: Confinement,
}

/// The arguments of `exec`, as its schema has them.
#[derive(Deserialize)]
struct Arguments {
    command: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default = "here")]
    cwd: String,
    #[serde(default = "yes")]
    stdout: bool,
    #[serde(default = "yes")]
    stderr: bool,
    timeout: Option<f64>,
}

fn here() -> String {
    ".".to_owned()
}

fn yes() -> bool {
    true
}

impl WithPrograms {
    /// `own_files`: those of the project, which say what guests are.
    pub(crate) fn new(base: Arc<dyn ToolSet>, programs: Programs, workspace: &Path, own_files: &[PathBuf]) -> Self {
        let mut tools = base.tools().to_vec();
        for exec in tools.iter_mut().filter(|tool| tool.name == EXEC) {
            let names: Vec<String> = programs.names().map(|name| format!("`{name}`")).collect();
            exec.description = format!(
                "Runs a program in the workspace, and answers with what it wrote. These can be run: {}. There is no \
                 shell around them, no network, and no input; new files and folders at the workspace's root are made \
                 with the other tools. `timeout` is in milliseconds, 60000 by default.",
                names.join(", ")
            );
        }
        let hidden = HIDDEN.map(|name| workspace.join(name)).to_vec();
        let own = own_files.iter().filter_map(|file| file.canonicalize().ok());
        let read_only = own.chain([workspace.join(CONFIG)]).collect();
        let confinement = Confinement::new(workspace, hidden, read_only);
        Self { base, tools, programs, confinement }
    }

    async fn exec(&self, arguments: &Value) -> Result<ToolOutput, ToolError> {
        let invalid = |error: serde_json::Error| ToolError::InvalidArguments(error.to_string());
        let arguments = Arguments::deserialize(arguments).map_err(invalid)?;
        let Some(program) = self.programs.get(&arguments.command) else {
            let known: Vec<&str> = self.programs.names().collect();
            let known = known.join(", ");
            return Err(ToolError::Denied(format!("`{}` may not be run, only: {known}", arguments.command)));
        };
        let limits = Limits::default();
        let asked = arguments.timeout.and_then(|asked| Duration::try_from_secs_f64(asked / 1000.0).ok());
        let invocation = Invocation {
            arguments: arguments.args,
            environment: arguments.env,
            folder: arguments.cwd,
            timeout: asked.unwrap_or(DEFAULT_TIMEOUT).min(MAX_TIMEOUT),
            output: usize::try_from(limits.output).unwrap_or(usize::MAX),
            file_size: limits.disk,
        };
        let (error, said) = match program.run(&invocation, &self.confinement).await {
            Ok(Ended { stdout, stderr, failure: None }) => {
                let output = if arguments.stdout { stdout } else { String::new() };
                let errors = if arguments.stderr { stderr } else { String::new() };
                let said = output + &errors;
                let said = if said.trim().is_empty() { NOTHING_SAID.to_owned() } else { said };
                return Ok(text(&json!({ "output": said })));
            }
            Ok(Ended { stdout, stderr, failure: Some(failure) }) => (failure, Some((stdout, stderr))),
            Err(ProgramError::Timeout { stdout, stderr, .. }) => {
                let limit = invocation.timeout.as_millis();
                (format!("Command timed out after {limit}ms."), Some((stdout, stderr)))
            }
            Err(error) => (error.to_string(), None),
        };
        let mut answer = json!({ "error": error });
        if let Some((stdout, stderr)) = said {
            for (name, said, asked) in [("stdout", stdout, arguments.stdout), ("stderr", stderr, arguments.stderr)] {
                if asked && !said.is_empty() {
                    answer[name] = said.into();
                }
            }
        }
        Err(ToolError::Failed(answer.to_string()))
    }
}

fn text(answer: &Value) -> ToolOutput {
    ToolOutput { content: vec![Content::Text { text: answer.to_string() }], structured: None }
}

#[async_trait::async_trait]
impl ToolSet for WithPrograms {
    fn name(&self) -> &str {
        self.base.name()
    }

    fn tools(&self) -> &[ToolDefinition] {
        &self.tools
    }

    async fn call(&self, tool: &str, arguments: &Value, context: CallContext) -> CallOutcome {
        if tool != EXEC {
            return self.base.call(tool, arguments, context).await;
        }
        CallOutcome {
            result: self.exec(arguments).await,
            state_changes: Vec::new(),
            state_guard: None,
            log: CallLog::default(),
        }
    }
}
