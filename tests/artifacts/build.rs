//! Builds the guests, and lists their cases.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use perstack_guest_build::{Guest, Target, components};

const GUESTS: [Guest<'static>; 10] = [
    Guest::component("perstack-test-guests", "tests/guests"),
    Guest::component("perstack-test-guests-expert", "tests/guests-expert"),
    Guest::component("perstack-test-conformance", "tests/conformance/guest"),
    Guest::component("perstack-test-typed", "tests/typed-guest"),
    Guest::component("perstack-base", "plugins/base"),
    Guest::component("scoreboard", "plugins/scoreboard"),
    Guest::component("tic-tac-toe", "plugins/tic-tac-toe"),
    Guest { package: "perstack-test-extism", folder: "tests/extism-guest", target: Target::Module },
    Guest { package: "perstack-test-extism", folder: "tests/extism-guest", target: Target::ModuleWithWasi },
    Guest { package: "perstack-test-extism-handlers", folder: "tests/extism-handlers", target: Target::Module },
];

fn main() -> Result<(), Box<dyn Error>> {
    for (package, path) in components(&GUESTS)? {
        let name = package.trim_start_matches("perstack-test-").replace('-', "_").to_uppercase();
        println!("cargo::rustc-env=COMPONENT_{name}={}", path.display());
    }
    let cases = cases(Path::new("../guests/src"))?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("foreach.rs"), macros(&cases)?)?;
    Ok(())
}

/// The cases of each suite: a file `SUITE_CASE.rs` each.
fn cases(folder: &Path) -> Result<BTreeMap<String, Vec<String>>, Box<dyn Error>> {
    let mut suites: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()).filter(|name| *name != "lib") else {
            continue;
        };
        let Some((suite, _)) = name.split_once('_') else {
            return Err(format!("{}: a case is named SUITE_CASE.rs", path.display()).into());
        };
        suites.entry(suite.to_owned()).or_default().push(name.to_owned());
    }
    Ok(suites)
}

/// For each suite a macro that calls another with the name of each case.
fn macros(suites: &BTreeMap<String, Vec<String>>) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for (suite, cases) in suites {
        writeln!(text, "/// Calls a macro with the name of each case of the suite `{suite}`.")?;
        writeln!(text, "#[macro_export]\nmacro_rules! foreach_{suite} {{\n    ($mac:ident) => {{")?;
        let mut cases = cases.clone();
        cases.sort();
        for case in cases {
            writeln!(text, "        $mac!({case});")?;
        }
        writeln!(text, "    }};\n}}")?;
    }
    Ok(text)
}
