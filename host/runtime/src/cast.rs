//! The Experts of a job: each is loaded when it is first needed, and then kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::try_join_all;
use perstack_core::config::{
    Access, BASE_SKILL, Capabilities, EnvName, Expert, GrantPath, Lifetime, Logic as LogicConfig, McpStdioSkill,
    Skill as SkillConfig, SkillKind, WasmForm, WasmSkill,
};
use perstack_core::{ExpertInfo, Limits, Model, ToolSet};
use perstack_native::{BadProgram, Programs};
use perstack_sandbox::{ComponentBytes, DirectoryGrant, Grants, Logic, NetworkGrants, SecretGrant, Skill};
use perstack_store::Workspace;
use tokio::sync::OnceCell;

use crate::error::{RUNTIME_VERSION, RunError};
use crate::exec::WithPrograms;
use crate::prepare::Runtime;
use crate::project::Project;
use crate::servers::{Planner, ServerPlan};
use crate::toolbox::{Selection, Toolbox};

type Slot = Arc<OnceCell<Arc<LoadedExpert>>>;

/// The Experts of a project.
pub(crate) struct Cast {
    runtime: Runtime,
    project: Project,
    workspace: Workspace,
    loaded: Mutex<BTreeMap<String, Slot>>,
}

/// An Expert with its skills.
pub(crate) struct LoadedExpert {
    pub(crate) config: Expert,
    pub(crate) mind: Mind,
    pub(crate) skills: Vec<Arc<Skill>>,
    /// The servers that each of its runs has.
    pub(crate) servers: Vec<ServerPlan>,
    /// All tools but those of servers.
    pub(crate) toolbox: Arc<Toolbox>,
}

impl LoadedExpert {
    /// What checkpoints say of it.
    pub(crate) fn info(&self) -> ExpertInfo {
        let Expert { key, name, version, .. } = &self.config;
        ExpertInfo { key: key.clone(), name: name.clone(), version: version.to_string() }
    }
}

/// What decides what an Expert does.
pub(crate) enum Mind {
    /// Its own logic, with its SHA-256 in hexadecimal.
    Logic { logic: Box<Logic>, digest: String },
    /// A model.
    Model(Arc<dyn Model>),
}

impl Cast {
    pub(crate) fn new(runtime: Runtime, project: Project, workspace: Workspace) -> Self {
        Self { runtime, project, workspace, loaded: Mutex::default() }
    }

    /// The keys of all Experts.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.project.expert_keys()
    }

    /// The model that Experts are driven by, and that their own logic may ask.
    pub(crate) fn model(&self) -> Option<&Arc<dyn Model>> {
        self.runtime.model()
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(crate) fn project(&self) -> &Project {
        &self.project
    }

    pub(crate) fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// What checkpoints say of an Expert.
    pub(crate) fn info(&self, key: &str) -> ExpertInfo {
        let expert = self.project.expert(key);
        ExpertInfo {
            key: key.to_owned(),
            name: expert.map_or(key, |expert| expert.name.as_str()).to_owned(),
            version: expert.map(|expert| expert.version.to_string()).unwrap_or_default(),
        }
    }

    /// An Expert, ready to run.
    pub(crate) async fn expert(&self, key: &str) -> Result<Arc<LoadedExpert>, RunError> {
        let slot = {
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            loaded.entry(key.to_owned()).or_default().clone()
        };
        slot.get_or_try_init(|| self.load(key)).await.cloned()
    }

    async fn load(&self, key: &str) -> Result<Arc<LoadedExpert>, RunError> {
        let Some(expert) = self.project.expert(key) else {
            return Err(RunError::UnknownExpert { key: key.to_owned(), known: self.keys() });
        };
        if let Some(version) = expert.min_runtime_version.as_ref().filter(|version| is_newer(version)) {
            return Err(RunError::RuntimeTooOld { expert: expert.key.clone(), version: version.clone() });
        }
        // Logic may ask the model too.
        if let Some(Ok(model)) = &self.runtime.model {
            model
                .offers(expert.hosted())
                .map_err(|error| RunError::NotOffered { expert: expert.key.clone(), error })?;
        }
        let mind = match (&expert.logic, &self.runtime.model) {
            (Some(logic), _) => self.load_logic(expert, logic).await?,
            (None, Some(Ok(model))) => Mind::Model(model.clone()),
            (None, Some(Err(error))) => {
                return Err(RunError::NoModel { expert: expert.key.clone(), error: error.clone() });
            }
            (None, None) => return Err(RunError::NeedsModel { expert: expert.key.clone() }),
        };
        let servers = self.servers(expert)?;
        let base = match (&mind, &self.runtime.base) {
            (Mind::Model(_), Some(base)) if !expert.skills.iter().any(|skill| skill.name == BASE_SKILL) => Some(base),
            _ => None,
        };
        let base = async {
            match base {
                Some(base) => self.load_base(expert, base).await.map(Some),
                None => Ok(None),
            }
        };
        let declared = try_join_all(expert.skills.iter().map(|skill| self.load_skill(expert, skill)));
        let (base, declared) = futures::future::try_join(base, declared).await?;
        let mut toolbox = Toolbox::default();
        if let Some(base) = &base {
            toolbox.add(&expert.key, Selection { set: base.clone(), pick: &[], omit: &[] })?;
        }
        for (skill, loaded) in expert.skills.iter().zip(&declared) {
            if let Some(loaded) = loaded {
                let set = self.with_programs(expert, skill, loaded)?;
                let selection = Selection { set, pick: &skill.pick, omit: &skill.omit };
                toolbox.add(&expert.key, selection)?;
            }
        }
        for set in &self.runtime.tool_sets {
            toolbox.add(&expert.key, Selection { set: set.clone(), pick: &[], omit: &[] })?;
        }
        for (skill, tool) in expert.interactive_tools() {
            toolbox.add_interactive(&expert.key, &skill.name, tool)?;
        }
        for delegate in &expert.delegates {
            let key = delegate.to_string();
            let Some(delegate) = self.project.expert(&key) else {
                let expert = expert.key.clone();
                return Err(RunError::UnknownDelegate { expert, delegate: key, known: self.keys() });
            };
            toolbox.add_delegate(&expert.key, delegate)?;
        }
        let skills = base.into_iter().chain(declared.into_iter().flatten()).collect();
        Ok(Arc::new(LoadedExpert { config: expert.clone(), mind, skills, servers, toolbox: Arc::new(toolbox) }))
    }

    async fn load_logic(&self, expert: &Expert, config: &LogicConfig) -> Result<Mind, RunError> {
        let failed = |error| RunError::Logic { expert: expert.key.clone(), error: Box::new(error) };
        let component = self.project.component(config.component.as_str()).map_err(failed)?;
        let logic =
            Logic::load(&self.runtime.sandbox, &component, self.runtime.capped(config.limits)).await.map_err(failed)?;
        let digest = component.digest().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Mind::Logic { logic: Box::new(logic), digest })
    }

    async fn load_skill(&self, expert: &Expert, skill: &SkillConfig) -> Result<Option<Arc<Skill>>, RunError> {
        match (&skill.kind, &self.runtime.base) {
            (SkillKind::Wasm(wasm), _) => {
                let grants = self.grants(expert, &skill.name, wasm)?;
                let failed = |error| skill_error(expert, &skill.name, error);
                let component = self.project.component(wasm.component.as_str()).map_err(failed)?;
                let limits = wasm.capabilities.limits;
                let loaded = match &wasm.form {
                    WasmForm::Component => self.load_component(expert, &skill.name, &component, grants, limits).await?,
                    WasmForm::Extism(config) => {
                        let (limits, config) = (self.runtime.capped(limits), config.clone());
                        let sandbox = &self.runtime.sandbox;
                        let loaded = Skill::load_plugin(sandbox, &skill.name, &component, config, grants, limits).await;
                        loaded.map(Arc::new).map_err(failed)?
                    }
                };
                Ok(Some(loaded))
            }
            (SkillKind::Interactive(_), _) => Ok(None),
            (SkillKind::McpStdio(mcp), Some(base)) if is_base(mcp) => {
                let grants = self.whole_workspace();
                self.load_component(expert, &skill.name, base, grants, Limits::default()).await.map(Some)
            }
            // Started with each run.
            (SkillKind::McpStdio(_) | SkillKind::McpSse(_), _) => Ok(None),
        }
    }

    /// The servers that an Expert has, with all that they are started with.
    fn servers(&self, expert: &Expert) -> Result<Vec<ServerPlan>, RunError> {
        let planner = Planner { runtime: &self.runtime, workspace: self.workspace.root(), expert };
        let has_base = self.runtime.base.is_some();
        let plans = expert.skills.iter().filter_map(|skill| match &skill.kind {
            SkillKind::McpStdio(mcp) if has_base && is_base(mcp) => None,
            SkillKind::McpStdio(mcp) => Some(planner.native(skill, mcp)),
            SkillKind::McpSse(mcp) => Some(planner.remote(skill, mcp)),
            SkillKind::Wasm(_) | SkillKind::Interactive(_) => None,
        });
        plans.collect()
    }

    async fn load_base(&self, expert: &Expert, base: &ComponentBytes) -> Result<Arc<Skill>, RunError> {
        self.load_component(expert, BASE_SKILL, base, self.whole_workspace(), Limits::default()).await
    }

    async fn load_component(
        &self,
        expert: &Expert,
        name: &str,
        component: &ComponentBytes,
        grants: Grants,
        limits: Limits,
    ) -> Result<Arc<Skill>, RunError> {
        let limits = self.runtime.capped(limits);
        let loaded = Skill::load(&self.runtime.sandbox, name, component, grants, limits).await;
        loaded.map(Arc::new).map_err(|error| skill_error(expert, name, error))
    }

    /// The base skill works on the files that the Experts share. What the program keeps there is hidden from it.
    fn whole_workspace(&self) -> Grants {
        let workspace = self.workspace.root().to_owned();
        let directory = DirectoryGrant { workspace, path: GrantPath::workspace(), access: Access::Write };
        Grants { directories: vec![directory], protected: self.project.own_files(), ..Grants::default() }
    }

    /// The skill as the toolbox has it: the base skill starts programs, if the project lists any.
    fn with_programs(
        &self,
        expert: &Expert,
        skill: &SkillConfig,
        loaded: &Arc<Skill>,
    ) -> Result<Arc<dyn ToolSet>, RunError> {
        let programs = match &skill.kind {
            SkillKind::McpStdio(mcp) if !mcp.exec.is_empty() => &mcp.exec,
            _ => return Ok(loaded.clone()),
        };
        let unsupported = |error: BadProgram| RunError::Unsupported {
            expert: expert.key.clone(),
            skill: skill.name.clone(),
            reason: format!("`exec`: {error}"),
        };
        let programs = Programs::find(programs).map_err(unsupported)?;
        Ok(Arc::new(WithPrograms::new(loaded.clone(), programs, self.workspace.root(), &self.project.own_files())))
    }

    /// What a skill is granted; what cannot be enforced yet is refused, and never left out.
    fn grants(&self, expert: &Expert, name: &str, skill: &WasmSkill) -> Result<Grants, RunError> {
        let unsupported = |reason: &str| RunError::Unsupported {
            expert: expert.key.clone(),
            skill: name.to_owned(),
            reason: reason.to_owned(),
        };
        let Capabilities { env, secrets, filesystem, network, .. } = &skill.capabilities;
        if skill.lifetime == Lifetime::Run {
            return Err(unsupported("`lifetime = \"run\"` is not there yet"));
        }
        let value_of = |variable: &EnvName| {
            let missing = || RunError::MissingVariable {
                expert: expert.key.clone(),
                skill: name.to_owned(),
                name: variable.to_string(),
            };
            self.runtime.environment.get(variable.as_str()).cloned().ok_or_else(missing)
        };
        let environment = env.iter().map(|variable| Ok((variable.to_string(), value_of(variable)?)));
        let secrets = secrets.iter().map(|(variable, hosts)| {
            Ok(SecretGrant { name: variable.to_string(), value: value_of(variable)?.into(), hosts: hosts.clone() })
        });
        let directories = filesystem.iter().map(|grant| DirectoryGrant {
            workspace: self.workspace.root().to_owned(),
            path: grant.path.clone(),
            access: grant.access,
        });
        Ok(Grants {
            environment: environment.collect::<Result<_, RunError>>()?,
            directories: directories.collect(),
            protected: self.project.own_files(),
            network: NetworkGrants {
                destinations: network.clone(),
                secrets: secrets.collect::<Result<_, RunError>>()?,
            },
        })
    }
}

/// Whether this is a newer version of Perstack's runtime than ours is like; or none that we know.
fn is_newer(version: &str) -> bool {
    let parts = |version: &str| -> Option<Vec<u64>> {
        let parts = version.strip_prefix('v').unwrap_or(version).split('.').map(|part| part.parse().ok());
        let mut parts: Vec<u64> = parts.collect::<Option<_>>()?;
        parts.truncate(parts.iter().rposition(|part| *part > 0).map_or(0, |last| last + 1));
        Some(parts)
    };
    parts(version).is_none_or(|asked| Some(asked) > parts(RUNTIME_VERSION))
}

/// Whether a declared MCP server is the base skill of whatever version: that is ours. A pinned version is the package
/// itself.
pub(crate) fn is_base(skill: &McpStdioSkill) -> bool {
    skill.package_name.as_deref() == Some(BASE_SKILL)
}

fn skill_error(expert: &Expert, name: &str, error: perstack_sandbox::LoadError) -> RunError {
    RunError::Skill { expert: expert.key.clone(), skill: name.to_owned(), error: Box::new(error) }
}
