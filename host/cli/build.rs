//! Builds the plugins that are part of the program, and gets the SDK ready that `perstack skill new` writes.

#[path = "build/sdk.rs"]
mod sdk;

use std::env;
use std::path::Path;

use perstack_guest_build::{Guest, components};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let built = components(&[
        Guest::component("perstack-base", "plugins/base"),
        Guest::component("tic-tac-toe", "plugins/tic-tac-toe"),
        Guest::component("scoreboard", "plugins/scoreboard"),
    ])?;
    for (package, path) in built {
        let name = package.replace('-', "_").to_uppercase();
        println!("cargo::rustc-env=COMPONENT_{name}={}", path.display());
    }
    let repository = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../..");
    sdk::write(&repository, Path::new(&env::var("OUT_DIR")?))
}
