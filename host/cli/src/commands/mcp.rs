//! `perstack mcp`: Experts and skills for any MCP client.

pub(crate) mod install;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use perstack_runtime::{HTTP_PATH, HostPolicy, Project, Served, Service, serve_http, serve_lines};
use tokio::net::TcpListener;

use crate::args::{GlobalArgs, McpArgs, ServedArgs};
use crate::context;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupts;

/// The variable with what clients over HTTP have to know.
const TOKEN: &str = "PERSTACK_MCP_TOKEN";

pub(crate) async fn mcp(args: &McpArgs, global: &GlobalArgs, policy: Option<HostPolicy>) -> Result<Exit, Failure> {
    let shared = args.served.shared();
    let (project, served) = served(&args.served, global)?;
    let workspace = context::workspace(shared.workspace.as_deref())?;
    let runtime = context::runtime(&shared, &project, policy)?;
    let mut interrupts = Interrupts::listen()?;
    let service = Arc::new(Service::new(&runtime, &project, &workspace, &served).await?);
    let ended = match args.http {
        None => {
            let serving = serve_lines(service.clone(), tokio::io::stdin(), tokio::io::stdout());
            interrupts.unless(serving).await
        }
        Some(address) => {
            let (listener, token) = (listen(address).await?, token()?);
            interrupts.unless(serve_http(service.clone(), listener, &token)).await
        }
    };
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

/// Where clients connect to.
async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    if !address.ip().is_loopback() {
        let hint =
            "name an address such as 127.0.0.1:8931, and have a server with TLS pass on what comes from elsewhere";
        let message = format_args!("`{address}` can be reached from other machines");
        return Err(Failure::new(Exit::NotStarted, message, Some(hint.to_owned())));
    }
    let failed = |error: io::Error| {
        let hint = "choose another port, or `:0` for any that is free".to_owned();
        Failure::new(Exit::NotStarted, format_args!("`{address}` cannot be listened at: {error}"), Some(hint))
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    context::note(&format!("serving at http://{address}{HTTP_PATH}"));
    Ok(listener)
}

/// What clients have to know: as it was set, or made up and shown.
fn token() -> Result<String, Failure> {
    if let Some(token) = std::env::var(TOKEN).ok().filter(|token| !token.is_empty()) {
        return Ok(token);
    }
    let mut random = [0; 24];
    getrandom::fill(&mut random)
        .map_err(|error| Failure::new(Exit::NotStarted, format_args!("no randomness: {error}"), None))?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    context::note(&format!("clients send `Authorization: Bearer {token}`; set `{TOKEN}` for one of your own"));
    Ok(token)
}

/// What was named, or all Experts of the project.
fn served(args: &ServedArgs, global: &GlobalArgs) -> Result<(Project, Served), Failure> {
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
