//! Skills in Rust.

use std::path::{Path, PathBuf};

use perstack_runtime::{AuthorToolError, HostPolicy};
use serde_json::Value;

use super::Kit;
use super::build::tool;
use crate::failure::{Exit, Failure};

/// What components are built for.
const TARGET: &str = "wasm32-wasip2";
const GET_RUST: &str = "get Rust, with rustup from https://rustup.rs or from your distribution";

pub(super) const KIT: Kit = Kit {
    template: &[
        (".gitignore", include_str!("../../../templates/skill/rust/gitignore")),
        ("Cargo.toml", include_str!("../../../templates/skill/rust/manifest.toml")),
        ("README.md", include_str!("../../../templates/skill/rust/README.md")),
        ("perstack.toml", include_str!("../../../templates/skill/rust/perstack.toml")),
        ("replies.toml", include_str!("../../../templates/skill/rust/replies.toml")),
        ("src/lib.rs", include_str!("../../../templates/skill/rust/src/lib.rs")),
    ],
    sdk: ("vendor/perstack-guest", include!(concat!(env!("OUT_DIR"), "/sdk.rs"))),
    manifest: "Cargo.toml",
    build,
    reserved: RESERVED,
};

/// Keywords, and crates that the skill is built with: a module of that name would hide them.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "perstack",
    "perstack-guest",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "tests",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

fn build(folder: &Path, policy: Option<&HostPolicy>) -> Result<PathBuf, Failure> {
    let run = |name, arguments: &[&str]| match tool(policy, name, arguments, folder) {
        Err(AuthorToolError::Missing(name)) => {
            let message = format!("`{name}` is not there, which builds skills in Rust");
            Err(Failure::new(Exit::NotStarted, message, Some(GET_RUST.to_owned())))
        }
        other => other.map_err(Failure::from),
    };
    let libraries = run("rustc", &["--print", "target-libdir", "--target", TARGET])?;
    if !Path::new(libraries.stdout.trim()).is_dir() {
        let hint = format!("`rustup target add {TARGET}`, or from your distribution");
        return Err(Failure::new(
            Exit::NotStarted,
            format_args!("Rust on this machine lacks the target `{TARGET}`"),
            Some(hint),
        ));
    }
    let format = "--message-format=json-render-diagnostics";
    let built = run("cargo", &["build", "--release", "--target", TARGET, format])?;
    if let Some(failure) = built.failure {
        return Err(Failure::new(
            Exit::Failed,
            format_args!("the skill does not build: `cargo` ended with {failure}"),
            None,
        ));
    }
    component(&built.stdout).ok_or_else(|| {
        let hint = "its Cargo.toml needs `[lib]` with `crate-type = [\"cdylib\"]`".to_owned();
        Failure::new(Exit::Failed, "cargo built no component", Some(hint))
    })
}

/// The component that cargo tells of last: packages come after what they depend on.
fn component(messages: &str) -> Option<PathBuf> {
    let files = |line: &str| -> Option<Vec<PathBuf>> {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(message["filenames"].as_array()?.iter().filter_map(Value::as_str).map(PathBuf::from).collect())
    };
    let is_component = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "wasm");
    messages.lines().filter_map(files).flatten().rfind(is_component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_where_the_component_is() {
        let artifact = |file: &str| format!("{{\"reason\":\"compiler-artifact\",\"filenames\":[\"{file}\"]}}\n");
        let messages =
            [&artifact("/t/a.rlib"), &artifact("/t/a_b.wasm"), "{\"reason\":\"build-finished\"}\n", "text\n"];
        assert_eq!(component(&messages.concat()), Some("/t/a_b.wasm".into()));
        assert_eq!(component(&artifact("/t/a.rlib")), None);
    }
}
