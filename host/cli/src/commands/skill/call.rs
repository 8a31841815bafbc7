//! `perstack skill call`: one tool of a component, with just what is granted on the command line.

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use perstack_core::config::{Access, EnvName, FilesystemGrant, GrantPath, HostPattern, Needs, NetworkPattern};
use perstack_core::{Content, Event, EventBody, ProxyAction, RuntimeEvent, ToolError, ToolOutput};
use perstack_runtime::{HostPolicy, Project, Runtime, RuntimeConfig};
use serde_json::Value;

use super::build::package;
use crate::args::CallArgs;
use crate::context;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupts;
use crate::model;
use crate::text::harmless;

/// The Expert that calls, in `perstack log`.
const CALLER: &str = "skill-call";

/// One grant: `network=https://api.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    Network(NetworkPattern),
    File(FilesystemGrant),
    Env(EnvName),
    Secret(EnvName, HostPattern),
}

impl FromStr for Grant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let forms = || "there are network=URL, read=PATH, write=PATH, env=NAME and secret=NAME@HOST".to_owned();
        let (kind, value) = text.split_once('=').ok_or_else(forms)?;
        let file = |access| {
            let path: GrantPath = value.parse().map_err(said)?;
            Ok(Self::File(FilesystemGrant { path, access }))
        };
        match kind {
            "network" => value.parse().map(Self::Network).map_err(said),
            "read" => file(Access::Read),
            "write" => file(Access::Write),
            "env" => value.parse().map(Self::Env).map_err(said),
            "secret" => {
                let (name, host) = value.split_once('@').ok_or_else(forms)?;
                Ok(Self::Secret(name.parse().map_err(said)?, host.parse().map_err(said)?))
            }
            _ => Err(forms()),
        }
    }
}

fn said(error: perstack_core::config::ValueError) -> String {
    match error.hint {
        Some(hint) => format!("{}: {hint}", error.message),
        None => error.message,
    }
}

/// What to call, as it was typed: `[FILE.wasm] TOOL [ARGUMENTS]`.
struct Called {
    component: PathBuf,
    tool: String,
    arguments: Value,
}

impl Called {
    fn read(words: &[String]) -> Result<Self, Failure> {
        let usage = |message: &str| {
            let hint = "perstack skill call [FILE.wasm] TOOL '{\"name\":\"value\"}'".to_owned();
            Failure::new(Exit::NotStarted, message, Some(hint))
        };
        let file = file_of(words);
        let rest = &words[usize::from(file.is_some())..];
        let (tool, arguments) = match rest {
            [tool] => (tool, "{}"),
            [tool, arguments] => (tool, arguments.as_str()),
            _ => return Err(usage("it is not clear which tool to call")),
        };
        let arguments: Value =
            serde_json::from_str(arguments).map_err(|error| usage(&format!("the arguments are not JSON: {error}")))?;
        let component = file.map_or_else(own_component, Ok)?;
        Ok(Self { component, tool: tool.clone(), arguments })
    }
}

/// The component, where it was named.
fn file_of(words: &[String]) -> Option<PathBuf> {
    words.first().map(PathBuf::from).filter(|word| word.extension().is_some_and(|extension| extension == "wasm"))
}

/// The component that is called, if it is known which.
pub(crate) fn component_of_call(args: &CallArgs) -> Option<PathBuf> {
    file_of(&args.words).or_else(|| own_component().ok())
}

/// The component that `perstack skill build` wrote into the package that this folder is in.
fn own_component() -> Result<PathBuf, Failure> {
    let (folder, _) = package(Path::new("."))?;
    let entries = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let mut components = entries.filter(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    match (components.next(), components.next()) {
        (Some(component), None) => Ok(component),
        (None, _) => {
            let hint = "build one with `perstack skill build`, or name a file before the tool".to_owned();
            Err(Failure::new(
                Exit::NotStarted,
                format_args!("there is no component in {}", folder.display()),
                Some(hint),
            ))
        }
        (Some(_), Some(_)) => {
            let hint = "name one before the tool".to_owned();
            Err(Failure::new(
                Exit::NotStarted,
                format_args!("there are several components in {}", folder.display()),
                Some(hint),
            ))
        }
    }
}

/// `perstack skill call`.
pub(crate) async fn call(args: &CallArgs, policy: Option<HostPolicy>) -> Result<Exit, Failure> {
    let called = Called::read(&args.words)?;
    let folder = called.component.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = called.component.file_name().unwrap_or_default().to_string_lossy();
    let project = Project::unwritten(project_text(&file, &args.grant), folder)?;
    let environment = model::environment(&args.env_path, project.config())?;
    let runtime =
        Runtime::new(RuntimeConfig { cache: context::cache(), policy, environment, ..RuntimeConfig::default() })?;
    let workspace = context::workspace(args.workspace.as_deref())?;
    let mut interrupts = Interrupts::listen()?;
    let session = runtime.session(&project, &workspace, CALLER, Arc::new(tell)).await?;
    let began = Instant::now();
    let answer = interrupts.unless(session.call("call-1", &called.tool, called.arguments)).await;
    let took = began.elapsed();
    session.close().await?;
    let exit = match answer {
        Ok(answer) => {
            let failed = answer.is_err();
            let exit = show(&called.tool, answer);
            if failed {
                advise(&runtime, &project).await;
            }
            exit
        }
        Err(exit) => exit,
    };
    context::note(&format!("{:.1} ms", took.as_secs_f64() * 1e3));
    Ok(exit)
}

/// The answer on stdout, for others to read; why there is none on stderr.
fn show(tool: &str, answer: Result<ToolOutput, ToolError>) -> Exit {
    match answer {
        Ok(output) => {
            let text = output.structured.map_or_else(|| text_of(&output.content), |data| data.to_string());
            // Who reads nothing has made the call all the same.
            drop(writeln!(stdout(), "{}", harmless(&text)));
            Exit::Done
        }
        Err(error) => {
            context::note(&format!("✗ {tool}: {error}"));
            Exit::Failed
        }
    }
}

/// The grants that the component says that it needs, and the call did not have: their lack may be why it failed.
async fn advise(runtime: &Runtime, project: &Project) {
    let Some(used) = project.uses().next() else { return };
    let Ok(component) = project.component(used.component) else { return };
    let Ok(inspected) = runtime.inspect(&component).await else { return };
    let missing = inspected.component.needs.map(|needs| options(&needs.missing_in(used.granted))).unwrap_or_default();
    if !missing.is_empty() {
        context::note(&format!("  hint: it says that it needs, and was not granted: {}", missing.join(" ")));
    }
}

/// The options that grant something.
fn options(needs: &Needs) -> Vec<String> {
    let network = needs.network.iter().map(|pattern| format!("network={pattern}"));
    let files = needs.filesystem.iter().map(|grant| format!("{}={}", grant.access, grant.path));
    let env = needs.env.iter().map(|name| format!("env={name}"));
    let secrets = needs.secrets.iter().flat_map(|(name, hosts)| hosts.iter().map(move |host| (name, host)));
    let secrets = secrets.map(|(name, host)| format!("secret={name}@{}", host.as_str()));
    network.chain(files).chain(env).chain(secrets).map(|grant| format!("--grant '{grant}'")).collect()
}

/// The parts of an answer, a line each; of what is no text, what it is.
fn text_of(content: &[Content]) -> String {
    let text = |part: &Content| match part {
        Content::Text { text } => text.clone(),
        Content::Image { media_type, base64 } | Content::File { media_type, base64 } => {
            format!("({media_type}, {} characters of base64)", base64.len())
        }
    };
    content.iter().map(text).collect::<Vec<_>>().join("\n")
}

/// A `perstack.toml` with the component as the one skill, and what it is granted.
fn project_text(file: &str, grants: &[Grant]) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let name = file.trim_end_matches(".wasm");
    let expert = format!("[experts.{}]\ninstruction = \"Call.\"\n", quoted(CALLER));
    let skill = format!("[experts.{}.skills.{}", quoted(CALLER), quoted(name));
    let (mut network, mut files, mut env, mut secrets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for grant in grants {
        match grant {
            Grant::Network(pattern) => network.push(quoted(&pattern.to_string())),
            Grant::File(FilesystemGrant { path, access }) => {
                files.push(format!("{{ path = {}, access = \"{access}\" }}", quoted(path.as_str())));
            }
            Grant::Env(name) => env.push(quoted(name.as_str())),
            Grant::Secret(name, host) => secrets.push(format!("{name} = [{}]", quoted(host.as_str()))),
        }
    }
    format!(
        "{expert}{skill}]\ntype = \"wasmSkill\"\ncomponent = {}\n{skill}.capabilities]\nnetwork = [{}]\nfilesystem = [{}]\n\
         env = [{}]\nsecrets = {{ {} }}\n",
        quoted(file),
        network.join(", "),
        files.join(", "),
        env.join(", "),
        secrets.join(", ")
    )
}

/// What the skill is denied, with the option that grants it, and what it says, on stderr.
fn tell(event: &Event) {
    let EventBody::Runtime(event) = &event.body else { return };
    match &**event {
        RuntimeEvent::FileDenied { path, reason, .. } => {
            context::note(&format!("✗ access to `{path}` denied: {reason}\n  hint: --grant 'write={path}'"));
        }
        RuntimeEvent::ProxyAccess { action: ProxyAction::Blocked, domain, port, reason, .. } => {
            let reason = reason.as_deref().unwrap_or("blocked");
            let port_shown = if *port == 443 { String::new() } else { format!(":{port}") };
            context::note(&format!(
                "✗ network access to {domain}:{port} denied: {reason}\n  hint: --grant 'network=https://{domain}{port_shown}'"
            ));
        }
        RuntimeEvent::SkillStderr { message, .. } | RuntimeEvent::SkillProgress { message, .. } => {
            context::note(message)
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use perstack_core::config::Config;

    use super::*;

    #[test]
    fn grants_are_what_perstack_toml_would_say() {
        let grants = ["network=https://a.com", "read=.", "write=out", "env=REGION", "secret=KEY@a.com"];
        let grants: Vec<Grant> = grants.iter().map(|text| text.parse().unwrap()).collect();
        let text = project_text("odd \"name\".wasm", &grants);
        let config = Config::parse(&text).unwrap_or_else(|error| panic!("{error:?}: {text}"));
        let perstack_core::config::SkillKind::Wasm(skill) = &config.experts[0].skills[0].kind else { panic!("{text}") };
        let granted = &skill.capabilities;
        assert_eq!(skill.component.as_str(), "odd \"name\".wasm");
        assert_eq!((granted.network.len(), granted.filesystem.len(), granted.secrets.len()), (1, 2, 1));
        assert_eq!(granted.filesystem[1].access, Access::Write);
    }

    #[test]
    fn what_is_missing_is_an_option_that_grants_it() {
        let text = "network = ['https://a.com']\nfilesystem = [{ path = 'out', access = 'write' }]\nsecrets = { KEY = ['a.com'] }";
        let options = options(&Needs::parse(text).unwrap());
        assert_eq!(options, ["--grant 'network=https://a.com'", "--grant 'write=out'", "--grant 'secret=KEY@a.com'"]);
        for option in options {
            let grant = option.trim_start_matches("--grant '").trim_end_matches('\'');
            assert!(grant.parse::<Grant>().is_ok(), "{grant}");
        }
    }

    #[test]
    fn what_is_no_grant_is_refused() {
        for bad in ["", "network", "network=http://a.com", "read=/etc", "read=../x", "secret=KEY", "files=."] {
            assert!(bad.parse::<Grant>().is_err(), "{bad}");
        }
    }
}
