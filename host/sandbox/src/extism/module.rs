//! Looking at a plugin before it is compiled. None of it runs.

use wasmparser::{Encoding, ExternalKind, Parser, Payload, TypeRef};

use super::env::{ENV, FUNCTIONS};
use crate::error::{LoadError, printable};

/// WASI 0.1, which the targets `wasm32-wasip1` and `wasi` of most compilers import.
pub(super) const WASI: &str = "wasi_snapshot_preview1";
/// Where other hosts put functions of their own.
const USER: &str = "extism:host/user";

/// What is known of a plugin before it is compiled.
pub(crate) struct Checked<'a> {
    /// How it lists its tools, and is called.
    pub(crate) interface: Interface,
    /// Modules that it imports from, none twice.
    pub(crate) imports: Vec<&'a str>,
}

/// Which functions a plugin has for its tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interface {
    /// `describe` and `call`: servlets of mcp.run, and the first interface of hyper-mcp.
    Servlet,
    /// `list_tools` and `call_tool`: the second interface of hyper-mcp.
    Handlers,
}

impl Interface {
    pub(super) fn list(self) -> &'static str {
        match self {
            Self::Servlet => "describe",
            Self::Handlers => "list_tools",
        }
    }

    pub(super) fn call(self) -> &'static str {
        match self {
            Self::Servlet => "call",
            Self::Handlers => "call_tool",
        }
    }
}

/// Whether this looks like a plugin: a core module that imports Extism's functions.
pub(crate) fn is_plugin(bytes: &[u8]) -> bool {
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::Version { encoding: Encoding::Component, .. }) | Err(_) => return false,
            Ok(Payload::ImportSection(imports)) => {
                return imports.into_imports().any(|import| import.is_ok_and(|import| import.module == ENV));
            }
            Ok(_) => {}
        }
    }
    false
}

/// Refuses what is no plugin, or imports what is not there.
pub(crate) fn check(bytes: &[u8]) -> Result<Checked<'_>, LoadError> {
    let damaged = |error: wasmparser::BinaryReaderError| LoadError::Damaged { reason: printable(&error.to_string()) };
    require_module(bytes)?;
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(damaged)? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(damaged)?;
                    check_import(import.module, import.name, &import.ty)?;
                    if !imports.contains(&import.module) {
                        imports.push(import.module);
                    }
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.map_err(damaged)?;
                    if export.kind == ExternalKind::Func {
                        exports.push(export.name);
                    }
                }
            }
            _ => {}
        }
    }
    let has = |interface: &Interface| [interface.list(), interface.call()].iter().all(|name| exports.contains(name));
    let Some(interface) = [Interface::Handlers, Interface::Servlet].into_iter().find(has) else {
        let reason = "it exports neither `describe` and `call` nor `list_tools` and `call_tool`";
        return Err(LoadError::NotAPlugin { reason });
    };
    Ok(Checked { interface, imports })
}

fn require_module(bytes: &[u8]) -> Result<(), LoadError> {
    let not = |reason| Err(LoadError::NotAPlugin { reason });
    match bytes {
        [] => not("it is empty"),
        [0, b'a', b's', b'm', _, _, 0, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Err(LoadError::IsAComponent),
        [0, b'a', b's', b'm', ..] => not("its header is cut off or of an unknown version"),
        _ => not("it does not start like a WebAssembly module"),
    }
}

fn check_import(module: &str, name: &str, ty: &TypeRef) -> Result<(), LoadError> {
    let is_function = matches!(ty, TypeRef::Func(_));
    let reason = match module {
        ENV if is_function && FUNCTIONS.contains(&name) => return Ok(()),
        // Which of its functions there are, the linker knows.
        WASI if is_function => return Ok(()),
        USER => "is a function of another host, and none is offered here",
        ENV | WASI => "is not a part of that interface",
        _ => "no plugin is given here",
    };
    Err(LoadError::PluginImport { import: printable(&format!("{module}::{name}")), reason })
}
