//! Getting an Expert ready: its logic and its skills are loaded, with what each is granted.

use std::sync::Arc;

use futures::future::try_join_all;
use perstack_core::config::{
    Capabilities, DEFAULT_MAX_RETRIES, DEFAULT_MAX_STEPS, DEFAULT_MODEL, DEFAULT_TIMEOUT, Expert, Lifetime,
    Logic as LogicConfig, SkillKind, WasmSkill,
};
use perstack_sandbox::{Cache, DirectoryGrant, Grants, Logic, Sandbox, SandboxConfig, Skill};
use perstack_store::Workspace;

use crate::error::RunError;
use crate::project::Project;
use crate::recorder::Listener;
use crate::request::{Outcome, Prepared, Request, SkillSummary};
use crate::toolbox::{Selection, Toolbox};

/// How a runtime is set up.
#[derive(Default)]
pub struct RuntimeConfig {
    /// Where compiled components are kept; nowhere by default.
    pub cache: Option<Cache>,
}

/// Runs Experts.
#[derive(Clone)]
pub struct Runtime {
    sandbox: Sandbox,
}

impl Runtime {
    /// Starts the sandbox.
    ///
    /// # Errors
    /// [`RunError::Sandbox`]: the host does not allow what it needs.
    pub fn new(config: RuntimeConfig) -> Result<Self, RunError> {
        let sandbox = Sandbox::new(SandboxConfig { cache: config.cache });
        sandbox.map(|sandbox| Self { sandbox }).map_err(|error| RunError::Sandbox(Box::new(error)))
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

    /// Loads an Expert's logic and skills. Nothing is written to the workspace yet.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn prepare(
        &self,
        project: &Project,
        workspace: &Workspace,
        expert_key: &str,
    ) -> Result<PreparedExpert, RunError> {
        let Some(expert) = project.expert(expert_key) else {
            return Err(RunError::UnknownExpert { key: expert_key.to_owned(), known: project.expert_keys() });
        };
        let Some(logic_config) = &expert.logic else {
            return Err(RunError::NeedsModel { expert: expert.key.clone() });
        };
        let (logic, digest) = self.load_logic(project, expert, logic_config).await?;
        let loads = expert.skills.iter().map(|skill| async move {
            match &skill.kind {
                SkillKind::Wasm(wasm) => self.load_skill(project, workspace, expert, &skill.name, wasm).await.map(Some),
                SkillKind::Interactive(_) => Ok(None),
                SkillKind::McpStdio(_) | SkillKind::McpSse(_) => {
                    let reason = "MCP servers cannot be used yet".to_owned();
                    Err(RunError::Unsupported { expert: expert.key.clone(), skill: skill.name.clone(), reason })
                }
            }
        });
        let loaded: Vec<Option<Arc<Skill>>> = try_join_all(loads).await?;
        let mut toolbox = Toolbox::default();
        for (skill, loaded) in expert.skills.iter().zip(&loaded) {
            if let Some(loaded) = loaded {
                let selection = Selection { set: loaded.clone(), pick: &skill.pick, omit: &skill.omit };
                toolbox.add(&expert.key, selection)?;
            }
        }
        Ok(PreparedExpert {
            expert: expert.clone(),
            known: project.expert_keys(),
            settings: RunDefaults::of(project),
            workspace: workspace.clone(),
            logic,
            logic_digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            skills: loaded.into_iter().flatten().collect(),
            toolbox: Arc::new(toolbox),
        })
    }

    async fn load_logic(
        &self,
        project: &Project,
        expert: &Expert,
        config: &LogicConfig,
    ) -> Result<(Logic, [u8; 32]), RunError> {
        let failed = |error| RunError::Logic { expert: expert.key.clone(), error: Box::new(error) };
        let component = project.component(config.component.as_str()).map_err(failed)?;
        let logic = Logic::load(&self.sandbox, &component, config.limits).await.map_err(failed)?;
        Ok((logic, *component.digest()))
    }

    async fn load_skill(
        &self,
        project: &Project,
        workspace: &Workspace,
        expert: &Expert,
        name: &str,
        skill: &WasmSkill,
    ) -> Result<Arc<Skill>, RunError> {
        let grants = grants(workspace, expert, name, skill)?;
        let failed =
            |error| RunError::Skill { expert: expert.key.clone(), skill: name.to_owned(), error: Box::new(error) };
        let component = project.component(skill.component.as_str()).map_err(failed)?;
        let loaded = Skill::load(&self.sandbox, name, &component, grants, skill.capabilities.limits).await;
        loaded.map(Arc::new).map_err(failed)
    }
}

/// What a skill is granted; what cannot be enforced yet is refused, and never left out.
fn grants(workspace: &Workspace, expert: &Expert, name: &str, skill: &WasmSkill) -> Result<Grants, RunError> {
    let unsupported = |reason: &str| RunError::Unsupported {
        expert: expert.key.clone(),
        skill: name.to_owned(),
        reason: reason.to_owned(),
    };
    let Capabilities { env, secrets, filesystem, network, .. } = &skill.capabilities;
    if skill.lifetime == Lifetime::Run {
        return Err(unsupported("`lifetime = \"run\"` is not there yet"));
    }
    if !network.is_empty() {
        return Err(unsupported("`network` cannot be granted yet"));
    }
    if !secrets.is_empty() {
        return Err(unsupported("`secrets` cannot be granted yet"));
    }
    let environment = env.iter().map(|variable| {
        let missing = || RunError::MissingVariable {
            expert: expert.key.clone(),
            skill: name.to_owned(),
            name: variable.to_string(),
        };
        std::env::var(variable.as_str()).map(|value| (variable.to_string(), value)).map_err(|_| missing())
    });
    let directories = filesystem.iter().map(|grant| DirectoryGrant {
        workspace: workspace.root().to_owned(),
        path: grant.path.clone(),
        access: grant.access,
    });
    Ok(Grants { environment: environment.collect::<Result<_, _>>()?, directories: directories.collect() })
}

/// What `perstack.toml` sets for runs.
#[derive(Clone, Debug)]
pub(crate) struct RunDefaults {
    pub(crate) model: String,
    pub(crate) max_steps: u64,
    pub(crate) max_retries: u64,
    pub(crate) timeout: u64,
}

impl RunDefaults {
    fn of(project: &Project) -> Self {
        let config = project.config();
        Self {
            model: config.model.clone().unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
            max_steps: config.max_steps.unwrap_or(DEFAULT_MAX_STEPS).into(),
            max_retries: config.max_retries.unwrap_or(DEFAULT_MAX_RETRIES).into(),
            timeout: config.timeout.unwrap_or(DEFAULT_TIMEOUT).as_millis().try_into().unwrap_or(u64::MAX),
        }
    }
}

/// An Expert that is ready to run, as often as wanted.
pub struct PreparedExpert {
    pub(crate) expert: Expert,
    pub(crate) known: Vec<String>,
    pub(crate) settings: RunDefaults,
    pub(crate) workspace: Workspace,
    pub(crate) logic: Logic,
    pub(crate) logic_digest: String,
    pub(crate) skills: Vec<Arc<Skill>>,
    pub(crate) toolbox: Arc<Toolbox>,
}

impl PreparedExpert {
    /// What is about to run.
    pub fn summary(&self) -> Prepared {
        let skills = self.expert.skills.iter().filter_map(|skill| match &skill.kind {
            SkillKind::Wasm(wasm) => {
                Some(SkillSummary { name: skill.name.clone(), grants: grant_texts(&wasm.capabilities) })
            }
            _ => None,
        });
        Prepared { expert_key: self.expert.key.clone(), logic_size: self.logic.size(), skills: skills.collect() }
    }
}

fn grant_texts(capabilities: &Capabilities) -> Vec<String> {
    let env = capabilities.env.iter().map(|name| format!("variable {name}"));
    let files = capabilities.filesystem.iter().map(|grant| format!("files {} ({})", grant.path, grant.access));
    files.chain(env).collect()
}
