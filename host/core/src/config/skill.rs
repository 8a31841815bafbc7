//! Skills: the named sets of tools that an Expert is given.

use std::collections::BTreeMap;

use serde_json::Value;

use super::bounds::{
    MAX_DESCRIPTION_CHARACTERS, MAX_ITEMS, MAX_NAME_CHARACTERS, MAX_RULE_CHARACTERS, MAX_SCHEMA_CHARACTERS,
    MAX_TEXT_CHARACTERS,
};
use super::capabilities::Capabilities;
use super::error::{ConfigError, Span, quote};
use super::fields::{Field, Fields};
use super::header::{self, Header};
use super::provider::read_https;
use super::url::{DomainPattern, HttpUrl};
use super::values::{ComponentPath, EnvName, Lifetime, ToolName};
use super::words::words;

/// A named set of tools.
#[derive(Clone, Debug, PartialEq)]
pub struct Skill {
    /// Its name within the Expert.
    pub name: String,
    /// What it is for, to people.
    pub description: Option<String>,
    /// How the model shall use it.
    pub rule: Option<String>,
    /// The only tools offered, where any are named.
    pub pick: Vec<String>,
    /// Tools not offered.
    pub omit: Vec<String>,
    /// Where its tools come from.
    pub kind: SkillKind,
    /// Where it is defined, for hints.
    pub span: Span,
}

/// Where the tools of a skill come from.
#[derive(Clone, Debug, PartialEq)]
pub enum SkillKind {
    /// A component or a plugin, confined to what it is granted.
    Wasm(WasmSkill),
    /// A native MCP server that is started for the run.
    McpStdio(McpStdioSkill),
    /// An MCP server elsewhere.
    McpSse(McpSseSkill),
    /// The user.
    Interactive(InteractiveSkill),
}

/// A skill from a component, or from an Extism plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WasmSkill {
    /// The component or the plugin.
    pub component: ComponentPath,
    /// Which of the two it is.
    pub form: WasmForm,
    /// How long an instance of it lives.
    pub lifetime: Lifetime,
    /// What it is granted.
    pub capabilities: Capabilities,
}

/// What the file of a skill is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WasmForm {
    /// A component.
    Component,
    /// An Extism plugin, with the values of its configuration by their names.
    Extism(BTreeMap<String, String>),
}

/// A skill from a native MCP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpStdioSkill {
    /// The program: `npx`, `uvx` or any other.
    pub command: String,
    /// The package that `npx` or `uvx` runs, with or without a version.
    pub package_name: Option<String>,
    /// Further arguments.
    pub args: Vec<String>,
    /// The variables that it is started with.
    pub required_env: Vec<EnvName>,
    /// The domains that Perstack's proxy lets it reach, where any are named.
    pub allowed_domains: Vec<DomainPattern>,
    /// Whether it is started at the first call and not with the run.
    pub lazy_init: bool,
    /// Programs that `exec` of the base skill may start, by names or absolute paths. Perstack has no such list: there it
    /// starts any.
    pub exec: Vec<String>,
}

/// A skill from an MCP server elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpSseSkill {
    /// The server: a public `https` URL.
    pub endpoint: HttpUrl,
    /// What is sent to it with each request. Perstack has no such field: there nothing is.
    pub headers: Vec<Header>,
    /// The domains that Perstack's proxy lets it reach, where any are named.
    pub allowed_domains: Vec<DomainPattern>,
}

/// A skill whose tools the user answers. The run stops for the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct InteractiveSkill {
    /// Its tools, in the order of the file.
    pub tools: Vec<InteractiveTool>,
}

/// A question to the user.
#[derive(Clone, Debug, PartialEq)]
pub struct InteractiveTool {
    /// Its name, unique among the interactive tools of the Expert.
    pub name: ToolName,
    /// When the model shall call it.
    pub description: Option<String>,
    /// JSON Schema of the arguments: an object.
    pub input_schema: Value,
    /// Where it is defined, for hints.
    pub span: Span,
}

/// The skill that every Expert has that a model drives: Perstack's package of this name.
pub const BASE_SKILL: &str = "@perstack/base";

words! {
    enum SkillType {
        Wasm = "wasmSkill",
        Extism = "extismSkill",
        McpStdio = "mcpStdioSkill",
        McpSse = "mcpSseSkill",
        Interactive = "interactiveSkill",
    }
}

impl SkillType {
    const ALL: [Self; 5] = [Self::Wasm, Self::Extism, Self::McpStdio, Self::McpSse, Self::Interactive];

    const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Wasm => &["type", "component", "description", "rule", "pick", "omit", "lifetime", "capabilities"],
            Self::Extism => &["type", "component", "description", "rule", "pick", "omit", "config", "capabilities"],
            Self::McpStdio => &[
                "type",
                "command",
                "packageName",
                "args",
                "description",
                "rule",
                "pick",
                "omit",
                "requiredEnv",
                "allowedDomains",
                "lazyInit",
                "exec",
            ],
            Self::McpSse => &["type", "endpoint", "headers", "description", "rule", "pick", "omit", "allowedDomains"],
            Self::Interactive => &["type", "description", "rule", "tools"],
        }
    }
}

impl Skill {
    pub(super) fn read(field: &Field<'_>, expert: &str) -> Result<Self, ConfigError> {
        field.check_name("a skill")?;
        let fields = field.table(format!("skill {} of {expert}", quote(field.name())))?;
        let Some(kind) = fields.get("type") else {
            // A misspelt `type` is the likeliest reason for a missing one.
            fields.refuse_unknown(&SkillType::ALL.map(SkillType::fields).concat())?;
            return Err(fields.missing("type").with_hint(Some(format!(
                "add `type = \"…\"`, one of {}",
                super::error::quote_all(SkillType::WORDS.iter().copied())
            ))));
        };
        let kind: SkillType = kind.parse()?;
        fields.refuse_unknown_with(kind.fields(), |name| field_of_another_type(name, kind))?;

        let tool_name = |field: &Field<'_>| field.filled(MAX_NAME_CHARACTERS);
        Ok(Self {
            name: field.name().to_owned(),
            description: fields.optional("description", |field| field.text(MAX_DESCRIPTION_CHARACTERS))?,
            rule: fields.optional("rule", |field| field.text(MAX_RULE_CHARACTERS))?,
            pick: fields.list("pick", tool_name)?,
            omit: fields.list("omit", tool_name)?,
            kind: match kind {
                SkillType::Wasm => SkillKind::Wasm(WasmSkill::read(&fields)?),
                SkillType::Extism => SkillKind::Wasm(WasmSkill::read_extism(&fields)?),
                SkillType::McpStdio => SkillKind::McpStdio(McpStdioSkill::read(&fields)?),
                SkillType::McpSse => SkillKind::McpSse(McpSseSkill::read(&fields)?),
                SkillType::Interactive => SkillKind::Interactive(InteractiveSkill::read(&fields)?),
            },
            span: fields.span(),
        })
    }
}

/// What to say of a field that skills of another type have.
fn field_of_another_type(name: &str, kind: SkillType) -> Option<String> {
    let owner = SkillType::ALL.into_iter().find(|other| other.fields().contains(&name))?;
    Some(match (kind, name) {
        (SkillType::McpStdio, "capabilities") => {
            format!("native programs cannot be confined: `capabilities` are for skills of type `{owner}`")
        }
        _ => format!("`{name}` is for skills of type `{owner}`, this one is of type `{kind}`"),
    })
}

impl WasmSkill {
    fn read(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            component: fields.required("component")?.parse()?,
            form: WasmForm::Component,
            lifetime: fields.optional("lifetime", |field| field.parse())?.unwrap_or_default(),
            capabilities: read_capabilities(fields)?,
        })
    }

    fn read_extism(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let capabilities = read_capabilities(fields)?;
        if let Some(table) = fields.get("capabilities")
            && let Some(files) = table.named_table()?.get("filesystem")
            && !capabilities.filesystem.is_empty()
        {
            let hint = "a component can be granted files: `type = \"wasmSkill\"`";
            return Err(files.invalid("an Extism plugin has no files here").with_hint(Some(hint.into())));
        }
        let config = match fields.get("config") {
            Some(config) => read_plugin_config(&config, &capabilities)?,
            None => BTreeMap::new(),
        };
        Ok(Self {
            component: fields.required("component")?.parse()?,
            form: WasmForm::Extism(config),
            lifetime: Lifetime::Call,
            capabilities,
        })
    }
}

fn read_capabilities(fields: &Fields<'_>) -> Result<Capabilities, ConfigError> {
    let read = |field: &Field<'_>| Capabilities::read(field, fields.place());
    Ok(fields.optional("capabilities", read)?.unwrap_or_default())
}

/// A plugin asks for granted variables and for secrets as it does for its configuration, so each name is there once.
fn read_plugin_config(field: &Field<'_>, capabilities: &Capabilities) -> Result<BTreeMap<String, String>, ConfigError> {
    let fields = field.named_table()?;
    let entries = fields.entries();
    if entries.len() > MAX_ITEMS {
        return Err(
            field.invalid(format_args!("{} values are too many, at most {MAX_ITEMS} are allowed", entries.len()))
        );
    }
    let granted = |name: &str| {
        let in_env = capabilities.env.iter().any(|granted| granted.as_str() == name);
        in_env || capabilities.secrets.keys().any(|granted| granted.as_str() == name)
    };
    let read = |entry: &Field<'_>| {
        entry.check_name("a value of a plugin's configuration")?;
        if granted(entry.name()) {
            return Err(entry
                .invalid_name(format!("{} is both in `config` and in `capabilities`", quote(entry.name())))
                .with_hint(Some(
                    "a plugin asks for variables and secrets by the same names: keep one of them".into(),
                )));
        }
        Ok((entry.name().to_owned(), entry.text(MAX_TEXT_CHARACTERS)?))
    };
    entries.iter().map(read).collect()
}

impl McpStdioSkill {
    fn read(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let package_name = fields.optional("packageName", |field| field.filled(MAX_TEXT_CHARACTERS))?;
        let exec = fields.list("exec", |field| field.filled(MAX_TEXT_CHARACTERS))?;
        if let Some(field) = fields.get("exec").filter(|_| package_name.as_deref() != Some(BASE_SKILL)) {
            return Err(field
                .invalid("only the base skill has a tool that starts programs")
                .with_hint(Some(format!("it belongs to the skill with `packageName = \"{BASE_SKILL}\"`"))));
        }
        Ok(Self {
            command: fields.required("command")?.filled(MAX_TEXT_CHARACTERS)?,
            package_name,
            args: fields.list("args", |field| field.text(MAX_TEXT_CHARACTERS))?,
            required_env: fields.list("requiredEnv", |field| field.parse())?,
            allowed_domains: fields.list("allowedDomains", |field| field.parse())?,
            lazy_init: fields.optional("lazyInit", |field| field.boolean())?.unwrap_or(false),
            exec,
        })
    }
}

impl McpSseSkill {
    fn read(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let endpoint = fields.required("endpoint")?;
        let url = read_https(&endpoint)?;
        url.require_public().map_err(|error| endpoint.value_error(error))?;
        let headers = fields.optional("headers", header::read)?.unwrap_or_default();
        Ok(Self { endpoint: url, headers, allowed_domains: fields.list("allowedDomains", |field| field.parse())? })
    }
}

impl InteractiveSkill {
    fn read(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let tools = fields.required("tools")?;
        let table = tools.named_table()?;
        let entries = table.entries();
        if entries.len() > MAX_ITEMS {
            return Err(
                tools.invalid(format_args!("{} tools are too many, at most {MAX_ITEMS} are allowed", entries.len()))
            );
        }
        let read = |tool: &Field<'_>| InteractiveTool::read(tool, fields.place());
        Ok(Self { tools: entries.iter().map(read).collect::<Result<_, _>>()? })
    }
}

impl InteractiveTool {
    fn read(field: &Field<'_>, skill: &str) -> Result<Self, ConfigError> {
        let name: ToolName = field.name().parse().map_err(|error: super::ValueError| {
            field.invalid_name(format!("{error} in {skill}")).with_hint(error.hint)
        })?;
        let fields = field.table(format!("tool `{name}` of {skill}"))?;
        fields.refuse_unknown(&["name", "description", "inputJsonSchema"])?;
        // Perstack ignores this field, but its documentation writes it.
        if let Some(again) = fields.get("name")
            && again.text(MAX_NAME_CHARACTERS)? != name.as_str()
        {
            return Err(again.invalid(format_args!("the tool is named `{name}` by its table")));
        }
        let schema = fields.required("inputJsonSchema")?;
        let input_schema: Value = serde_json::from_str(&schema.text(MAX_SCHEMA_CHARACTERS)?)
            .map_err(|error| schema.invalid(format_args!("not valid JSON: {error} of the text")))?;
        if !input_schema.is_object() {
            return Err(schema.invalid("a JSON Schema of arguments must be an object"));
        }
        Ok(Self {
            name,
            description: fields.optional("description", |field| field.text(MAX_DESCRIPTION_CHARACTERS))?,
            input_schema,
            span: fields.span(),
        })
    }
}
