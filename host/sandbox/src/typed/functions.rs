//! The exported functions of a component, as tools.

use std::collections::BTreeMap;

use perstack_core::{Hints, ToolDefinition};
use serde_json::Value;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex};

use super::left_out::{LeftOut, Reason};
use super::names::{self, Place};
use super::shape::{Field, Reader, Shape};
use super::wit::Documentation;
use super::{docs, schema};
use crate::component::World;
use crate::convert::{MAX_DESCRIPTION, MAX_NAME, MAX_SCHEMA, MAX_TOOLS};
use crate::error::{LoadError, printable};

/// Functions of one component that are looked at: several times as many as may be tools.
const MAX_FUNCTIONS: usize = 1000;
/// Bytes of the names of all functions with those of their interfaces: one name in a component may be that of many.
const MAX_NAMES_BYTES: usize = 1 << 20;
/// What componentize-py exports beside the component's own functions.
const PYTHON_INTERFACE: &str = "exports";

/// A function that is a tool.
pub(crate) struct Function {
    pub(crate) export: ComponentExportIndex,
    pub(crate) parameters: Vec<Field>,
    pub(crate) result: Option<Shape>,
}

/// What came of the functions of a component.
pub(crate) struct Functions {
    pub(crate) tools: Vec<ToolDefinition>,
    pub(crate) functions: BTreeMap<String, Function>,
    pub(crate) left_out: Vec<LeftOut>,
}

/// Reads all exported functions.
///
/// # Errors
/// [`LoadError::WrongWorld`] if there are none, [`LoadError::NoTools`] if none can be a tool, [`LoadError::BadTools`] if
/// there are too many.
pub(crate) fn read(component: &Component, documentation: &Documentation) -> Result<Functions, LoadError> {
    let mut left_out = Vec::new();
    let (mut places, mut read) = (Vec::new(), Vec::new());
    for (place, ty, export) in exported(component)? {
        match function(&place, &ty, export, documentation) {
            Ok(function) => {
                places.push(place);
                read.push(function);
                if read.len() > MAX_TOOLS {
                    return Err(LoadError::BadTools(format!("more than {MAX_TOOLS} functions")));
                }
            }
            Err(reason) => left_out.push(LeftOut { function: place.full(), reason }),
        }
    }
    let mut tools = Vec::new();
    let mut functions = BTreeMap::new();
    for ((place, name), (function, description)) in places.iter().zip(names::tools(&places)).zip(read) {
        let mut leave = |reason| left_out.push(LeftOut { function: place.full(), reason });
        match (name, schemas(&function)) {
            (None, _) => leave(Reason::SameName),
            (Some(name), _) if name.len() > MAX_NAME => leave(Reason::LongName(MAX_NAME)),
            (_, Err(reason)) => leave(reason),
            (Some(name), Ok((input_schema, output_schema))) => {
                let hints = Hints::default();
                tools.push(ToolDefinition {
                    name: name.clone(),
                    title: None,
                    description,
                    input_schema,
                    output_schema,
                    hints,
                });
                functions.insert(name, function);
            }
        }
    }
    match left_out.first() {
        Some(first) if tools.is_empty() => Err(LoadError::NoTools(first.clone())),
        None if tools.is_empty() => Err(World::Skill.wrong()),
        _ => Ok(Functions { tools, functions, left_out }),
    }
}

/// Whether an interface is there for models, and not for those who build components or run programs.
pub(crate) fn is_tool_place(interface: &str) -> bool {
    not_a_tool_place(interface).is_none()
}

fn not_a_tool_place(interface: &str) -> Option<Reason> {
    match interface {
        PYTHON_INTERFACE => Some(Reason::Toolchain),
        _ if interface.starts_with("wasi:") => Some(Reason::Wasi),
        _ => None,
    }
}

type Exported = (Place, ComponentFunc, ComponentExportIndex);

fn exported(component: &Component) -> Result<Vec<Exported>, LoadError> {
    let engine = component.engine();
    let mut all: Vec<Exported> = Vec::new();
    let mut size = 0_usize;
    // Before a name is copied: that of an interface is copied for each of its functions.
    let mut room = |count: usize, interface: &str, function: &str| {
        size = size.saturating_add(interface.len() + function.len());
        if count >= MAX_FUNCTIONS {
            Err(LoadError::BadTools(format!("more than {MAX_FUNCTIONS} functions")))
        } else if size > MAX_NAMES_BYTES {
            Err(LoadError::BadTools(format!("functions with names of more than {MAX_NAMES_BYTES} bytes")))
        } else {
            Ok(())
        }
    };
    for (name, item) in component.component_type().exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(ty) => {
                room(all.len(), "", name)?;
                let place = Place { interface: None, function: name.to_owned() };
                all.extend(component.get_export_index(None, name).map(|export| (place, ty, export)));
            }
            ComponentItem::ComponentInstance(instance) => {
                let Some(interface) = component.get_export_index(None, name) else { continue };
                for (function, item) in instance.exports(engine) {
                    let ComponentItem::ComponentFunc(ty) = item.ty else { continue };
                    room(all.len(), name, function)?;
                    let place = Place { interface: Some(name.to_owned()), function: function.to_owned() };
                    let export = component.get_export_index(Some(&interface), function);
                    all.extend(export.map(|export| (place, ty, export)));
                }
            }
            _ => {}
        }
    }
    Ok(all)
}

fn function(
    place: &Place,
    ty: &ComponentFunc,
    export: ComponentExportIndex,
    documentation: &Documentation,
) -> Result<(Function, String), Reason> {
    if let Some(reason) = place.interface.as_deref().and_then(not_a_tool_place) {
        return Err(reason);
    }
    // `[constructor]counter`, `[method]counter.next`, `[static]counter.parse`.
    if place.function.starts_with('[') {
        return Err(Reason::Method);
    }
    if ty.async_() {
        return Err(Reason::Asynchronous);
    }
    let mut reader = Reader::new();
    let parameters = ty.params().map(|(name, ty)| Ok(Field { name: reader.name(name)?, shape: reader.shape(&ty)? }));
    let mut parameters: Vec<Field> = parameters.collect::<Result<_, _>>()?;
    let mut result = ty.results().next().map(|ty| reader.shape(&ty)).transpose()?;
    let said = documentation.function(place);
    if let Some((resolve, function)) = said {
        docs::describe(resolve, function, &mut parameters, result.as_mut())?;
    }
    let description = said.and_then(|(_, function)| function.docs.contents.clone());
    let description = description.unwrap_or_else(|| printable(&format!("Function `{}`.", place.full())));
    if description.len() > MAX_DESCRIPTION {
        return Err(Reason::LongDescription(MAX_DESCRIPTION));
    }
    Ok((Function { export, parameters, result }, description))
}

fn schemas(function: &Function) -> Result<(Value, Option<Value>), Reason> {
    let bounded = |schema: Value| {
        if schema.to_string().len() > MAX_SCHEMA { Err(Reason::LargeSchema(MAX_SCHEMA)) } else { Ok(schema) }
    };
    let input = bounded(schema::object(&function.parameters))?;
    let answer = match &function.result {
        Some(Shape::Result(cases)) => cases[0].shape.as_ref(),
        other => other.as_ref(),
    };
    // What is told as plain words has no data beside.
    let data = answer.filter(|shape| !shape.is_plain());
    Ok((input, data.map(|shape| bounded(schema::of(shape))).transpose()?))
}
