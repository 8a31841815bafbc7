//! Looking at a component before anything of it runs: is it one, is it small enough, what does it import and export.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use perstack_core::Limits;
use perstack_core::config::{ByteSize, Needs};
use sha2::{Digest, Sha256};
use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload};

use crate::error::{LoadError, printable};
use crate::extism::is_plugin;
use crate::nesting::{MAX_NESTING, is_shallow};
use crate::typed::SECTION;

/// The largest component that is ever read.
pub const MAX_COMPONENT_BYTES: u64 = Limits::MAX_COMPONENT;

/// A component's bytes, read once: what is checked is what is compiled.
#[derive(Clone)]
pub struct ComponentBytes {
    bytes: Arc<[u8]>,
    digest: [u8; 32],
}

impl ComponentBytes {
    /// Takes bytes that are in memory already.
    ///
    /// # Errors
    /// [`LoadError::TooLarge`].
    pub fn new(bytes: &[u8]) -> Result<Self, LoadError> {
        let size = bytes.len() as u64;
        if size > MAX_COMPONENT_BYTES {
            return Err(LoadError::TooLarge { size, limit: MAX_COMPONENT_BYTES });
        }
        Ok(Self { digest: Sha256::digest(bytes).into(), bytes: bytes.into() })
    }

    /// Reads a regular file, never more of it than is allowed.
    ///
    /// # Errors
    /// [`LoadError::Missing`], [`LoadError::Unreadable`], [`LoadError::TooLarge`].
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let shown = || path.display().to_string();
        let unreadable = |source| LoadError::Unreadable { path: shown(), source };
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(LoadError::Missing { path: shown() }),
            Err(error) => return Err(unreadable(error)),
        };
        // Opening a pipe would wait for its writer.
        if !metadata.is_file() {
            return Err(unreadable(io::Error::other("it is not a regular file")));
        }
        if metadata.len() > MAX_COMPONENT_BYTES {
            return Err(LoadError::TooLarge { size: metadata.len(), limit: MAX_COMPONENT_BYTES });
        }
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_COMPONENT_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        Self::new(&bytes)
    }

    /// Refuses one that is larger than this.
    pub(crate) fn at_most(&self, limit: u64) -> Result<(), LoadError> {
        let size = self.bytes.len() as u64;
        if size > limit { Err(LoadError::TooLarge { size, limit }) } else { Ok(()) }
    }

    /// The component itself.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the component.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Which component it is, as text: `sha256:` and its digest.
    pub fn name(&self) -> String {
        let digest: String = self.digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{digest}")
    }

    /// How large it is, for people.
    pub fn size(&self) -> ByteSize {
        ByteSize::from_bytes(self.bytes.len() as u64)
    }
}

/// What a component is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum World {
    Skill,
    Expert,
}

impl World {
    fn name(self) -> &'static str {
        match self {
            Self::Skill => "skill",
            Self::Expert => "expert",
        }
    }

    fn export(self) -> &'static str {
        match self {
            Self::Skill => "perstack:plugin/tools",
            Self::Expert => "perstack:plugin/logic",
        }
    }

    /// That a component is not for this world.
    pub(crate) fn wrong(self) -> LoadError {
        LoadError::WrongWorld { world: self.name(), expected: self.export() }
    }

    fn imports(self) -> &'static [&'static str] {
        match self {
            Self::Skill => &[
                "perstack:plugin/types",
                "perstack:plugin/progress",
                "perstack:plugin/call-context",
                "perstack:plugin/state",
                "wasi:http/types",
                "wasi:http/outgoing-handler",
            ],
            Self::Expert => &[
                "perstack:plugin/types",
                "perstack:plugin/model",
                "perstack:plugin/toolbox",
                "perstack:plugin/delegates",
                "perstack:plugin/user",
                "perstack:plugin/state",
            ],
        }
    }
}

/// The contract's package.
const OUR_PACKAGE: &str = "perstack:plugin/";

/// WASI packages that every guest may import. Each gives what was granted, and without a grant nothing: no directory,
/// no variable, no socket. (Standard libraries import most of them whether they are used or not, and Python's imports
/// sockets.)
const WASI: &[&str] = &["wasi:io/", "wasi:clocks/", "wasi:random/", "wasi:cli/", "wasi:filesystem/", "wasi:sockets/"];

/// How a component is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Calls {
    /// Through the interface that its world exports.
    World,
    /// Each function that it exports by itself.
    Functions,
}

/// What is known of a component before it is compiled.
pub(crate) struct Checked<'a> {
    /// How it is called.
    pub(crate) calls: Calls,
    /// WIT packages that it carries.
    pub(crate) wit: Vec<&'a [u8]>,
    /// Interfaces that it imports, in its order.
    pub(crate) imports: Vec<&'a str>,
    /// What it says that it needs; `None` where it says nothing.
    pub(crate) needs: Option<Needs>,
}

/// Refuses what is not a component of this world, by its name or by its bytes, before it costs a compilation. A skill
/// may be a component of any world that exports functions, except the one for Experts.
pub(crate) fn check(component: &ComponentBytes, world: World) -> Result<Checked<'_>, LoadError> {
    let damaged = |error: wasmparser::BinaryReaderError| LoadError::Damaged { reason: printable(&error.to_string()) };
    require_component(component.bytes())?;
    if !is_shallow(component.bytes()) {
        let reason = format!("its components or types are nested more than {MAX_NESTING} deep");
        return Err(LoadError::TooDemanding { reason });
    }
    let mut depth = 0_usize;
    let (mut ours, mut others, mut contract) = (false, false, false);
    let (mut wit, mut imports, mut needs) = (Vec::new(), Vec::new(), None);
    for payload in Parser::new(0).parse_all(component.bytes()) {
        match payload.map_err(damaged)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(LoadError::NotAComponent { reason: "it is a core module".into() });
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(damaged)?.name.name;
                    check_import(import, world)?;
                    imports.push(import);
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(damaged)?;
                    let name = interface(export.name.name);
                    ours |= name == world.export();
                    let callable = matches!(export.kind, ComponentExternalKind::Func | ComponentExternalKind::Instance);
                    others |= callable;
                    contract |= name.starts_with(OUR_PACKAGE);
                }
            }
            Payload::CustomSection(section) if depth == 0 && section.name() == SECTION => wit.push(section.data()),
            // Wherever it is: what is linked statically, or composed, needs what its parts need.
            Payload::CustomSection(section) if section.name() == NEEDS_SECTION => {
                let more = read_needs(section.data())?;
                needs = Some(needs.unwrap_or_else(Needs::default).and(more));
            }
            _ => {}
        }
    }
    let calls = match world {
        _ if ours => Calls::World,
        World::Skill if others && !contract => Calls::Functions,
        _ => return Err(world.wrong()),
    };
    Ok(Checked { calls, wit, imports, needs })
}

/// The custom section in which a component says what it needs, in the words of `perstack.toml`.
const NEEDS_SECTION: &str = "perstack:needs";

fn read_needs(section: &[u8]) -> Result<Needs, LoadError> {
    let bad = |reason: &str| LoadError::BadNeeds { reason: printable(reason) };
    let text = str::from_utf8(section).map_err(|error| bad(&error.to_string()))?;
    Needs::parse(text).map_err(|error| bad(&error.to_string()))
}

fn require_component(bytes: &[u8]) -> Result<(), LoadError> {
    let not = |reason: &str| Err(LoadError::NotAComponent { reason: reason.into() });
    match bytes {
        [] => not("it is empty"),
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', _, _, 0, 0, ..] if is_plugin(bytes) => Err(LoadError::IsAPlugin),
        [0, b'a', b's', b'm', _, _, 0, 0, ..] => not("it is a core module"),
        [0, b'a', b's', b'm', ..] => not("its header is cut off or of an unknown version"),
        _ => not("it does not start like one"),
    }
}

fn check_import(import: &str, world: World) -> Result<(), LoadError> {
    let name = interface(import);
    if world.imports().contains(&name) || WASI.iter().any(|package| name.starts_with(package)) {
        return Ok(());
    }
    let reason = match name.split('/').next() {
        Some("wasi:http") if world == World::Expert => "Expert logic never has: its skills do",
        Some("perstack:plugin") if world == World::Skill => "the world `skill` does not have",
        Some("perstack:plugin") => "the world `expert` does not have",
        _ => "no grant gives it",
    };
    Err(LoadError::ImportNotGranted { import: printable(import), reason })
}

/// `perstack:plugin/tools` of `perstack:plugin/tools@0.1.0`.
fn interface(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}
