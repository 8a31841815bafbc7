//! From what was typed to what is meant: the project, the workspace, the request.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use perstack_core::{Id, User};
use perstack_runtime::{
    Cache, HostPolicy, Input, JobChoice, NativeServers, Project, Request, Runtime, RuntimeConfig, Settings, Workspace,
};

use crate::args::{GlobalArgs, SharedArgs};
use crate::bundled;
use crate::failure::{Exit, Failure};
use crate::model;
use crate::terminal::Terminal;

/// The project that was named or is found here, if any.
pub(crate) fn own_project(config: Option<&Path>) -> Result<Option<Project>, Failure> {
    Ok(match config {
        Some(path) => Some(Project::read(path)?),
        None => Project::discover(Path::new("."))?,
    })
}

/// The project that defines an Expert: the one that was named or is found here, or else one that is part of the program.
pub(crate) fn project_of(config: Option<&Path>, expert_key: &str) -> Result<Project, Failure> {
    let own = own_project(config)?;
    let bundled = bundled::projects()?;
    let mut all: Vec<Project> = own.into_iter().chain(bundled).collect();
    if let Some(place) = all.iter().position(|project| project.expert(expert_key).is_some()) {
        return Ok(all.swap_remove(place));
    }
    let known = all.iter().flat_map(Project::expert_keys).collect();
    Err(perstack_runtime::RunError::UnknownExpert { key: expert_key.to_owned(), known }.into())
}

/// The folder that Experts share.
pub(crate) fn workspace(folder: Option<&Path>) -> Result<Workspace, Failure> {
    Workspace::open(folder.unwrap_or(Path::new("."))).map_err(|error| {
        let hint = "name a folder that exists with `--workspace`".to_owned();
        Failure::new(Exit::NotStarted, error, Some(hint))
    })
}

/// A runtime with the model that was chosen. It keeps compiled components in the user's cache.
pub(crate) fn runtime(args: &SharedArgs, project: &Project, policy: Option<HostPolicy>) -> Result<Runtime, Failure> {
    Ok(Runtime::new(runtime_config(args, project, policy)?)?)
}

/// The same, with somebody who can be asked while an Expert runs.
pub(crate) fn interactive_runtime(
    args: &SharedArgs,
    project: &Project,
    policy: Option<HostPolicy>,
) -> Result<Runtime, Failure> {
    let user: Arc<dyn User> = Arc::<Terminal>::default();
    Ok(Runtime::new(RuntimeConfig { user: Some(user), ..runtime_config(args, project, policy)? })?)
}

fn runtime_config(args: &SharedArgs, project: &Project, policy: Option<HostPolicy>) -> Result<RuntimeConfig, Failure> {
    if let Some(runtime) = args.runtime {
        perstack_runtime::accept(runtime)?;
    }
    let environment = model::environment(&args.env_path, project.config())?;
    if let Some(name) = args.env.iter().find(|name| !environment.contains_key(name.as_str())) {
        let hint = format!("set it: `export {name}=…`, or in `.env`");
        return Err(Failure::new(Exit::NotStarted, format_args!("the variable `{name}` is not set"), Some(hint)));
    }
    let model = Some(model::model(args, project.config(), &environment)?);
    Ok(RuntimeConfig {
        cache: cache(),
        base: Some(bundled::BASE),
        model,
        environment,
        policy,
        native_servers: NativeServers::Supervised,
        ..RuntimeConfig::default()
    })
}

/// Where compiled components are kept; a warning where that cannot be.
pub(crate) fn cache() -> Option<Cache> {
    match open_cache() {
        Ok(cache) => Some(cache),
        Err(reason) => {
            warn(&format!("compiled components are not kept, so every start is slow: {reason}"));
            None
        }
    }
}

/// What to run, as the command line says.
pub(crate) fn request(expert_key: &str, query: Option<String>, args: &SharedArgs) -> Request {
    let input = match query {
        Some(answer) if args.interactive_tool_call_result => Input::Answer(answer),
        Some(query) => Input::Query(query),
        None => Input::Nothing,
    };
    let job = match (&args.continue_job, &args.job_id) {
        (Some(job), _) if let Some(checkpoint) = &args.resume_from => {
            JobChoice::From { job: job.clone(), checkpoint: checkpoint.clone() }
        }
        (Some(id), _) => JobChoice::Existing(id.clone()),
        (None, _) if args.continue_latest => JobChoice::Latest,
        (None, Some(id)) => JobChoice::Named(id.clone()),
        (None, None) => JobChoice::New,
    };
    Request { expert_key: expert_key.to_owned(), input, job, settings: settings(args) }
}

/// What the command line sets over `perstack.toml`.
pub(crate) fn settings(args: &SharedArgs) -> Settings {
    Settings {
        max_steps: args.max_steps,
        max_tokens: args.max_tokens,
        max_retries: args.max_retries,
        timeout: args.timeout,
    }
}

/// The command with which a job goes on, as it can be typed: with all that was given and still matters.
pub(crate) fn continue_command(
    verb: &str,
    expert_key: &str,
    job: Option<&Id>,
    args: &SharedArgs,
    global: &GlobalArgs,
) -> String {
    let mut words = vec!["perstack".to_owned(), verb.to_owned(), expert_key.to_owned()];
    match job {
        Some(id) => words.extend(["--continue-job".to_owned(), id.to_string()]),
        None => words.push("--continue".to_owned()),
    }
    let mut option =
        |name: &str, value: Option<String>| words.extend(value.map(|value| format!("{name} {}", quoted(&value))));
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    option("--config", path(&global.config));
    option("--policy", path(&global.policy));
    option("--workspace", args.workspace.as_ref().map(|path| path.display().to_string()));
    option("--provider", args.provider.map(|provider| provider.to_string()));
    option("--model", args.model.clone());
    option("--reasoning-budget", args.reasoning_budget.map(|budget| budget.to_string()));
    for path in &args.env_path {
        option("--env-path", Some(path.display().to_string()));
    }
    words.join(" ")
}

/// For a shell.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "-_./:@=,+%".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Says something that does not stop the program.
#[expect(clippy::print_stderr, reason = "this is where the program speaks to people")]
pub(crate) fn warn(message: &str) {
    eprintln!("warning: {}", crate::text::harmless(message));
}

/// Says something that one has to know, where stdout is for others.
#[expect(clippy::print_stderr, reason = "this is where the program speaks to people")]
pub(crate) fn note(message: &str) {
    eprintln!("{}", crate::text::harmless(message));
}

/// The folders of compiled components and of the key that proves them genuine.
pub(crate) fn cache_folders() -> Result<[PathBuf; 2], String> {
    let cache = base_folder("XDG_CACHE_HOME", ".cache")?;
    let state = base_folder("XDG_STATE_HOME", ".local/state")?;
    Ok([cache.join("perstack/components"), state.join("perstack")])
}

pub(crate) fn open_cache() -> Result<Cache, String> {
    let [components, key] = cache_folders()?;
    Cache::open(&components, &key).map_err(|error| error.to_string())
}

/// A folder of the XDG base directory specification, which ignores paths that are not absolute.
fn base_folder(variable: &str, below_home: &str) -> Result<PathBuf, String> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").map(|home| home.join(below_home));
    absolute(variable).or_else(home).ok_or_else(|| format!("neither `{variable}` nor `HOME` is set"))
}
