//! `perstack mcp`: Experts and skills for any MCP client.

use std::sync::Arc;

use perstack_runtime::{HostPolicy, Project, Served, Service, serve_lines};

use crate::args::{GlobalArgs, McpArgs};
use crate::context;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupts;

pub(crate) async fn mcp(args: &McpArgs, global: &GlobalArgs, policy: Option<HostPolicy>) -> Result<Exit, Failure> {
    let shared = args.shared();
    let (project, served) = served(args, global)?;
    let workspace = context::workspace(&shared)?;
    let runtime = context::runtime(&shared, &project, policy)?;
    let mut interrupts = Interrupts::listen()?;
    let service = Arc::new(Service::new(&runtime, &project, &workspace, &served).await?);
    let serving = serve_lines(service.clone(), tokio::io::stdin(), tokio::io::stdout());
    let ended = interrupts.unless(serving).await;
    service.close().await?;
    match ended {
        Ok(Ok(())) => Ok(Exit::Done),
        Ok(Err(error)) => {
            let hint = "this is for an MCP client to start: see `perstack mcp --help`".to_owned();
            Err(Failure::new(Exit::Failed, format_args!("the client was left: {error}"), Some(hint)))
        }
        Err(exit) => Ok(exit),
    }
}

/// What was named, or all Experts of the project.
fn served(args: &McpArgs, global: &GlobalArgs) -> Result<(Project, Served), Failure> {
    let config = global.config.as_deref();
    if let Some(first) = args.experts.first().or(args.skills.first()) {
        let served = Served { experts: args.experts.clone(), skills: args.skills.clone() };
        return Ok((context::project_of(config, first)?, served));
    }
    let Some(project) = context::own_project(config)? else {
        let hint = "name an Expert, or a perstack.toml with `--config`".to_owned();
        return Err(Failure::new(Exit::NotStarted, "there is no perstack.toml in this folder or above", Some(hint)));
    };
    let experts = project.expert_keys();
    Ok((project, Served { experts, skills: Vec::new() }))
}
