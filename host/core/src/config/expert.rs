//! Experts: the agents that a project defines.

use crate::Limits;

use super::bounds::{MAX_DESCRIPTION_CHARACTERS, MAX_INSTRUCTION_CHARACTERS, MAX_ITEMS, MAX_NAME_CHARACTERS, MAX_TAGS};
use super::capabilities::{LOGIC_LIMITS, read_limits};
use super::error::{ConfigError, Span, quote};
use super::fields::{Field, Fields};
use super::key::{ExpertKey, ExpertVersion, Tag};
use super::provider_tools::{Hosted, ProviderSkill, ProviderTool, ProviderToolOptions};
use super::skill::{InteractiveTool, Skill, SkillKind};
use super::values::ComponentPath;

/// An agent's definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Expert {
    /// What it is called by: `name` or `@org/name`. In a project file it has no version or tag.
    pub key: String,
    /// Its name, as in events; in a project file the same as the key.
    pub name: String,
    /// Its version, `1.0.0` where none is given.
    pub version: ExpertVersion,
    /// The least version of the runtime, as written.
    pub min_runtime_version: Option<String>,
    /// What it is for, to people and to Experts that delegate to it.
    pub description: Option<String>,
    /// What the model is told; empty only if the Expert has its own logic.
    pub instruction: String,
    /// Its skills, in the order of the file.
    pub skills: Vec<Skill>,
    /// The Experts that it may delegate to, none twice.
    pub delegates: Vec<ExpertKey>,
    /// Words by which it is found.
    pub tags: Vec<Tag>,
    /// Tools that the provider runs.
    pub provider_tools: Vec<ProviderTool>,
    /// Skills that the provider runs.
    pub provider_skills: Vec<ProviderSkill>,
    /// How the provider's tools behave.
    pub provider_tool_options: ProviderToolOptions,
    /// The component that runs in place of the model-driven loop.
    pub logic: Option<Logic>,
    /// Where it is defined, for hints.
    pub span: Span,
}

/// The component that decides what an Expert does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logic {
    /// The component.
    pub component: ComponentPath,
    /// What it may use up, with the defaults of [`Limits`] for what is not set.
    pub limits: Limits,
    /// Where it is named, for hints.
    pub span: Span,
}

/// Fields of an Expert.
const FIELDS: &[&str] = &[
    "version",
    "minRuntimeVersion",
    "description",
    "instruction",
    "logic",
    "skills",
    "delegates",
    "tags",
    "providerTools",
    "providerSkills",
    "providerToolOptions",
];

impl Expert {
    /// Its interactive tools, each with its skill.
    pub fn interactive_tools(&self) -> impl Iterator<Item = (&Skill, &InteractiveTool)> {
        self.skills.iter().flat_map(|skill| {
            let tools = match &skill.kind {
                SkillKind::Interactive(interactive) => interactive.tools.as_slice(),
                SkillKind::Wasm(_) | SkillKind::McpStdio(_) | SkillKind::McpSse(_) => &[],
            };
            tools.iter().map(move |tool| (skill, tool))
        })
    }

    /// What the provider of its model runs for it.
    pub fn hosted(&self) -> Hosted<'_> {
        Hosted { tools: &self.provider_tools, options: &self.provider_tool_options, skills: &self.provider_skills }
    }

    pub(super) fn read(field: &Field<'_>) -> Result<Self, ConfigError> {
        let key = read_key(field)?;
        let place = format!("Expert `{key}`");
        let fields = field.table(place.as_str())?;
        fields.refuse_unknown(FIELDS)?;

        let logic = fields.optional("logic", |field| Logic::read(field, &place))?;
        let instruction = match (fields.get("instruction"), &logic) {
            (Some(instruction), None) => instruction.filled(MAX_INSTRUCTION_CHARACTERS)?,
            (Some(instruction), Some(_)) => instruction.text(MAX_INSTRUCTION_CHARACTERS)?,
            (None, Some(_)) => String::new(),
            (None, None) => {
                return Err(fields
                    .missing("instruction")
                    .with_hint(Some("only an Expert with its own `logic` needs no instruction".into())));
            }
        };
        let expert = Self {
            name: key.clone(),
            key,
            version: fields.optional("version", |field| field.parse())?.unwrap_or_default(),
            min_runtime_version: fields.optional("minRuntimeVersion", |field| field.filled(MAX_NAME_CHARACTERS))?,
            description: fields.optional("description", |field| field.text(MAX_DESCRIPTION_CHARACTERS))?,
            instruction,
            skills: read_skills(&fields, &place)?,
            delegates: read_delegates(&fields)?,
            tags: fields.optional("tags", |field| field.list(MAX_TAGS, |field| field.parse()))?.unwrap_or_default(),
            provider_tools: fields.list("providerTools", |field| field.parse())?,
            provider_skills: fields.list("providerSkills", ProviderSkill::read)?,
            provider_tool_options: fields
                .optional("providerToolOptions", ProviderToolOptions::read)?
                .unwrap_or_default(),
            logic,
            span: fields.span(),
        };
        expert.refuse_duplicate_tools()?;
        Ok(expert)
    }

    /// Of two tools of one name the model could call only one, and nobody would know which.
    fn refuse_duplicate_tools(&self) -> Result<(), ConfigError> {
        let mut seen: std::collections::BTreeMap<&str, &Skill> = std::collections::BTreeMap::new();
        for (skill, tool) in self.interactive_tools() {
            if let Some(first) = seen.insert(tool.name.as_str(), skill) {
                return Err(ConfigError::new(
                    format!(
                        "tool `{}` is in two skills of Expert `{}`: {} and {}",
                        tool.name,
                        self.key,
                        quote(&first.name),
                        quote(&skill.name)
                    ),
                    tool.span.start..tool.span.end,
                )
                .with_hint(Some(format!("rename one of them; the first is on line {}", first_line(first, tool)))));
            }
        }
        Ok(())
    }
}

/// The line of the tool of the same name in `skill`.
fn first_line(skill: &Skill, tool: &InteractiveTool) -> usize {
    match &skill.kind {
        SkillKind::Interactive(interactive) => interactive.tools.iter().find(|first| first.name == tool.name),
        SkillKind::Wasm(_) | SkillKind::McpStdio(_) | SkillKind::McpSse(_) => None,
    }
    .map_or(skill.span.line, |first| first.span.line)
}

fn read_key(field: &Field<'_>) -> Result<String, ConfigError> {
    let key: ExpertKey = field.parse_name()?;
    if !key.is_definition() {
        return Err(field
            .invalid_name(format!("Expert key {} has a version, a tag or a dot", quote(field.name())))
            .with_hint(Some("define it as `name` or `@org/name`, with the version in the field `version`".into())));
    }
    Ok(key.to_string())
}

fn read_skills(fields: &Fields<'_>, place: &str) -> Result<Vec<Skill>, ConfigError> {
    let Some(skills) = fields.get("skills") else {
        return Ok(Vec::new());
    };
    let table = skills.named_table()?;
    let entries = table.entries();
    if entries.len() > MAX_ITEMS {
        return Err(
            skills.invalid(format_args!("{} skills are too many, at most {MAX_ITEMS} are allowed", entries.len()))
        );
    }
    entries.iter().map(|skill| Skill::read(skill, place)).collect()
}

fn read_delegates(fields: &Fields<'_>) -> Result<Vec<ExpertKey>, ConfigError> {
    let mut names = std::collections::BTreeSet::new();
    fields.list("delegates", |field| {
        let key: ExpertKey = field.parse()?;
        // Each becomes a tool of this name.
        if !names.insert(key.name().to_owned()) {
            return Err(field.invalid(format_args!("`{}` is named twice", key.name())));
        }
        Ok(key)
    })
}

impl Logic {
    fn read(field: &Field<'_>, expert: &str) -> Result<Self, ConfigError> {
        let fields = field.table(format!("`logic` of {expert}"))?;
        fields.refuse_unknown_with(&["component", "limits"], |name| {
            matches!(name, "capabilities" | "env" | "secrets" | "filesystem" | "network").then(|| {
                "an Expert's logic is granted nothing of its own: it acts through skills, which are".to_owned()
            })
        })?;
        Ok(Self {
            component: fields.required("component")?.parse()?,
            limits: fields.optional("limits", |field| read_limits(field, LOGIC_LIMITS))?.unwrap_or_default(),
            span: fields.span(),
        })
    }
}
