//! `perstack` alone: which Experts there are, and what to type next.

use std::path::Path;

use perstack_runtime::Project;

use crate::bundled;
use crate::context::own_project;
use crate::failure::{Exit, Failure};
use crate::text::harmless;

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
pub(crate) fn show(config: Option<&Path>) -> Result<Exit, Failure> {
    let own = own_project(config)?;
    match &own {
        Some(project) => {
            println!("Experts of this project:");
            list(project);
        }
        None => println!("No perstack.toml in this folder or above."),
    }
    println!("\nExperts that come with perstack:");
    bundled::projects()?.iter().for_each(list);
    println!(
        "\n  perstack start EXPERT \"query\"    run one in this terminal\n  \
         perstack run EXPERT \"query\"      the same, as JSON events\n  \
         perstack --help                  everything else"
    );
    Ok(Exit::Done)
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn list(project: &Project) {
    if project.config().experts.is_empty() {
        println!("  none");
    }
    for expert in &project.config().experts {
        let description = expert.description.as_deref().unwrap_or_default();
        let first = description.trim().lines().next().unwrap_or_default();
        println!("  {:<24} {}", expert.key, harmless(first));
    }
}
