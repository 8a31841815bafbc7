//! The MCP servers of a run: started side by side when it begins, heard while it goes on, and closed when it ends.

mod links;
mod log;
mod plan;
mod replacements;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use perstack_core::ToolSet;
use perstack_mcp::{Access, Link, Listener, Server, ServerConfig, ServerEvent};
use perstack_store::Workspace;
use tokio::task::AbortHandle;

use self::links::{Dialer, NativeServer, file_uri};
use self::log::{Feed, Log, lock};
use self::plan::ServerPlace;
pub(crate) use self::plan::{Planner, ServerPlan};
pub(crate) use self::replacements::in_place_of;
use crate::cast::LoadedExpert;
use crate::recorder::Recorder;
use crate::toolbox::Toolbox;

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
        let (started, link, root) = match &plan.place {
            ServerPlace::Native { command, program, .. } => (
                Some((command.clone(), program.arguments.clone())),
                Link::Native(Arc::new(NativeServer(program.clone()))),
                Some(file_uri(workspace.root())),
            ),
            ServerPlace::Remote { endpoint, domains, sandbox, access, .. } => {
                let (skill, domains, sandbox) = (plan.skill.clone(), domains.clone(), sandbox.clone());
                let dial = Arc::new(Dialer { skill, domains, sandbox, log: log.clone() });
                let access: Arc<dyn Access> = access.clone();
                (None, Link::Remote { endpoint: endpoint.clone(), dial, access }, None)
            }
        };
        let feed = Arc::new(Feed { skill: plan.skill.clone(), started, log: log.clone() });
        let server = Server::new(ServerConfig {
            name: plan.skill.clone(),
            link,
            root,
            pick: plan.pick.clone(),
            omit: plan.omit.clone(),
            listener: feed.clone(),
            user: plan.user.clone(),
        });
        Self { server, feed, is_lazy: plan.is_lazy }
    }
}
