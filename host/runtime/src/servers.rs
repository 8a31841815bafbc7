//! The MCP servers of a run: started side by side when it begins, heard while it goes on, and closed when it ends.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::join_all;
use perstack_core::config::{Expert, McpStdioSkill, Skill as SkillConfig};
use perstack_core::{RuntimeEvent, ToolSet};
use perstack_mcp::{Launch, Launched, Life as ServerLife, Link, Listener, Server, ServerConfig, ServerEvent, harmless};
use perstack_native::{Life, RunningServer, ServerProgram, find_program};
use perstack_store::Workspace;
use tokio::task::AbortHandle;

use crate::announce::milliseconds;
use crate::cast::LoadedExpert;
use crate::error::RunError;
use crate::prepare::{NativeServers, Runtime};
use crate::recorder::Recorder;
use crate::request::SkillSummary;
use crate::toolbox::Toolbox;

/// Variables that programs need to start, find what belongs to them, and speak the user's language. Proxies, keys and all
/// others are named in `requiredEnv`.
const COMMON_VARIABLES: [&str; 11] =
    ["PATH", "HOME", "TMPDIR", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LC_ALL", "LC_CTYPE", "TZ"];
/// Program that asks before it downloads, unless it is told not to.
const NPX: &str = "npx";
const NPX_AGREES: &str = "-y";

/// A server that each run of an Expert has.
pub(crate) struct ServerPlan {
    skill: String,
    command: String,
    variables: Vec<String>,
    program: ServerProgram,
    is_lazy: bool,
    pick: Vec<String>,
    omit: Vec<String>,
}

/// Finds out how an Expert's servers are started.
pub(crate) struct Planner<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) workspace: &'a Path,
    pub(crate) expert: &'a Expert,
}

impl Planner<'_> {
    pub(crate) fn unsupported(&self, skill: &SkillConfig, reason: impl Into<String>) -> RunError {
        RunError::Unsupported { expert: self.expert.key.clone(), skill: skill.name.clone(), reason: reason.into() }
    }

    /// A program, with its variables and arguments.
    pub(crate) fn native(&self, skill: &SkillConfig, mcp: &McpStdioSkill) -> Result<ServerPlan, RunError> {
        if self.runtime.native_servers == NativeServers::Refused {
            return Err(self.unsupported(skill, "this program does not start native MCP servers"));
        }
        let known = &self.runtime.environment;
        let common = COMMON_VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), known.get(*name)?.clone())));
        let mut environment: BTreeMap<String, String> = common.collect();
        for name in &mcp.required_env {
            let Some(value) = known.get(name.as_str()) else {
                let (expert, skill) = (self.expert.key.clone(), skill.name.clone());
                return Err(RunError::MissingRequired { expert, skill, name: name.to_string() });
            };
            environment.insert(name.to_string(), value.clone());
        }
        let path = environment.get("PATH").map(String::as_str);
        let Some(file) = find_program(&mcp.command, path, self.workspace) else {
            return Err(self.unsupported(skill, format!("there is no program `{}`", mcp.command)));
        };
        let mut arguments: Vec<String> = mcp.package_name.iter().chain(&mcp.args).cloned().collect();
        if mcp.command == NPX && !arguments.iter().any(|argument| argument == NPX_AGREES) {
            arguments.insert(0, NPX_AGREES.to_owned());
        }
        Ok(ServerPlan {
            skill: skill.name.clone(),
            command: mcp.command.clone(),
            variables: mcp.required_env.iter().map(ToString::to_string).collect(),
            program: ServerProgram { file, arguments, environment, folder: self.workspace.to_owned() },
            is_lazy: mcp.lazy_init,
            pick: skill.pick.clone(),
            omit: skill.omit.clone(),
        })
    }
}

impl ServerPlan {
    /// For people who wait for the run.
    pub(crate) fn summary(&self) -> SkillSummary {
        let program = format!("native program {}, outside the sandbox", self.command);
        let variables = self.variables.iter().map(|name| format!("variable {name}"));
        SkillSummary {
            name: self.skill.clone(),
            grants: [program].into_iter().chain(variables).collect(),
            left_out: Vec::new(),
        }
    }
}

/// The servers of one run. They end when this is dropped.
#[derive(Default)]
pub(crate) struct Servers {
    all: Vec<RunServer>,
    log: Arc<Mutex<Log>>,
    /// What their versions add up to in the toolbox of the run.
    taken: AtomicU64,
    starting: Vec<AbortHandle>,
}

struct RunServer {
    server: Arc<Server>,
    feed: Arc<Feed>,
    is_lazy: bool,
}

impl Servers {
    /// Begins to start all of them.
    pub(crate) fn start(expert: &LoadedExpert, workspace: &Workspace) -> Arc<Self> {
        let log = Arc::<Mutex<Log>>::default();
        let all: Vec<RunServer> = expert.servers.iter().map(|plan| RunServer::new(plan, workspace, &log)).collect();
        let start = |one: &RunServer| {
            let server = one.server.clone();
            tokio::spawn(async move { server.ready().await }).abort_handle()
        };
        let starting = all.iter().map(start).collect();
        Arc::new(Self { all, log, taken: AtomicU64::new(0), starting })
    }

    /// Waits until those that are not lazy can be used, or cannot.
    pub(crate) async fn wait_for_eager(&self) {
        join_all(self.all.iter().filter(|one| !one.is_lazy).map(|one| one.server.ready())).await;
    }

    /// All tools, with those that the servers have by now.
    pub(crate) fn toolbox(&self, expert: &LoadedExpert) -> Arc<Toolbox> {
        self.changed(expert).map_or_else(|| expert.toolbox.clone(), Arc::new)
    }

    /// Waits for all servers, and gives all tools, if those of servers have changed.
    pub(crate) async fn refresh(&self, expert: &LoadedExpert) -> Option<Toolbox> {
        join_all(self.all.iter().map(|one| one.server.ready())).await;
        self.changed(expert)
    }

    fn changed(&self, expert: &LoadedExpert) -> Option<Toolbox> {
        let version = self.all.iter().map(|one| one.server.version()).sum();
        if self.taken.swap(version, Ordering::Relaxed) == version {
            return None;
        }
        let mut toolbox = (*expert.toolbox).clone();
        for one in &self.all {
            let tools: Arc<dyn ToolSet> = Arc::new(one.server.tools());
            for reason in toolbox.add_server(&expert.config.key, &tools) {
                one.feed.hear(ServerEvent::Noted(reason));
            }
        }
        Some(toolbox)
    }

    /// From now on what happens is recorded there; what has happened before is told first.
    pub(crate) fn attach(&self, recorder: &Arc<Recorder>) {
        lock(&self.log).attach(recorder);
    }

    /// The run's events are over, or stop for a while.
    pub(crate) fn detach(&self) {
        lock(&self.log).detach();
    }

    /// Ends all of them.
    pub(crate) async fn close(&self) {
        join_all(self.all.iter().map(|one| one.server.close())).await;
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.starting.iter().for_each(AbortHandle::abort);
    }
}

impl RunServer {
    fn new(plan: &ServerPlan, workspace: &Workspace, log: &Arc<Mutex<Log>>) -> Self {
        let feed = Arc::new(Feed {
            skill: plan.skill.clone(),
            command: plan.command.clone(),
            arguments: plan.program.arguments.clone(),
            log: log.clone(),
        });
        let server = Server::new(ServerConfig {
            name: plan.skill.clone(),
            link: Link::Native(Arc::new(NativeServer(plan.program.clone()))),
            root: Some(file_uri(workspace.root())),
            pick: plan.pick.clone(),
            omit: plan.omit.clone(),
            listener: feed.clone(),
        });
        Self { server, feed, is_lazy: plan.is_lazy }
    }
}

/// What happens to the servers of a run, in its order.
#[derive(Default)]
struct Log {
    recorder: Option<Arc<Recorder>>,
    /// What has happened while nobody recorded it. A server is allowed so many lines, and no more.
    waiting: Vec<RuntimeEvent>,
    /// The latest connections, which are told again where the run's events begin again.
    connected: BTreeMap<String, RuntimeEvent>,
}

impl Log {
    fn tell(&mut self, event: RuntimeEvent) {
        if let RuntimeEvent::SkillConnected { skill_name, .. } = &event {
            self.connected.insert(skill_name.clone(), event.clone());
        }
        match &self.recorder {
            // What a server says is worth no run: what cannot be kept of it is lost.
            Some(recorder) => drop(recorder.runtime(event)),
            None => self.waiting.push(event),
        }
    }

    fn attach(&mut self, recorder: &Arc<Recorder>) {
        let waiting = std::mem::take(&mut self.waiting);
        let is_new = |event: &&RuntimeEvent| !waiting.contains(event);
        let again: Vec<RuntimeEvent> = self.connected.values().filter(is_new).cloned().collect();
        self.recorder = Some(recorder.clone());
        again.into_iter().chain(waiting).for_each(|event| self.tell(event));
    }

    fn detach(&mut self) {
        let gone = self.connected.keys().cloned();
        let gone: Vec<_> = gone.map(|skill_name| RuntimeEvent::SkillDisconnected { skill_name }).collect();
        gone.into_iter().for_each(|event| self.tell(event));
        self.recorder = None;
    }
}

/// Tells what happens to one of them.
struct Feed {
    skill: String,
    command: String,
    arguments: Vec<String>,
    log: Arc<Mutex<Log>>,
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Listener for Feed {
    fn hear(&self, event: ServerEvent) {
        let skill_name = self.skill.clone();
        let event = match event {
            ServerEvent::Starting => {
                RuntimeEvent::SkillStarting { skill_name, command: self.command.clone(), args: self.arguments.clone() }
            }
            ServerEvent::Wrote(message) => RuntimeEvent::SkillStderr { skill_name, message },
            ServerEvent::Noted(note) => {
                RuntimeEvent::SkillStderr { skill_name, message: format!("perstack: {}", harmless(&note)) }
            }
            ServerEvent::Connected { info, times } => {
                let connect = times.spawn + times.handshake;
                RuntimeEvent::SkillConnected {
                    skill_name,
                    server_info: info,
                    spawn_duration_ms: milliseconds(times.spawn),
                    handshake_duration_ms: milliseconds(times.handshake),
                    tool_discovery_duration_ms: milliseconds(times.discovery),
                    connect_duration_ms: milliseconds(connect),
                    total_duration_ms: milliseconds(connect + times.discovery),
                }
            }
        };
        lock(&self.log).tell(event);
    }
}

/// A program that is started under a supervisor.
struct NativeServer(ServerProgram);

impl Launch for NativeServer {
    fn launch(&self) -> io::Result<Launched> {
        let RunningServer { input, output, errors, life } = self.0.start()?;
        let (input, output, errors) = (Box::new(input), Box::new(output), Box::new(errors));
        Ok(Launched { input, output, errors, life: Box::new(NativeLife(life)) })
    }
}

struct NativeLife(Life);

#[async_trait::async_trait]
impl ServerLife for NativeLife {
    async fn ended(&self) -> String {
        self.0.ended().await
    }

    async fn end(self: Box<Self>) {
        self.0.end().await;
    }
}

/// A folder as a URI.
fn file_uri(folder: &Path) -> String {
    let byte = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let path: String = folder.as_os_str().as_encoded_bytes().iter().map(byte).collect();
    format!("file://{path}")
}
