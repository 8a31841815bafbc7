//! `perstack inspect`: what a component is, what it asks for, and who grants it that.

use std::io::{Write, stdout};
use std::path::Path;

use perstack_core::config::{FilesystemGrant, HostPattern, Needs};
use perstack_core::{Hints, ToolDefinition};
use perstack_runtime::{
    ComponentBytes, HostPolicy, Inspected, LoadError, Project, Purpose, Refusal, Runtime, RuntimeConfig, Use,
};
use serde_json::{Value, json};

use crate::args::{GlobalArgs, InspectArgs};
use crate::context;
use crate::failure::{Exit, Failure};
use crate::text::{harmless, size};

/// How wide the names of the parts are.
const NAMES: usize = 12;

pub(crate) async fn inspect(
    args: &InspectArgs,
    global: &GlobalArgs,
    policy: Option<HostPolicy>,
) -> Result<Exit, Failure> {
    let own = context::own_project(global.config.as_deref())?;
    let subject = Subject::find(&args.subject, own.as_ref())?;
    let runtime = Runtime::new(RuntimeConfig { cache: context::cache(), policy, ..RuntimeConfig::default() })?;
    let inspected = runtime.inspect(&subject.component).await.map_err(|error| refused(&args.subject, &error))?;
    let refused = match &inspected.component.needs {
        // The workspace is this folder, as with `start`.
        Some(needs) => runtime.out_of_reach(context::workspace(None)?.root(), &subject.name, needs),
        None => Vec::new(),
    };
    let text = if args.json {
        let described = describe(&subject, &inspected, &refused).to_string();
        described + "\n"
    } else {
        show(&subject, &inspected, &refused)
    };
    // Who reads nothing has seen nothing.
    drop(stdout().write_all(harmless(&text).as_bytes()));
    Ok(Exit::Done)
}

fn refused(subject: &str, error: &LoadError) -> Failure {
    Failure::new(Exit::NotStarted, format_args!("`{subject}`: {error}"), error.hint())
}

/// What is looked at, and the skills that are it.
struct Subject<'a> {
    name: String,
    component: ComponentBytes,
    uses: Vec<Use<'a>>,
}

impl<'a> Subject<'a> {
    /// A file, or a skill by its name, with its Expert's before it where several Experts have one of that name.
    fn find(subject: &str, project: Option<&'a Project>) -> Result<Self, Failure> {
        let path = Path::new(subject);
        if path.is_file() || subject.ends_with(".wasm") {
            let component = ComponentBytes::read(path).map_err(|error| refused(subject, &error))?;
            let uses = project
                .into_iter()
                .flat_map(|project| project.uses().filter(move |used| project.is_file(used.component, path)));
            let name = path.file_stem().map_or(subject.into(), |stem| stem.to_string_lossy().into_owned());
            return Ok(Self { name, component, uses: uses.collect() });
        }
        let is_meant = |used: &Use<'_>| {
            used.skill_name == subject || format!("{}/{}", used.expert_key, used.skill_name) == subject
        };
        let uses: Vec<Use<'a>> = project.into_iter().flat_map(Project::uses).filter(is_meant).collect();
        let Some((project, first)) = project.zip(uses.first()) else {
            let known: Vec<String> = project
                .into_iter()
                .flat_map(Project::uses)
                .map(|used| format!("`{}/{}`", used.expert_key, used.skill_name))
                .collect();
            let hint = match known.as_slice() {
                [] => "name a file, or a skill of a perstack.toml in this folder or above".to_owned(),
                known => format!("name a file, or one of {}", known.join(", ")),
            };
            return Err(Failure::new(
                Exit::NotStarted,
                format_args!("there is no file and no skill `{subject}`"),
                Some(hint),
            ));
        };
        if let Some(other) = uses.iter().find(|other| other.component != first.component) {
            let hint = format!(
                "name one: `{}/{}`, `{}/{}`",
                first.expert_key, first.skill_name, other.expert_key, other.skill_name
            );
            return Err(Failure::new(
                Exit::NotStarted,
                format_args!("several skills are named `{subject}`"),
                Some(hint),
            ));
        }
        let component = project.component(first.component).map_err(|error| refused(subject, &error))?;
        Ok(Self { name: first.skill_name.to_owned(), component, uses })
    }
}

fn digest(component: &ComponentBytes) -> String {
    component.digest().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn show(subject: &Subject<'_>, inspected: &Inspected, refused: &[Refusal]) -> String {
    let purpose = match inspected.component.purpose {
        Purpose::Skill => "skill",
        Purpose::OtherSkill => "skill of a world of its own",
        Purpose::Logic => "an Expert's logic",
        Purpose::Plugin => "Extism plugin",
    };
    let bytes = size(subject.component.size().bytes());
    let mut text = format!("{}   {purpose}, {bytes}, sha256:{}\n", subject.name, digest(&subject.component));
    let mut part = |name: &str, lines: Vec<String>| {
        for (place, line) in lines.into_iter().enumerate() {
            text.push_str(&format!("{:<NAMES$}{line}\n", if place == 0 { name } else { "" }));
        }
    };
    part("tools", inspected.tools.iter().map(signature).collect());
    part("left out", inspected.left_out.clone());
    let needs = match &inspected.component.needs {
        None => "it does not say: it gets all that it is granted".to_owned(),
        Some(needs) if needs.is_empty() => "nothing".to_owned(),
        Some(needs) => texts(needs).join(" · "),
    };
    if inspected.component.purpose != Purpose::Logic {
        part("needs", vec![needs]);
    }
    part("imports", vec![packages(&inspected.component.imports)]);
    let grants = subject.uses.iter().map(|used| {
        let who = format!("{}/{}", used.expert_key, used.skill_name);
        match missing(inspected, used) {
            None => format!("{who}: all it needs"),
            Some(missing) => format!("{who}: missing {}", texts(&missing).join(" · ")),
        }
    });
    part("grants", grants.collect());
    part("policy", refused.iter().map(ToString::to_string).collect());
    for used in &subject.uses {
        if let Some(missing) = missing(inspected, used) {
            text.push_str(&format!("\nto add to perstack.toml:\n{}", lines(used, &missing)));
        }
    }
    text
}

/// What a component needs and an Expert does not grant it.
fn missing(inspected: &Inspected, used: &Use<'_>) -> Option<Needs> {
    let missing = inspected.component.needs.as_ref()?.missing_in(used.granted);
    (!missing.is_empty()).then_some(missing)
}

/// Each need in words, as `start` shows what is granted.
fn texts(needs: &Needs) -> Vec<String> {
    let network = needs.network.iter().map(|pattern| format!("network {pattern}"));
    let secrets = needs.secrets.iter().map(|(name, hosts)| format!("secret {name} at {}", joined(hosts, ", ")));
    let files = needs.filesystem.iter().map(|FilesystemGrant { path, access }| format!("files {path}: {access}"));
    let env = needs.env.iter().map(|name| format!("variable {name}"));
    network.chain(secrets).chain(files).chain(env).collect()
}

fn joined(hosts: &[HostPattern], between: &str) -> String {
    hosts.iter().map(HostPattern::as_str).collect::<Vec<_>>().join(between)
}

/// The table of `perstack.toml` with what is granted and what is missing.
fn lines(used: &Use<'_>, missing: &Needs) -> String {
    let quoted = |text: &str| format!("\"{text}\"");
    let mut lines = format!("[experts.\"{}\".skills.\"{}\".capabilities]\n", used.expert_key, used.skill_name);
    let mut line = |name: &str, values: Vec<String>, [open, close]: [&str; 2]| {
        lines.push_str(&format!("{name} = {open}{}{close}\n", values.join(", ")));
    };
    let granted = used.granted;
    if !missing.network.is_empty() {
        let all = granted.network.union(&missing.network).map(|pattern| quoted(pattern.as_str()));
        line("network", all.collect(), ["[", "]"]);
    }
    if !missing.env.is_empty() {
        line("env", granted.env.union(&missing.env).map(|name| quoted(name.as_str())).collect(), ["[", "]"]);
    }
    if !missing.filesystem.is_empty() {
        let kept =
            granted.filesystem.iter().filter(|grant| missing.filesystem.iter().all(|need| need.path != grant.path));
        let all = kept.chain(&missing.filesystem);
        let all = all.map(|FilesystemGrant { path, access }| format!("{{ path = \"{path}\", access = \"{access}\" }}"));
        line("filesystem", all.collect(), ["[", "]"]);
    }
    if !missing.secrets.is_empty() {
        let mut all = granted.secrets.clone();
        for (name, hosts) in &missing.secrets {
            all.entry(name.clone()).or_default().extend(hosts.iter().cloned());
        }
        let all = all.iter().map(|(name, hosts)| format!("{name} = [\"{}\"]", joined(hosts, "\", \"")));
        line("secrets", all.collect(), ["{ ", " }"]);
    }
    lines
}

/// `wasi:io, wasi:clocks, perstack:plugin/state`: packages of WASI, and interfaces of all others.
fn packages(imports: &[String]) -> String {
    let mut shown: Vec<&str> = Vec::new();
    for import in imports {
        let interface = import.split('@').next().unwrap_or(import);
        let name = match interface.split_once('/') {
            Some((package, _)) if package.starts_with("wasi:") => package,
            _ => interface,
        };
        if !shown.contains(&name) {
            shown.push(name);
        }
    }
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

/// `search(query: string, count?: 1..20) -> object   read-only`
fn signature(tool: &ToolDefinition) -> String {
    let required: Vec<&str> =
        tool.input_schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let arguments = tool.input_schema["properties"].as_object().into_iter().flatten().map(|(name, schema)| {
        let mark = if required.contains(&name.as_str()) { "" } else { "?" };
        format!("{name}{mark}: {}", type_of(schema))
    });
    let arguments = arguments.collect::<Vec<_>>().join(", ");
    let answer = tool.output_schema.as_ref().map(|schema| format!(" -> {}", type_of(schema))).unwrap_or_default();
    let Hints { read_only, destructive, idempotent, open_world } = tool.hints;
    let hints = [
        (read_only, "read-only"),
        (destructive, "destructive"),
        (idempotent, "idempotent"),
        (open_world, "open-world"),
    ];
    let hints: Vec<&str> = hints.into_iter().filter_map(|(is, name)| is.then_some(name)).collect();
    format!("{}({arguments}){answer}   {}", tool.name, hints.join(", ")).trim_end().to_owned()
}

/// The type that a schema says, in a word or two.
fn type_of(schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    if let Some(choices) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        let named = choices.iter().map(type_of).filter(|name| name != "null");
        return named.collect::<Vec<_>>().join(" | ");
    }
    if let Some(types) = schema["type"].as_array() {
        let named = types.iter().filter_map(Value::as_str).filter(|name| *name != "null");
        return named.collect::<Vec<_>>().join(" | ");
    }
    match schema["type"].as_str() {
        Some("integer") => range(schema).unwrap_or_else(|| "integer".to_owned()),
        Some("array") => match type_of(&schema["items"]) {
            several if several.contains(" | ") => format!("({several})[]"),
            one => format!("{one}[]"),
        },
        Some(name) => name.to_owned(),
        None => "any".to_owned(),
    }
}

/// `1..20`, for a range that somebody chose; those of whole integer types say nothing.
fn range(schema: &Value) -> Option<String> {
    const WIDEST: i64 = 200;
    let (least, most) = (schema["minimum"].as_i64()?, schema["maximum"].as_i64()?);
    (most.saturating_sub(least) <= WIDEST).then(|| format!("{least}..{most}"))
}

fn describe(subject: &Subject<'_>, inspected: &Inspected, refused: &[Refusal]) -> Value {
    let needs = |needs: &Needs| {
        json!({
            "network": needs.network.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "secrets": needs.secrets.iter().map(|(name, hosts)| (name.to_string(), json!(hosts.iter().map(ToString::to_string).collect::<Vec<_>>()))).collect::<serde_json::Map<_, _>>(),
            "filesystem": needs.filesystem.iter().map(|grant| json!({ "path": grant.path.to_string(), "access": grant.access.to_string() })).collect::<Vec<_>>(),
            "env": needs.env.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    };
    json!({
        "name": subject.name,
        "purpose": match inspected.component.purpose {
            Purpose::Skill => "skill",
            Purpose::OtherSkill => "otherSkill",
            Purpose::Logic => "logic",
            Purpose::Plugin => "plugin",
        },
        "bytes": subject.component.size().bytes(),
        "sha256": digest(&subject.component),
        "tools": inspected.tools,
        "leftOut": inspected.left_out,
        "imports": inspected.component.imports,
        "needs": inspected.component.needs.as_ref().map(needs),
        "refusedByPolicy": refused.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "grants": subject.uses.iter().map(|used| json!({
            "expertKey": used.expert_key,
            "skillName": used.skill_name,
            "missing": missing(inspected, used).as_ref().map(needs),
        })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_in_a_word_or_two() {
        for (schema, expected) in [
            (json!({ "type": "string" }), "string"),
            (json!({ "type": "integer", "minimum": 1, "maximum": 20 }), "1..20"),
            (json!({ "type": "integer", "minimum": 0, "maximum": 255 }), "integer"),
            (json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] }), "integer"),
            (json!({ "type": "array", "items": { "enum": ["a", "b"] } }), "(\"a\" | \"b\")[]"),
            (json!({ "type": ["string", "null"] }), "string"),
            (json!(true), "any"),
        ] {
            assert_eq!(type_of(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn packages_are_named_once() {
        let imports = ["wasi:io/poll@0.2.0", "wasi:io/streams@0.2.0", "perstack:plugin/state@0.1.0"].map(str::to_owned);
        assert_eq!(packages(&imports), "wasi:io, perstack:plugin/state");
        assert_eq!(packages(&[]), "nothing");
    }
}
