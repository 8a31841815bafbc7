//! What does without a native program what well-known MCP servers do, for people who may not start those.

use perstack_core::config::McpStdioSkill;

/// Packages, and what there is in place of each.
const KNOWN: [(&str, &str); 2] = [
    (
        "@modelcontextprotocol/server-filesystem",
        "the skill `@perstack/base`, which every Expert with a model has, is a component with the files of the workspace: leave \
         this one out",
    ),
    ("@perstack/base", "without a version, `@perstack/base` is a component"),
];

/// What can be used in place of a server.
pub(crate) fn in_place_of(server: &McpStdioSkill) -> Option<&'static str> {
    let words = server.package_name.iter().chain(&server.args);
    let mut packages = words.map(|word| match word.rfind('@') {
        Some(version @ 1..) => &word[..version],
        _ => word,
    });
    packages.find_map(|package| KNOWN.iter().find(|(known, _)| *known == package).map(|(_, instead)| *instead))
}
