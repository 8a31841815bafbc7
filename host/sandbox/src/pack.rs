//! Putting a component's WIT into it, with the documentation that compilers leave out.

use std::collections::BTreeSet;
use std::path::Path;

use wasmparser::BinaryReader;
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{PackageId, Resolve, WorldId, WorldItem};

use crate::component::{Calls, ComponentBytes, World, check};
use crate::error::{LoadError, printable};
use crate::typed::{Documentation, SECTION, is_tool_place};

/// Length of what every component starts with.
const HEADER: usize = 8;
/// What marks a custom section.
const CUSTOM: u8 = 0;

/// Why a component was not packed. Displays what is wrong; [`PackError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it is")]
pub enum PackError {
    #[error(transparent)]
    Component(#[from] LoadError),
    #[error("the component exports `perstack:plugin/tools`, which says by itself what its tools are")]
    DescribesItself,
    #[error("the WIT cannot be read: {0}")]
    Wit(String),
    #[error("no world can be chosen: {0}")]
    NoWorld(String),
    #[error("the component exports `{export}`, which the world `{world}` does not")]
    NotInWorld { export: String, world: String },
    #[error("the world `{world}` exports `{export}`, which the component does not")]
    NotInComponent { export: String, world: String },
    #[error("the WIT cannot be put into the component: {0}")]
    Encode(String),
}

impl PackError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Component(LoadError::Missing { .. }) => "build it, or correct its path",
            Self::Component(error) => return error.hint(),
            Self::DescribesItself => "use the component as it is",
            Self::Wit(_) => "correct it; or name with `--wit` what the component was built with",
            Self::NoWorld(_) => "name one of the worlds in the WIT with `--world`",
            Self::NotInWorld { .. } | Self::NotInComponent { .. } => {
                "name the WIT that the component was built with, and its world with `--world`"
            }
            Self::Encode(_) => "leave out what its exports do not need",
        };
        Some(hint.to_owned())
    }
}

/// The component with its WIT in it, in place of any that it had. `wit` is a file or a folder as `wit-bindgen` takes
/// it; `world` may be left out where there is only one.
///
/// # Errors
/// [`PackError`].
pub fn pack(component: &ComponentBytes, wit: &Path, world: Option<&str>) -> Result<Vec<u8>, PackError> {
    if check(component, World::Skill)?.calls == Calls::World {
        return Err(PackError::DescribesItself);
    }
    let mut resolve = Resolve::default();
    let told = |error: &dyn std::fmt::Display| printable(&error.to_string());
    let (main, _) = match resolve.push_path(wit) {
        Ok(pushed) => pushed,
        // With the line; the author's own file is no stranger's.
        Err(error) => return Err(PackError::Wit(resolve.render_error(&error))),
    };
    let world = resolve.select_world(&[main], world).map_err(|error| PackError::NoWorld(told(&error)))?;
    require_same(component.bytes(), &resolve, world)?;
    let mut packed = without_section(component.bytes())?;
    let mut sections = Vec::new();
    for package in described(&resolve, world) {
        // Another world of the package may say otherwise about a function of the same name.
        resolve.packages[package].worlds.retain(|_, id| *id == world);
        let section = wit_component::encode(&resolve, package).map_err(|error| PackError::Encode(told(&error)))?;
        append(&mut packed, &section)?;
        sections.push(section);
    }
    Documentation::read(&sections.iter().map(Vec::as_slice).collect::<Vec<_>>()).map_err(PackError::Encode)?;
    Ok(packed)
}

/// The packages of a world and of the interfaces that it exports.
fn described(resolve: &Resolve, world: WorldId) -> BTreeSet<PackageId> {
    let world = &resolve.worlds[world];
    let interfaces = world.exports.values().filter_map(|item| match item {
        WorldItem::Interface { id, .. } => resolve.interfaces[*id].package,
        _ => None,
    });
    interfaces.chain(world.package).collect()
}

/// Compares the names of what both export.
fn require_same(component: &[u8], resolve: &Resolve, world: WorldId) -> Result<(), PackError> {
    let damaged = |error: &dyn std::fmt::Display| LoadError::Damaged { reason: printable(&error.to_string()) };
    let found = match decode(component).map_err(|error| damaged(&error))? {
        DecodedWasm::Component(resolve, world) => exports(&resolve, world),
        DecodedWasm::WitPackage(..) => return Err(damaged(&"it is a WIT package").into()),
    };
    let name = || resolve.worlds[world].name.clone();
    let said = exports(resolve, world);
    if let Some(export) = found.difference(&said).next() {
        return Err(PackError::NotInWorld { export: printable(export), world: name() });
    }
    if let Some(export) = said.difference(&found).next() {
        return Err(PackError::NotInComponent { export: export.clone(), world: name() });
    }
    Ok(())
}

/// `lab:shapes/values@1.2.3#describe(sample)`, of all functions that could be tools.
fn exports(resolve: &Resolve, world: WorldId) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (key, item) in &resolve.worlds[world].exports {
        let (prefix, functions): (String, Vec<_>) = match item {
            WorldItem::Function(function) => (String::new(), vec![function]),
            WorldItem::Interface { id, .. } => {
                let name = resolve.name_world_key(key);
                if !is_tool_place(&name) {
                    continue;
                }
                (format!("{name}#"), resolve.interfaces[*id].functions.values().collect())
            }
            WorldItem::Type { .. } => continue,
        };
        for function in functions {
            let parameters: Vec<&str> = function.params.iter().map(|parameter| parameter.name.as_str()).collect();
            all.insert(format!("{prefix}{}({})", function.name, parameters.join(", ")));
        }
    }
    all
}

/// The component without sections of our name.
fn without_section(component: &[u8]) -> Result<Vec<u8>, PackError> {
    let damaged = |error: wasmparser::BinaryReaderError| LoadError::Damaged { reason: printable(&error.to_string()) };
    let mut reader = BinaryReader::new(component, 0);
    let mut kept = reader.read_bytes(HEADER).map_err(damaged)?.to_vec();
    while !reader.eof() {
        let start = reader.original_position();
        let kind = reader.read_u8().map_err(damaged)?;
        let mut section = reader.read_reader().map_err(damaged)?;
        let ours = kind == CUSTOM && section.read_string().map_err(damaged)? == SECTION;
        if !ours {
            kept.extend_from_slice(&component[start..reader.original_position()]);
        }
    }
    Ok(kept)
}

fn append(component: &mut Vec<u8>, section: &[u8]) -> Result<(), PackError> {
    let name = leb128(SECTION.len() as u32);
    let size = name.len() + SECTION.len() + section.len();
    let size = u32::try_from(size).map_err(|error| PackError::Encode(error.to_string()))?;
    component.push(CUSTOM);
    component.extend(leb128(size));
    component.extend(name);
    component.extend_from_slice(SECTION.as_bytes());
    component.extend_from_slice(section);
    Ok(())
}

/// A number as binary WebAssembly has it.
fn leb128(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
