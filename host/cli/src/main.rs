//! `perstack`: runs AI agents whose skills and logic are WASI components.

mod args;
mod bundled;
mod commands;
mod context;
mod failure;
mod interrupt;
mod listing;
mod model;
mod policy;
mod protect;
mod tell;
mod terminal;
mod text;
mod whole;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command, McpCommand, SkillCommand};
use crate::failure::Failure;
use crate::protect::Protected;

fn main() -> ExitCode {
    // The process that watches a native MCP server is this program too.
    if let Some(code) = perstack_runtime::supervise() {
        return code;
    }
    let args = Args::parse();
    allow_many_files();
    let code = match run(args) {
        Ok(code) => code,
        Err(failure) => failure.show(),
    };
    // A guest's file operation may still hold a thread; the process does not wait for it.
    std::process::exit(code.into());
}

/// Raises the number of files that may be open to what the system allows: a guest may hold a thousand, and there may be many.
fn allow_many_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where that fails, it is as it was.
    let _ = setrlimit(Resource::Nofile, limit);
}

fn run(args: Args) -> Result<failure::Exit, Failure> {
    let Args { global, command } = args;
    let policy = policy::find(global.policy.as_deref())?;
    // Before there is a second thread: what the process gives up binds those that come after.
    let protected = Protected::put_in_place(policy.as_ref(), command.as_ref(), &global)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::no_threads)?;
    let done = runtime.block_on(async {
        match command {
            None => listing::show(global.config.as_deref()),
            Some(Command::Doctor(command)) => commands::doctor::doctor(&command, &global, policy, protected).await,
            Some(Command::Inspect(command)) => commands::inspect::inspect(&command, &global, policy).await,
            Some(Command::Log(command)) => commands::log::log(&command),
            Some(Command::Mcp(command)) => match &command.command {
                None => commands::mcp::mcp(&command, &global, policy).await,
                Some(McpCommand::Install(command)) => commands::mcp::install::install(command, &global),
            },
            Some(Command::Run(command)) => commands::run::run(command, global, policy).await,
            Some(Command::Skill(command)) => match &command {
                SkillCommand::Build => commands::skill::build::build(policy.as_ref()),
                SkillCommand::Call(command) => commands::skill::call::call(command, policy).await,
                SkillCommand::New(command) => commands::skill::new::new(command),
                SkillCommand::Pack(command) => commands::skill::pack::pack(command),
            },
            Some(Command::Start(command)) => commands::start::start(command, global, policy).await,
        }
    });
    runtime.shutdown_background();
    done
}
