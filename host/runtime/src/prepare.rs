//! Getting an Expert ready, and those that it may delegate to.

use std::path::Path;
use std::sync::Arc;

use perstack_core::config::{
    Capabilities, DEFAULT_MAX_RETRIES, DEFAULT_MAX_STEPS, DEFAULT_MODEL, DEFAULT_TIMEOUT, HostPattern, RuntimeName,
    SkillKind,
};
use perstack_core::{Limits, Model, ToolSet, User};
use perstack_models::{ConnectError, Environment};
use perstack_sandbox::{Cache, CacheContents, ComponentBytes, EgressConfig, Sandbox, SandboxConfig};
use perstack_store::Workspace;

use crate::admission::Admission;
use crate::cast::{Cast, LoadedExpert, Mind};
use crate::error::RunError;
use crate::grant::Advice;
use crate::policy::HostPolicy;
use crate::project::Project;
use crate::recorder::Listener;
use crate::request::{Outcome, Prepared, Request, SkillSummary};
use crate::servers::ServerPlan;

/// How a runtime is set up.
#[derive(Default)]
pub struct RuntimeConfig {
    /// Where compiled components are kept; nowhere by default.
    pub cache: Option<Cache>,
    /// The component of the skill `@perstack/base`, which every Expert that a model drives has. Without it such an Expert
    /// has only the skills that it declares.
    pub base: Option<&'static [u8]>,
    /// The model that drives Experts without logic of their own, or why there is none.
    pub model: Option<Result<Arc<dyn Model>, ConnectError>>,
    /// What the host's operator allows; everything by default.
    pub policy: Option<HostPolicy>,
    /// Variables that skills may be granted. None of the process's own by default.
    pub environment: Environment,
    /// What the operator of the machine says about its network.
    pub egress: EgressConfig,
    /// Whether native MCP servers are started; not by default.
    pub native_servers: NativeServers,
    /// Whom MCP servers may ask while a call is under way; nobody by default, and then their questions are declined.
    pub user: Option<Arc<dyn User>>,
    /// Skills of the embedding program. Every Expert has them, after those that it declares.
    pub tool_sets: Vec<Arc<dyn ToolSet>>,
}

/// Whether native MCP servers are started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NativeServers {
    /// Experts that have one are refused.
    #[default]
    Refused,
    /// They are, each under a supervisor that ends it with this program. The supervisor is this program itself: its `main`
    /// begins with [`supervise`](crate::supervise), and returns what that gives.
    Supervised,
}

/// Runs Experts.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) sandbox: Sandbox,
    pub(crate) base: Option<ComponentBytes>,
    pub(crate) model: Option<Result<Arc<dyn Model>, ConnectError>>,
    pub(crate) environment: Arc<Environment>,
    pub(crate) policy: Option<Arc<HostPolicy>>,
    pub(crate) native_servers: NativeServers,
    pub(crate) user: Option<Arc<dyn User>>,
    pub(crate) tool_sets: Vec<Arc<dyn ToolSet>>,
}

impl Runtime {
    /// The model, if there is one.
    pub(crate) fn model(&self) -> Option<&Arc<dyn Model>> {
        self.model.as_ref().and_then(|model| model.as_ref().ok())
    }

    /// What a project with this workspace is held against, where there is a policy.
    pub(crate) fn admission<'a>(&'a self, workspace: &'a Path) -> Option<Admission<'a>> {
        self.policy.as_ref().map(|host| Admission::new(host, workspace, self.base.is_some()))
    }
}

impl Runtime {
    /// Starts the sandbox.
    ///
    /// # Errors
    /// [`RunError::Sandbox`]: the host does not allow what it needs.
    pub fn new(config: RuntimeConfig) -> Result<Self, RunError> {
        let failed = |error| RunError::Sandbox(Box::new(error));
        let engine = config.policy.as_ref().map(|host| host.policy().engine()).unwrap_or_default();
        let egress = match &config.policy {
            Some(host) => config.egress.and(host.egress()),
            None => config.egress,
        };
        let sandbox = SandboxConfig { cache: config.cache, egress, engine };
        let sandbox = Sandbox::new(sandbox).map_err(failed)?;
        let base = config.base.map(ComponentBytes::new).transpose().map_err(failed)?;
        let RuntimeConfig { model, environment, native_servers, user, tool_sets, policy, .. } = config;
        let (environment, policy) = (Arc::new(environment), policy.map(Arc::new));
        Ok(Self { sandbox, base, model, environment, policy, native_servers, user, tool_sets })
    }

    /// What the cache of compiled components holds, where there is one.
    ///
    /// # Errors
    /// Its folder cannot be read.
    pub fn cached(&self) -> std::io::Result<Option<CacheContents>> {
        self.sandbox.cached()
    }

    /// A call's limits, with the operator's where they are lower.
    pub(crate) fn capped(&self, limits: Limits) -> Limits {
        self.policy.as_ref().map_or(limits, |host| host.policy().ceilings.cap(limits))
    }

    /// Prepares an Expert and runs it once.
    ///
    /// # Errors
    /// [`RunError`]: the run did not begin, or could not go on. A run that failed by itself is an [`Outcome`].
    pub async fn run(
        &self,
        project: &Project,
        workspace: &Workspace,
        request: Request,
        listener: impl Listener + 'static,
    ) -> Result<Outcome, RunError> {
        let prepared = self.prepare(project, workspace, &request.expert_key).await?;
        prepared.run(request, Arc::new(listener)).await
    }

    /// Loads an Expert's logic and skills. Nothing is written to the workspace yet. The Experts that it may delegate to are
    /// loaded when it does.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn prepare(
        &self,
        project: &Project,
        workspace: &Workspace,
        expert_key: &str,
    ) -> Result<PreparedExpert, RunError> {
        if let Some(admission) = self.admission(workspace.root()) {
            admission.check(project.config()).map_err(|refusal| RunError::Refused(Box::new(refusal)))?;
        }
        if let Some(runtime) = project.config().runtime {
            accept(runtime)?;
        }
        let cast = Arc::new(Cast::new(self.clone(), project.clone(), workspace.clone()));
        let expert = cast.expert(expert_key).await?;
        Ok(PreparedExpert { settings: RunDefaults::of(project, self.model().map(AsRef::as_ref)), cast, expert })
    }
}

/// Refuses what runs other agents. `docker` asks for what every skill has here: a boundary.
///
/// # Errors
/// [`RunError::OtherRuntime`].
pub fn accept(runtime: RuntimeName) -> Result<(), RunError> {
    match runtime {
        RuntimeName::Local | RuntimeName::Docker => Ok(()),
        RuntimeName::Cursor | RuntimeName::ClaudeCode | RuntimeName::Gemini => {
            Err(RunError::OtherRuntime { name: runtime.to_string() })
        }
    }
}

/// What `perstack.toml` sets for runs.
#[derive(Clone, Debug)]
pub(crate) struct RunDefaults {
    pub(crate) model: String,
    pub(crate) max_steps: u64,
    pub(crate) max_retries: u64,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) timeout: u64,
}

impl RunDefaults {
    fn of(project: &Project, model: Option<&dyn Model>) -> Self {
        let config = project.config();
        let named = || config.model.clone().unwrap_or_else(|| DEFAULT_MODEL.to_owned());
        Self {
            model: model.map_or_else(named, |model| model.name().to_owned()),
            max_steps: config.max_steps.unwrap_or(DEFAULT_MAX_STEPS).into(),
            max_retries: config.max_retries.unwrap_or(DEFAULT_MAX_RETRIES).into(),
            max_tokens: config.max_tokens.map(u64::from),
            timeout: config.timeout.unwrap_or(DEFAULT_TIMEOUT).as_millis().try_into().unwrap_or(u64::MAX),
        }
    }
}

/// An Expert that is ready to run, as often as wanted.
pub struct PreparedExpert {
    pub(crate) cast: Arc<Cast>,
    pub(crate) expert: Arc<LoadedExpert>,
    pub(crate) settings: RunDefaults,
}

impl PreparedExpert {
    /// What to do about what its skills are denied.
    pub fn advice(&self) -> Advice {
        Advice::new(self.cast.clone())
    }

    /// What is about to run.
    pub fn summary(&self) -> Prepared {
        let configured = &self.expert.config.skills;
        let grants = |name: &str| match configured.iter().find(|skill| skill.name == name).map(|skill| &skill.kind) {
            Some(SkillKind::Wasm(wasm)) => grant_texts(&wasm.capabilities),
            _ => vec!["files of the workspace: write".to_owned()],
        };
        let skills = self.expert.skills.iter().map(|skill| SkillSummary {
            name: skill.name().to_owned(),
            grants: grants(skill.name()),
            left_out: skill.left_out().iter().filter(|left| !left.is_for_others()).map(ToString::to_string).collect(),
        });
        Prepared {
            expert_key: self.expert.config.key.clone(),
            logic_size: match &self.expert.mind {
                Mind::Logic { logic, .. } => Some(logic.size()),
                Mind::Model(_) => None,
            },
            model: match &self.expert.mind {
                Mind::Logic { .. } => None,
                Mind::Model(model) => Some(model.name().to_owned()),
            },
            skills: skills.chain(self.expert.servers.iter().map(ServerPlan::summary)).collect(),
            questions: self.expert.config.interactive_tools().map(|(_, tool)| tool.name.to_string()).collect(),
        }
    }
}

fn grant_texts(capabilities: &Capabilities) -> Vec<String> {
    let env = capabilities.env.iter().map(|name| format!("variable {name}"));
    let files = capabilities.filesystem.iter().map(|grant| format!("files {}: {}", grant.path, grant.access));
    let network = capabilities.network.iter().map(|pattern| format!("network {pattern}"));
    let secrets = capabilities.secrets.iter().map(|(name, hosts)| {
        let hosts: Vec<&str> = hosts.iter().map(HostPattern::as_str).collect();
        format!("secret {name} at {}", hosts.join(", "))
    });
    files.chain(env).chain(network).chain(secrets).collect()
}
