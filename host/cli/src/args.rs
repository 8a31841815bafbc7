//! The command line, as it is typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as Arguments, Parser, Subcommand};
use perstack_core::Id;
use perstack_core::config::{ReasoningBudget, RuntimeName};

use crate::commands::log::{Condition, Steps};
use crate::commands::mcp::install::{Client, EntryName};
use crate::commands::skill::Lang;
use crate::commands::skill::call::Grant;
use crate::commands::skill::new::SkillName;
use crate::model::ProviderChoice;

/// Runs AI agents ("Experts") whose skills and logic are WASI components.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  perstack                                    list the Experts that can be run here\n  \
                  perstack start tic-tac-toe \"Let's play!\"    play in the terminal\n  \
                  perstack run tic-tac-toe \"Let's play!\"      the same, as one JSON event a line"
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What every command takes.
#[derive(Debug, Arguments)]
pub(crate) struct GlobalArgs {
    /// Path of perstack.toml; by default it is looked for in this folder and upward.
    #[arg(long, value_name = "PATH", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// What this machine's operator allows; else the file that `PERSTACK_POLICY` names, or /etc/perstack/policy.toml.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) policy: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs an Expert interactively, in this terminal.
    #[command(after_help = "Examples:\n  perstack start tic-tac-toe \"Let's play!\"\n  \
                            perstack start tic-tac-toe --continue       go on with the latest game")]
    Start(StartArgs),
    /// Runs an Expert and prints one JSON event a line.
    #[command(after_help = "Examples:\n  perstack run tic-tac-toe \"Let's play!\"\n  \
                            perstack run tic-tac-toe \"5\" --continue -i   answer what it asked\n  \
                            perstack run tic-tac-toe --continue          go on after a crash\n\n\
                            Exit status: 0 answered or asking, 1 failed, 2 could not start, 130 interrupted.")]
    Run(RunArgs),
    /// Shows what happened in a job: by default in the latest.
    #[command(after_help = "Examples:\n  perstack log                              the latest job\n  \
                            perstack log --jobs                       all jobs\n  \
                            perstack log --errors --context 3         what went wrong, and what was around it\n  \
                            perstack log --step '>5' --tools          calls of tools, from step 6 on\n  \
                            perstack log --filter '.toolCalls[].toolName == \"exec\"'")]
    Log(LogArgs),
    /// Shows which protections hold on this machine, and what is set up.
    #[command(
        after_help = "Exit status: 0, or 1 where the host policy is strict and something that it needs is missing."
    )]
    Doctor(DoctorArgs),
    /// Shows what a component is, what it asks for, and who grants it that.
    #[command(after_help = "Examples:\n  perstack inspect weather.wasm             a file\n  \
                            perstack inspect researcher/weather       a skill of an Expert")]
    Inspect(InspectArgs),
    /// Serves Experts and skills to MCP clients: to the one that starts it, or over HTTP.
    #[command(
        after_help = "Examples:\n  perstack mcp                              each Expert of this project is a tool\n  \
                            perstack mcp --skills researcher          the tools of an Expert's skills\n  \
                            perstack mcp install --client vscode      what a client needs to know\n\n\
                            Each component has what its Expert grants it, and every call is in `perstack log`."
    )]
    Mcp(McpArgs),
    /// Makes skills: from a new folder to a component.
    #[command(subcommand)]
    Skill(SkillCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SkillCommand {
    /// Makes a folder with a skill that builds, a test, and an Expert that uses it.
    #[command(after_help = "Example:\n  perstack skill new weather")]
    New(NewArgs),
    /// Builds the skill that this folder is in, with what builds its language.
    Build,
    /// Calls one tool of a component, with nothing granted but what is said here.
    #[command(
        after_help = "Examples:\n  perstack skill call count '{\"text\":\"one two\"}'             the skill of this folder\n  \
                      perstack skill call weather.wasm forecast '{\"city\":\"Kyoto\"}' --grant network=https://api.open-meteo.com\n\n\
                      The answer is on stdout, all else on stderr. Exit status: 0, 1 the call failed, 2 it could not start."
    )]
    Call(CallArgs),
    /// Puts the documentation of its WIT into a component, so that models read it.
    #[command(after_help = "Example:\n  perstack skill pack weather.wasm --wit wit     writes weather.packed.wasm")]
    Pack(PackArgs),
}

#[derive(Debug, Arguments)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct McpArgs {
    #[command(subcommand)]
    pub(crate) command: Option<McpCommand>,
    #[command(flatten)]
    pub(crate) served: ServedArgs,
    /// Serves over HTTP in place of stdin and stdout, at an address of this machine: 127.0.0.1:8931, or :0 for any free port.
    /// Clients need the token in `PERSTACK_MCP_TOKEN`, or the one that is shown.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http: Option<SocketAddr>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum McpCommand {
    /// Shows, or writes, what a client of MCP needs to know to start `perstack mcp` in this workspace.
    #[command(
        after_help = "Examples:\n  perstack mcp install --client claude                    shows what belongs into .mcp.json\n  \
                      perstack mcp install --client vscode --skills writer --write"
    )]
    Install(InstallArgs),
}

#[derive(Debug, Arguments)]
pub(crate) struct InstallArgs {
    /// Whose configuration: claude (.mcp.json), cursor (.cursor/mcp.json) or vscode (.vscode/mcp.json), in the workspace.
    #[arg(long, value_name = "NAME")]
    pub(crate) client: Client,
    /// Writes it. What else is in the file stays as it is.
    #[arg(long)]
    pub(crate) write: bool,
    /// What the client calls this server.
    #[arg(long, value_name = "NAME", default_value = "perstack")]
    pub(crate) name: EntryName,
    #[command(flatten)]
    pub(crate) served: ServedArgs,
}

/// What is served, and how.
#[derive(Debug, Arguments)]
#[group(skip)]
pub(crate) struct ServedArgs {
    /// Experts that are tools; all of the project's where nothing is named.
    pub(crate) experts: Vec<String>,
    /// Experts whose skills' tools are served themselves. No model is needed for them.
    #[arg(long, value_name = "EXPERT", num_args = 1..)]
    pub(crate) skills: Vec<String>,
    /// The folder that Experts share, where jobs are kept; by default this one.
    #[arg(long, value_name = "PATH")]
    pub(crate) workspace: Option<PathBuf>,
    /// Who runs the model of Experts, as with `run`.
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<ProviderChoice>,
    /// The model, as with `run`.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// A file of variables, in place of `.env` and `.env.local`.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) env_path: Vec<PathBuf>,
}

impl ServedArgs {
    /// What it has in common with `run`.
    pub(crate) fn shared(&self) -> SharedArgs {
        SharedArgs {
            workspace: self.workspace.clone(),
            provider: self.provider,
            model: self.model.clone(),
            env_path: self.env_path.clone(),
            ..SharedArgs::default()
        }
    }
}

#[derive(Debug, Arguments)]
pub(crate) struct StartArgs {
    /// The Expert; asked for if left out.
    pub(crate) expert_key: Option<String>,
    /// What to ask it; asked for if left out.
    pub(crate) query: Option<String>,
    #[command(flatten)]
    pub(crate) shared: SharedArgs,
}

#[derive(Debug, Arguments)]
pub(crate) struct RunArgs {
    /// The Expert.
    pub(crate) expert_key: String,
    /// What to ask it; with `-i`, the answer to what it asked. May be left out to go on after a crash.
    #[arg(required_unless_present_any = ["continue_latest", "continue_job"])]
    pub(crate) query: Option<String>,
    #[command(flatten)]
    pub(crate) shared: SharedArgs,
}

#[derive(Debug, Arguments)]
pub(crate) struct LogArgs {
    /// The folder that Experts share, where jobs are kept; by default this one.
    #[arg(long, value_name = "PATH")]
    pub(crate) workspace: Option<PathBuf>,
    /// Lists all jobs.
    #[arg(long)]
    pub(crate) jobs: bool,
    /// This job.
    #[arg(long, value_name = "ID")]
    pub(crate) job: Option<Id>,
    /// Events of this run.
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<Id>,
    /// This checkpoint.
    #[arg(long, value_name = "ID")]
    pub(crate) checkpoint: Option<Id>,
    /// Steps: 5, >5, >=5, <5, <=5, 1-10.
    #[arg(long, value_name = "STEPS")]
    pub(crate) step: Option<Steps>,
    /// Events of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// What went wrong.
    #[arg(long)]
    pub(crate) errors: bool,
    /// Calls of tools and their answers.
    #[arg(long)]
    pub(crate) tools: bool,
    /// What skills were denied.
    #[arg(long)]
    pub(crate) denials: bool,
    /// Other Experts that were asked.
    #[arg(long)]
    pub(crate) delegations: bool,
    /// Events with a field like this: .stepNumber > 5, .toolCalls[].skillName == "notes".
    #[arg(long, value_name = "EXPRESSION")]
    pub(crate) filter: Option<Condition>,
    /// One JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// The same on many lines.
    #[arg(long)]
    pub(crate) pretty: bool,
    /// Whole events, and pieces of streams.
    #[arg(long)]
    pub(crate) verbose: bool,
    /// How many events; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) take: usize,
    /// Events to pass over.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) offset: usize,
    /// As many events before and after each.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) context: usize,
    /// The conversation at the checkpoint.
    #[arg(long)]
    pub(crate) messages: bool,
    /// Counts, tokens and times.
    #[arg(long)]
    pub(crate) summary: bool,
}

#[derive(Debug, Arguments)]
pub(crate) struct DoctorArgs {
    /// One JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// A file of variables, in place of `.env` and `.env.local`.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) env_path: Vec<PathBuf>,
}

#[derive(Debug, Arguments)]
pub(crate) struct InspectArgs {
    /// A component's file; or a skill, as NAME or EXPERT/NAME.
    #[arg(value_name = "FILE|SKILL")]
    pub(crate) subject: String,
    /// One JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Arguments)]
pub(crate) struct NewArgs {
    /// The skill's name, and the folder's: small letters, digits and `-`.
    pub(crate) name: SkillName,
    /// What it is written in.
    #[arg(long, value_name = "LANG", value_enum, default_value_t = Lang::Rust)]
    pub(crate) lang: Lang,
}

#[derive(Debug, Arguments)]
pub(crate) struct CallArgs {
    /// The component, else the one of this folder's package; the tool; its arguments, one JSON object.
    #[arg(value_name = "[FILE.wasm] TOOL [ARGUMENTS]", required = true, num_args = 1..=3)]
    pub(crate) words: Vec<String>,
    /// network=URL, read=PATH, write=PATH, env=NAME or secret=NAME@HOST; may be there several times.
    #[arg(long, value_name = "GRANT")]
    pub(crate) grant: Vec<Grant>,
    /// The folder that paths are relative to, where the call is on record; by default this one.
    #[arg(long, value_name = "PATH")]
    pub(crate) workspace: Option<PathBuf>,
    /// A file of variables, in place of `.env` and `.env.local`.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) env_path: Vec<PathBuf>,
}

#[derive(Debug, Arguments)]
pub(crate) struct PackArgs {
    /// The component.
    pub(crate) component: PathBuf,
    /// The folder, or file, with the WIT that it was built with.
    #[arg(long, value_name = "DIR")]
    pub(crate) wit: PathBuf,
    /// The world in it that the component was built for; may be left out where there is one.
    #[arg(long, value_name = "NAME")]
    pub(crate) world: Option<String>,
    /// Where to write to, COMPONENT itself if wanted; by default NAME.packed.wasm beside it.
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Default, Arguments)]
#[group(skip)]
pub(crate) struct SharedArgs {
    /// The folder that Experts share, where jobs are kept; by default this one.
    #[arg(long, value_name = "PATH")]
    pub(crate) workspace: Option<PathBuf>,
    /// Name of the new job.
    #[arg(long, value_name = "ID", conflicts_with_all = ["continue_latest", "continue_job"])]
    pub(crate) job_id: Option<Id>,
    /// Go on with the Expert's latest job.
    #[arg(long = "continue", conflicts_with = "continue_job", group = "continuing")]
    pub(crate) continue_latest: bool,
    /// Go on with this job.
    #[arg(long, value_name = "ID", group = "continuing")]
    pub(crate) continue_job: Option<Id>,
    /// Go on from this checkpoint of the job, and leave what came after it.
    #[arg(long, value_name = "CHECKPOINT", requires = "continue_job", conflicts_with = "continue_latest")]
    pub(crate) resume_from: Option<Id>,
    /// The query is the answer to what the Expert asked. Needs `--continue` or `--continue-job`.
    #[arg(short = 'i', long, requires = "continuing")]
    pub(crate) interactive_tool_call_result: bool,
    /// Who runs the model: anthropic, openai, google, deepseek, azure-openai or ollama; `scripted` plays replies from a
    /// file.
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<ProviderChoice>,
    /// The model; with `--provider scripted`, the path of the file with its replies.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// How much the model may think: none, minimal, low, medium, high, or a number of tokens.
    #[arg(long, value_name = "BUDGET")]
    pub(crate) reasoning_budget: Option<ReasoningBudget>,
    /// A file of variables, in place of `.env` and `.env.local`. Those of the process come first, then earlier files.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) env_path: Vec<PathBuf>,
    /// Variables that must be set. Which skill sees which of them, perstack.toml says.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub(crate) env: Vec<String>,
    /// What runs Experts: local or docker, which are the same here.
    #[arg(long, value_name = "NAME")]
    pub(crate) runtime: Option<RuntimeName>,
    /// Shows more: with `start`, what tools answered, and which hosts skills were connected to.
    #[arg(long)]
    pub(crate) verbose: bool,
    /// The most steps that the job may take; 100 by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_steps: Option<u64>,
    /// The most tokens that the job may use: with this many, the model is asked no more.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_tokens: Option<u64>,
    /// How often the model is asked again after a failure that may pass; 5 by default.
    #[arg(long, value_name = "N")]
    pub(crate) max_retries: Option<u64>,
    /// Milliseconds that the model may take for a reply; 300000 by default.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: Option<u64>,
}
