//! What the arguments of a tool must be. A schema comes from a guest, or another stranger: patterns are matched in linear
//! time, references lead nowhere outside, and what still takes too long is ended.

use std::collections::HashMap;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

/// Regular expressions of one schema, and bytes of memory that one may take.
const MAX_PATTERNS: usize = 100;
const MAX_PATTERN_MEMORY: usize = 256 << 10;
/// Schemas that apply to one value because each refers to, or has, the next.
const MAX_DEPTH: usize = 64;
/// How long arguments may be checked where a schema refers to itself or others: each reference may double the work.
const MAX_TIME: Duration = Duration::from_secs(1);
/// For schemas within schemas, in the thread in which such arguments are checked.
const STACK: usize = 64 << 20;

/// Keywords with schemas for the same value: one, a list, or by name.
const SAME_VALUE: &[&str] = &["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"];

/// A schema that was found fit.
pub(crate) struct ArgumentSchema {
    validator: Arc<Validator>,
    refers: bool,
    too_slow: AtomicBool,
}

impl ArgumentSchema {
    /// Gets a schema ready; the error says why it is not used.
    pub(crate) fn new(schema: &Value) -> Result<Self, String> {
        let mut survey = Survey { root: schema, patterns: 0, refers: false, depths: HashMap::new() };
        survey.look(schema, true)?;
        if survey.refers {
            survey.each_schema(schema)?;
        }
        let refers = survey.refers;
        let options = jsonschema::draft202012::options()
            .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_MEMORY));
        let mut read = schema.clone();
        if let Some(fields) = read.as_object_mut() {
            // All are read as the version that the protocol names, also one that says it is of another.
            fields.shift_remove("$schema");
        }
        let validator = options.build(&read).map_err(|error| error.to_string())?;
        Ok(Self { validator: Arc::new(validator), refers, too_slow: AtomicBool::new(false) })
    }

    #[cfg(fuzzing)]
    pub(crate) fn refers(&self) -> bool {
        self.refers
    }

    /// Checks arguments; the error says which field does not fit, and why.
    pub(crate) fn check(&self, arguments: &Value) -> Result<(), String> {
        if !self.refers {
            return misfit(&self.validator, arguments);
        }
        let slow = || Err("they cannot be checked: the tool's schema takes too long".to_owned());
        if self.too_slow.load(Ordering::Relaxed) {
            return slow();
        }
        let (validator, arguments) = (self.validator.clone(), arguments.clone());
        let (done, checked) = sync_channel(1);
        let check = move || drop(done.send(misfit(&validator, &arguments)));
        let thread = thread::Builder::new().name("schema".to_owned()).stack_size(STACK).spawn(check);
        let begun = thread.map_err(|error| format!("they cannot be checked: {error}"));
        begun.and_then(|_| {
            checked.recv_timeout(MAX_TIME).unwrap_or_else(|_| {
                // It goes on until the process ends; there is no other for this tool.
                self.too_slow.store(true, Ordering::Relaxed);
                slow()
            })
        })
    }
}

fn misfit(validator: &Validator, arguments: &Value) -> Result<(), String> {
    validator.validate(arguments).map_err(|error| {
        let place = error.instance_path().to_string();
        if place.is_empty() { error.to_string() } else { format!("`{place}`: {error}") }
    })
}

/// What a schema has, found out before anything is made of it.
struct Survey<'a> {
    root: &'a Value,
    patterns: usize,
    refers: bool,
    /// How many schemas apply to a value because of this one; nothing while that is being found out.
    depths: HashMap<*const Value, Option<usize>>,
}

impl<'a> Survey<'a> {
    /// Counts patterns, and finds references.
    fn look(&mut self, value: &'a Value, is_root: bool) -> Result<(), String> {
        match value {
            Value::Object(fields) => {
                self.patterns += usize::from(fields.get("pattern").is_some_and(Value::is_string));
                self.patterns += fields.get("patternProperties").and_then(Value::as_object).map_or(0, Map::len);
                if self.patterns > MAX_PATTERNS {
                    return Err(format!("more than {MAX_PATTERNS} patterns"));
                }
                for (name, value) in fields {
                    match name.as_str() {
                        "$ref" if value.is_string() => self.refers = true,
                        "$dynamicRef" | "$recursiveRef" if value.is_string() => {
                            return Err(format!("`{name}` cannot be used"));
                        }
                        "$id" if !is_root && value.is_string() => return Err("`$id` within it cannot be used".into()),
                        _ => {}
                    }
                    self.look(value, false)?;
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.look(item, false)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Measures every schema in it; what is none does no harm.
    fn each_schema(&mut self, value: &'a Value) -> Result<(), String> {
        self.depth(value, 0)?;
        match value {
            Value::Object(fields) => fields.values().try_for_each(|value| self.each_schema(value)),
            Value::Array(items) => items.iter().try_for_each(|item| self.each_schema(item)),
            _ => Ok(()),
        }
    }

    fn depth(&mut self, schema: &'a Value, above: usize) -> Result<usize, String> {
        let Value::Object(fields) = schema else { return Ok(0) };
        let too_deep = || format!("more than {MAX_DEPTH} schemas that lead from one to the next");
        match self.depths.get(&ptr::from_ref(schema)) {
            Some(Some(depth)) => return Ok(*depth),
            Some(None) => return Err("a schema that leads to itself".to_owned()),
            None if above > MAX_DEPTH => return Err(too_deep()),
            None => {}
        }
        self.depths.insert(ptr::from_ref(schema), None);
        let mut deepest = 0;
        if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
            let target = pointer.and_then(|pointer| self.root.pointer(pointer));
            let target = target.ok_or_else(|| format!("`$ref` to `{reference}` leads to nothing in it"))?;
            deepest = self.depth(target, above + 1)?;
        }
        for keyword in SAME_VALUE {
            let schemas: Vec<&'a Value> = match fields.get(*keyword) {
                Some(Value::Array(schemas)) => schemas.iter().collect(),
                Some(Value::Object(schemas)) if *keyword == "dependentSchemas" => schemas.values().collect(),
                Some(schema) => vec![schema],
                None => continue,
            };
            for schema in schemas {
                deepest = deepest.max(self.depth(schema, above + 1)?);
            }
        }
        if deepest >= MAX_DEPTH {
            return Err(too_deep());
        }
        self.depths.insert(ptr::from_ref(schema), Some(deepest + 1));
        Ok(deepest + 1)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(schema: &Value) -> String {
        ArgumentSchema::new(schema).err().unwrap()
    }

    #[test]
    fn a_misfit_is_named() {
        let schema = ArgumentSchema::new(&json!({
            "type": "object", "properties": { "count": { "type": "integer", "maximum": 3 } }, "required": ["count"],
        }))
        .unwrap();
        schema.check(&json!({ "count": 3 })).unwrap();
        assert_eq!(schema.check(&json!({ "count": 4 })).unwrap_err(), "`/count`: 4 is greater than the maximum of 3");
        schema.check(&json!({})).unwrap_err();
    }

    #[test]
    fn a_pattern_cannot_take_for_ever_nor_all_memory() {
        let schema = ArgumentSchema::new(&json!({ "pattern": "^(a+)+$" })).unwrap();
        schema.check(&json!("a".repeat(50_000) + "!")).unwrap_err();
        refused(&json!({ "pattern": "(?=a)" }));
        refused(&json!({ "pattern": "(\\w{500}){500}" }));
        let many: Vec<Value> = (0..101).map(|number| json!({ "pattern": number.to_string() })).collect();
        assert_eq!(refused(&json!({ "anyOf": many })), "more than 100 patterns");
        let many: Map<String, Value> = (0..101).map(|number| (number.to_string(), json!({}))).collect();
        assert_eq!(refused(&json!({ "patternProperties": many })), "more than 100 patterns");
    }

    #[test]
    fn a_schema_cannot_reach_outside() {
        for outside in ["file:///etc/passwd", "http://127.0.0.1/", "#anchor", "#/nothing", "other.json"] {
            refused(&json!({ "$ref": outside }));
        }
        refused(&json!({ "$dynamicRef": "#x" }));
        refused(&json!({ "properties": { "a": { "$id": "http://a.example/" } } }));
    }

    #[test]
    fn references_work_and_do_not_lead_in_circles() {
        let tree = json!({
            "$ref": "#/$defs/node",
            "$defs": { "node": {
                "type": "object", "required": ["name"],
                "properties": { "name": { "type": "string" }, "left": { "$ref": "#/$defs/node" }, "right": { "$ref": "#/$defs/node" } },
            } },
        });
        let tree = ArgumentSchema::new(&tree).unwrap();
        tree.check(&json!({ "name": "a", "left": { "name": "b" } })).unwrap();
        tree.check(&json!({ "name": "a", "left": { "name": 1 } })).unwrap_err();
        let circle = "a schema that leads to itself";
        assert_eq!(refused(&json!({ "$ref": "#" })), circle);
        assert_eq!(refused(&json!({ "allOf": [{ "anyOf": [{ "not": { "$ref": "#" } }] }] })), circle);
        let inner = json!({ "properties": { "a": { "if": { "$ref": "#/properties/a" } } } });
        assert_eq!(refused(&inner), circle);
        let chain = |length: usize| {
            let link = |number: usize| (number.to_string(), json!({ "$ref": format!("#/$defs/{}", number + 1) }));
            let mut links: Map<String, Value> = (0..length).map(link).collect();
            links.insert(length.to_string(), json!({ "type": "string" }));
            json!({ "$ref": "#/$defs/0", "$defs": links })
        };
        ArgumentSchema::new(&chain(50)).unwrap().check(&json!("a")).unwrap();
        assert!(refused(&chain(3_000)).contains("more than 64 schemas"));
    }

    #[test]
    fn what_takes_too_long_is_given_up_once_and_for_all() {
        let twice = |number: usize| {
            let next = json!({ "$ref": format!("#/$defs/{}", number + 1) });
            (number.to_string(), json!({ "allOf": [next, next] }))
        };
        let mut doubled: Map<String, Value> = (0..30).map(twice).collect();
        doubled.insert("30".into(), json!({ "type": "string" }));
        let schema = ArgumentSchema::new(&json!({ "$ref": "#/$defs/0", "$defs": doubled })).unwrap();
        for _ in 0..2 {
            assert!(schema.check(&json!("a")).unwrap_err().contains("takes too long"));
        }
    }
}
