//! Whether a project asks for more than the host policy allows. All its Experts are looked at before anything of it is
//! loaded: each may be delegated to.

use std::io;
use std::path::{Path, PathBuf};

use perstack_core::config::{
    Access, BASE_SKILL, Config, Expert, FilesystemGrant, GrantPath, HostPattern, McpSseSkill, Needs, NetworkPattern,
    SkillKind, WasmSkill, is_within,
};
use perstack_core::policy::{PathCeiling, Policy, Stated};

use crate::cast::is_base;
use crate::policy::{HostPolicy, Refusal};
use crate::prepare::accept;
use crate::servers::in_place_of;

/// How a project asks for something.
const GRANTED: &str = "is granted";

/// What a project is held against.
pub(crate) struct Admission<'a> {
    host: &'a HostPolicy,
    /// The workspace's real path.
    workspace: &'a Path,
    /// Whether the base skill is a component here.
    has_base: bool,
    /// The folders that may be granted, resolved. One that is not there allows nothing.
    folders: Option<(Vec<(PathBuf, Access)>, usize)>,
}

impl<'a> Admission<'a> {
    pub(crate) fn new(host: &'a HostPolicy, workspace: &'a Path, has_base: bool) -> Self {
        let resolve = |ceiling: &PathCeiling| Some((ceiling.path.as_path().canonicalize().ok()?, ceiling.access));
        let ceilings = host.policy().ceilings.filesystem.as_ref();
        let folders = ceilings.map(|stated| (stated.value.iter().filter_map(resolve).collect(), stated.line));
        Self { host, workspace, has_base, folders }
    }

    /// Holds a whole project against the policy.
    pub(crate) fn check(&self, project: &Config) -> Result<(), Refusal> {
        if let Some((runtime, line)) = project.runtime.zip(self.policy().denies_native())
            && accept(runtime).is_err()
        {
            let asks = format!("has `runtime = \"{runtime}\"`, which starts native programs");
            return Err(self.refusal("this project", asks, "native", line));
        }
        project.experts.iter().try_for_each(|expert| self.expert(expert))
    }

    fn expert(&self, expert: &Expert) -> Result<(), Refusal> {
        if let Some(logic) = &expert.logic {
            self.component(&format!("the logic of Expert `{}`", expert.key), logic.component.as_str())?;
        } else if self.has_base && !expert.skills.iter().any(|skill| skill.name == BASE_SKILL) {
            self.base(&subject(expert, BASE_SKILL))?;
        }
        for skill in &expert.skills {
            let subject = subject(expert, &skill.name);
            match &skill.kind {
                SkillKind::Wasm(wasm) => self.wasm(&subject, wasm)?,
                SkillKind::McpStdio(mcp) if self.has_base && is_base(mcp) => {
                    mcp.exec.iter().try_for_each(|program| self.native(&subject, program))?;
                    self.base(&subject)?;
                }
                SkillKind::McpStdio(mcp) => self
                    .native(&subject, &mcp.command)
                    .map_err(|refusal| Refusal { instead: in_place_of(mcp), ..refusal })?,
                SkillKind::McpSse(mcp) => self.server(&subject, mcp)?,
                SkillKind::Interactive(_) => {}
            }
        }
        Ok(())
    }

    fn native(&self, subject: &str, program: &str) -> Result<(), Refusal> {
        match self.policy().denies_native() {
            Some(line) => Err(self.refusal(subject, format!("starts the native program `{program}`"), "native", line)),
            None => Ok(()),
        }
    }

    /// The skill that every Expert has that a model drives: it has the files of the workspace.
    fn base(&self, subject: &str) -> Result<(), Refusal> {
        self.component(subject, BASE_SKILL)?;
        self.files(subject, GRANTED, &FilesystemGrant { path: GrantPath::workspace(), access: Access::Write })
    }

    fn wasm(&self, subject: &str, skill: &WasmSkill) -> Result<(), Refusal> {
        self.component(subject, skill.component.as_str())?;
        let granted = &skill.capabilities;
        granted.network.iter().try_for_each(|pattern| self.network(subject, GRANTED, pattern))?;
        for (name, hosts) in &granted.secrets {
            hosts.iter().try_for_each(|host| self.secret(subject, GRANTED, name.as_str(), host))?;
        }
        granted.filesystem.iter().try_for_each(|grant| self.files(subject, GRANTED, grant))
    }

    /// Signatures are not there yet, so no component has one.
    fn component(&self, subject: &str, component: &str) -> Result<(), Refusal> {
        let Some(required) = &self.policy().require_signature else { return Ok(()) };
        let asks = format!("is the component `{component}`, which nobody has signed");
        Err(self.refusal(subject, asks, "components.require-signature", required.line))
    }

    /// What of a component's needs could not be granted, whatever the project says.
    pub(crate) fn out_of_reach(&self, subject: &str, needs: &Needs) -> Vec<Refusal> {
        let network = needs.network.iter().map(|pattern| self.network(subject, "needs", pattern));
        let secrets = needs
            .secrets
            .iter()
            .flat_map(|(name, hosts)| hosts.iter().map(move |host| self.secret(subject, "needs", name.as_str(), host)));
        let files = needs.filesystem.iter().map(|grant| self.files(subject, "needs", grant));
        network.chain(secrets).chain(files).filter_map(Result::err).collect()
    }

    fn network(&self, subject: &str, how: &str, pattern: &NetworkPattern) -> Result<(), Refusal> {
        self.reaches(subject, |ceiling| ceiling.includes(pattern), || format!("{how} network `{pattern}`"))
    }

    fn secret(&self, subject: &str, how: &str, name: &str, host: &HostPattern) -> Result<(), Refusal> {
        let asks = || format!("{how} secret `{name}` for `{host}`");
        self.reaches(subject, |ceiling| ceiling.host().includes(host), asks)
    }

    /// A server elsewhere, which the runtime would connect to. One whose address is not of the form of a grant is within
    /// nothing.
    fn server(&self, subject: &str, skill: &McpSseSkill) -> Result<(), Refusal> {
        let authority = skill.endpoint.as_str().split('/').take(3).collect::<Vec<_>>().join("/");
        let pattern: Option<NetworkPattern> = authority.parse().ok();
        let includes = |ceiling: &NetworkPattern| pattern.as_ref().is_some_and(|pattern| ceiling.includes(pattern));
        self.reaches(subject, includes, || format!("connects to `{authority}`"))
    }

    fn reaches(
        &self,
        subject: &str,
        includes: impl Fn(&NetworkPattern) -> bool,
        asks: impl Fn() -> String,
    ) -> Result<(), Refusal> {
        match &self.policy().ceilings.network {
            Some(Stated { value, line }) if !value.iter().any(includes) => {
                Err(self.refusal(subject, asks(), "ceilings.network", *line))
            }
            _ => Ok(()),
        }
    }

    fn files(&self, subject: &str, how: &str, grant: &FilesystemGrant) -> Result<(), Refusal> {
        let Some((folders, line)) = &self.folders else { return Ok(()) };
        let path = match grant.path.as_str() {
            "." => self.workspace.to_owned(),
            below => self.workspace.join(below),
        };
        let real = match path.canonicalize() {
            Ok(real) => Some(real),
            // It is opened without following a link, so it can come to be nowhere else.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(path.clone()),
            Err(_) => None,
        };
        let allows = |(folder, access): &(PathBuf, Access)| {
            access.includes(grant.access) && real.as_ref().is_some_and(|real| is_within(real, folder))
        };
        if folders.iter().any(allows) {
            return Ok(());
        }
        let asks = format!("{how} files `{}` (`{}`): {}", grant.path, path.display(), grant.access);
        Err(self.refusal(subject, asks, "ceilings.filesystem", *line))
    }

    fn policy(&self) -> &Policy {
        self.host.policy()
    }

    fn refusal(&self, subject: &str, asks: String, field: &'static str, line: usize) -> Refusal {
        let place = format!("{}:{line}", self.host.path());
        Refusal { subject: subject.to_owned(), asks, place, field, instead: None }
    }
}

fn subject(expert: &Expert, skill: &str) -> String {
    format!("skill `{skill}` of Expert `{}`", expert.key)
}
