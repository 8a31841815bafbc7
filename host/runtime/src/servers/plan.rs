//! What servers an Expert has, found out before anything starts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use perstack_core::User;
use perstack_core::config::{
    DomainPattern, EnvName, Expert, HttpUrl, McpSseSkill, McpStdioSkill, Skill as SkillConfig,
};
use perstack_native::{ServerProgram, find_program};
use perstack_sandbox::{Redactor, Sandbox, SecretGrant};

use crate::error::RunError;
use crate::prepare::{NativeServers, Runtime};
use crate::request::SkillSummary;
use crate::servers::links::SkillAccess;

/// Variables that programs need to start, find what belongs to them, and speak the user's language. Proxies, keys and all
/// others are named in `requiredEnv`.
const COMMON_VARIABLES: [&str; 11] =
    ["PATH", "HOME", "TMPDIR", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LC_ALL", "LC_CTYPE", "TZ"];
/// Program that asks before it downloads, unless it is told not to.
const NPX: &str = "npx";
const NPX_AGREES: &str = "-y";

/// A server that each run of an Expert has.
pub(crate) struct ServerPlan {
    pub(super) skill: String,
    pub(super) place: ServerPlace,
    pub(super) is_lazy: bool,
    pub(super) pick: Vec<String>,
    pub(super) omit: Vec<String>,
    /// Whom it may ask.
    pub(super) user: Option<Arc<dyn User>>,
}

/// Where a server is.
pub(super) enum ServerPlace {
    /// On this machine, as a program that is started.
    Native {
        command: String,
        /// Those that the project names for it.
        variables: Vec<String>,
        program: ServerProgram,
    },
    /// Elsewhere.
    Remote {
        endpoint: HttpUrl,
        domains: Vec<DomainPattern>,
        sandbox: Sandbox,
        access: Arc<SkillAccess>,
        /// Those that the project names for its headers.
        variables: Vec<String>,
    },
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
            place: ServerPlace::Native {
                command: mcp.command.clone(),
                variables: mcp.required_env.iter().map(ToString::to_string).collect(),
                program: ServerProgram { file, arguments, environment, folder: self.workspace.to_owned() },
            },
            is_lazy: mcp.lazy_init,
            pick: skill.pick.clone(),
            omit: skill.omit.clone(),
            user: self.runtime.user.clone(),
        })
    }

    /// A server elsewhere. Whether it may be connected to is found out when it is.
    pub(crate) fn remote(&self, skill: &SkillConfig, mcp: &McpSseSkill) -> Result<ServerPlan, RunError> {
        let known = &self.runtime.environment;
        let value_of = |name: &EnvName| {
            let (expert, skill) = (self.expert.key.clone(), skill.name.clone());
            let missing = || RunError::MissingRequired { expert, skill, name: name.to_string() };
            known.get(name.as_str()).cloned().ok_or_else(missing)
        };
        let headers = mcp.headers.iter().map(|header| {
            let value = header.value.fill(value_of)?;
            let is_visible = value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
            if !is_visible {
                let reason = format!("the value of its header `{}` has characters that no header has", header.name);
                return Err(self.unsupported(skill, reason));
            }
            Ok((header.name.clone(), value.into()))
        });
        let headers = headers.collect::<Result<_, RunError>>()?;
        let named: BTreeSet<&EnvName> = mcp.headers.iter().flat_map(|header| header.value.variables()).collect();
        let secret = |name: &&EnvName| {
            Ok(SecretGrant { name: name.to_string(), value: value_of(name)?.into(), hosts: Vec::new() })
        };
        let redactor = Redactor::new(named.iter().map(secret).collect::<Result<_, RunError>>()?);
        let redactor = redactor.map_err(|error| self.unsupported(skill, error.to_string()))?;
        Ok(ServerPlan {
            skill: skill.name.clone(),
            place: ServerPlace::Remote {
                endpoint: mcp.endpoint.clone(),
                domains: mcp.allowed_domains.clone(),
                sandbox: self.runtime.sandbox.clone(),
                access: Arc::new(SkillAccess { headers, redactor }),
                variables: named.iter().map(ToString::to_string).collect(),
            },
            is_lazy: false,
            pick: skill.pick.clone(),
            omit: skill.omit.clone(),
            user: self.runtime.user.clone(),
        })
    }
}

impl ServerPlan {
    /// For people who wait for the run.
    pub(crate) fn summary(&self) -> SkillSummary {
        let grants = match &self.place {
            ServerPlace::Native { command, variables, .. } => {
                let program = format!("native program {command}, outside the sandbox");
                let variables = variables.iter().map(|name| format!("variable {name}"));
                [program].into_iter().chain(variables).collect()
            }
            ServerPlace::Remote { endpoint, variables, .. } => {
                let secrets = variables.iter().map(|name| format!("secret {name} for it"));
                [format!("server {endpoint}")].into_iter().chain(secrets).collect()
            }
        };
        SkillSummary { name: self.skill.clone(), grants, left_out: Vec::new() }
    }
}
