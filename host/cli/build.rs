//! Builds the plugins that are part of the program.

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
    Ok(())
}
