//! What a server says its tools are, as far as it can be used.

use std::collections::{BTreeMap, BTreeSet};

use perstack_core::{Hints, ToolDefinition};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::Value;

use crate::harmless::{in_one_line, shortened};
use crate::limits::{
    MAX_DEFINITIONS_BYTES, MAX_DESCRIPTION, MAX_NOTES, MAX_SCHEMA_BYTES, MAX_TITLE, MAX_TOOL_NAME, MAX_TOOLS,
};

/// The tools of a server at one time.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Definitions {
    /// As the model sees them.
    pub(crate) tools: Vec<ToolDefinition>,
    /// What the server calls them, by what the model does.
    pub(crate) names: BTreeMap<String, String>,
    /// What was left out, and why.
    pub(crate) notes: Vec<String>,
}

/// Which tools are wanted, by their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    /// Only these, where there are any.
    pub(crate) pick: Vec<String>,
    /// Not these.
    pub(crate) omit: Vec<String>,
}

impl Choice {
    fn wants(&self, names: [&str; 2]) -> bool {
        let named = |list: &[String]| list.iter().any(|name| names.contains(&name.as_str()));
        (self.pick.is_empty() || named(&self.pick)) && !named(&self.omit)
    }
}

impl Definitions {
    /// Takes what can be used of a list.
    pub(crate) fn read(listed: Vec<Tool>, choice: &Choice) -> Self {
        let mut read = Self::default();
        let mut bytes = 0;
        let mut left_out = Vec::new();
        let mut missing: BTreeSet<&str> = choice.pick.iter().chain(&choice.omit).map(String::as_str).collect();
        for tool in listed {
            let real = tool.name.clone().into_owned();
            let shown = shown_name(&real);
            let is_wanted = {
                let names = [real.as_str(), shown.as_deref().unwrap_or_default()];
                missing.retain(|name| !names.contains(name));
                choice.wants(names)
            };
            if !is_wanted {
                continue;
            }
            let name = in_one_line(&real, MAX_TOOL_NAME);
            let definition = match shown {
                Some(shown) if read.names.contains_key(&shown) => Err(format!("another is named `{shown}`")),
                Some(_) if read.tools.len() >= MAX_TOOLS => Err(format!("there are more than {MAX_TOOLS}")),
                Some(shown) => definition(shown, tool),
                None => Err(format!("a name is 1 to {MAX_TOOL_NAME} letters, digits, `_`, `-`, `.`, `/` and `:`")),
            };
            let definition = definition.and_then(|(definition, size)| match bytes + size {
                all if all > MAX_DEFINITIONS_BYTES => Err("all of them are too large together".to_owned()),
                all => {
                    bytes = all;
                    Ok(definition)
                }
            });
            match definition {
                Ok(definition) => {
                    read.names.insert(definition.name.clone(), real);
                    read.tools.push(definition);
                }
                Err(reason) => left_out.push(format!("its tool `{name}` is left out: {reason}")),
            }
        }
        let missing = missing.into_iter().map(|name| format!("it has no tool `{name}` to pick or omit"));
        let notes: Vec<String> = left_out.into_iter().chain(missing).collect();
        let more = notes.len().saturating_sub(MAX_NOTES);
        read.notes = notes.into_iter().take(MAX_NOTES).collect();
        if more > 0 {
            read.notes.push(format!("and so on, {more} times more"));
        }
        read
    }
}

/// What models take as a name: some servers have points and slashes in theirs.
fn shown_name(name: &str) -> Option<String> {
    let shown = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => Some(character),
        '.' | '/' | ':' => Some('_'),
        _ => None,
    };
    let fits = !name.is_empty() && name.len() <= MAX_TOOL_NAME;
    fits.then(|| name.chars().map(shown).collect()).flatten()
}

/// A definition, and about how many bytes it has.
fn definition(name: String, tool: Tool) -> Result<(ToolDefinition, usize), String> {
    let (input_schema, size) = schema(&tool.input_schema)?;
    let output_schema = tool.output_schema.as_deref().map(schema).transpose()?;
    let annotations = tool.annotations.unwrap_or_default();
    let title = tool.title.or_else(|| annotations.title.clone());
    let description = shortened(tool.description.as_deref().unwrap_or_default(), MAX_DESCRIPTION);
    let size = size + description.len() + output_schema.as_ref().map_or(0, |(_, size)| *size);
    let definition = ToolDefinition {
        name,
        title: title.map(|title| in_one_line(&title, MAX_TITLE)),
        description,
        input_schema,
        output_schema: output_schema.map(|(schema, _)| schema),
        hints: hints(&annotations),
    };
    Ok((definition, size))
}

/// A schema of an object, and how many bytes it has.
fn schema(schema: &JsonObject) -> Result<(Value, usize), String> {
    let size = serde_json::to_string(schema).map_err(|error| error.to_string())?.len();
    if size > MAX_SCHEMA_BYTES {
        return Err(format!("a schema has more than {} KiB", MAX_SCHEMA_BYTES >> 10));
    }
    let mut schema = schema.clone();
    if schema.entry("type").or_insert_with(|| "object".into()) != "object" {
        return Err("its schema is not that of an object".to_owned());
    }
    let mut schema = Value::Object(schema);
    clean(&mut schema);
    Ok((schema, size))
}

/// Texts for people and models, without what they would obey.
fn clean(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "description" || name == "title" => {
                        *text = shortened(text, MAX_DESCRIPTION);
                    }
                    value => clean(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(clean),
        _ => {}
    }
}

/// As the protocol has it where a server says nothing: the worst.
fn hints(said: &ToolAnnotations) -> Hints {
    let read_only = said.read_only_hint.unwrap_or(false);
    Hints {
        read_only,
        destructive: !read_only && said.destructive_hint.unwrap_or(true),
        idempotent: read_only || said.idempotent_hint.unwrap_or(false),
        open_world: said.open_world_hint.unwrap_or(true),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tools(listed: &Value) -> Vec<Tool> {
        serde_json::from_value(listed.clone()).unwrap()
    }

    fn read(listed: &Value) -> Definitions {
        Definitions::read(tools(listed), &Choice::default())
    }

    fn named(name: &str) -> Value {
        json!({ "name": name, "inputSchema": { "type": "object" } })
    }

    #[test]
    fn a_tool_is_taken_over_with_its_hints() {
        let read = read(&json!([{
            "name": "files.read", "title": "Read\u{1b}[2J", "description": "Reads\u{202e} a file.",
            "inputSchema": {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "properties": { "path": { "type": "string", "description": "where\u{7}" } },
            },
            "annotations": { "readOnlyHint": true, "openWorldHint": false },
        }, named("write")]));
        let [first, second] = &read.tools[..] else { panic!("{read:?}") };
        assert_eq!((first.name.as_str(), first.title.as_deref()), ("files_read", Some("Read [2J")));
        assert_eq!(first.description, "Reads  a file.");
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "properties": { "path": { "type": "string", "description": "where " } },
            "type": "object",
        });
        assert_eq!(first.input_schema, schema);
        assert_eq!(first.hints, Hints { read_only: true, destructive: false, idempotent: true, open_world: false });
        assert_eq!(second.hints, Hints { read_only: false, destructive: true, idempotent: false, open_world: true });
        assert_eq!(read.names["files_read"], "files.read");
        assert!(read.notes.is_empty());
    }

    #[test]
    fn lies_about_tools_are_left_out_by_name() {
        let large =
            json!({ "name": "large", "inputSchema": { "type": "object", "title": "x".repeat(MAX_SCHEMA_BYTES) } });
        let array = json!({ "name": "array", "inputSchema": { "type": "array" } });
        let long = "n".repeat(MAX_TOOL_NAME + 1);
        let read = read(&json!([
            named("a"),
            named("a"),
            named("b.c"),
            named("b/c"),
            named("x\u{1b}[2Jy"),
            named(""),
            named("ä"),
            named(&long),
            large,
            array
        ]));
        let names: Vec<&str> = read.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["a", "b_c"]);
        assert_eq!(read.names["b_c"], "b.c");
        assert_eq!(read.notes.len(), 8, "{:?}", read.notes);
        assert_eq!(read.notes[0], "its tool `a` is left out: another is named `a`");
        assert!(read.notes[2].starts_with("its tool `x [2Jy` is left out: a name is"), "{:?}", read.notes);
    }

    #[test]
    fn tools_are_bounded_in_number_and_size() {
        let many: Vec<Value> = (0..=MAX_TOOLS + 20).map(|number| named(&format!("t{number}"))).collect();
        let read_all = read(&many.into());
        assert_eq!(read_all.tools.len(), MAX_TOOLS);
        assert_eq!(read_all.notes.last().unwrap(), "and so on, 11 times more");
        let text = "x".repeat(MAX_SCHEMA_BYTES - 100);
        let large =
            |number: usize| json!({ "name": format!("t{number}"), "inputSchema": { "type": "object", "title": text } });
        let read_all = read(&(0..100).map(large).collect());
        assert_eq!(read_all.tools.len(), MAX_DEFINITIONS_BYTES / MAX_SCHEMA_BYTES);
    }

    #[test]
    fn picked_and_omitted_tools_go_by_either_name() {
        let listed = tools(&json!([named("a.b"), named("c"), named("d")]));
        let chosen = |pick: &[&str], omit: &[&str]| {
            let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let read = Definitions::read(listed.clone(), &Choice { pick: list(pick), omit: list(omit) });
            (read.tools.into_iter().map(|tool| tool.name).collect::<Vec<_>>(), read.notes)
        };
        assert_eq!(chosen(&["a.b", "c"], &["c"]).0, ["a_b"]);
        assert_eq!(chosen(&["a_b"], &[]).0, ["a_b"]);
        assert_eq!(chosen(&[], &["d", "e"]).0, ["a_b", "c"]);
        assert_eq!(chosen(&[], &["e"]).1, ["it has no tool `e` to pick or omit"]);
    }
}
