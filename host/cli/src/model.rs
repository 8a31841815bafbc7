//! Which model drives Experts: what the command line says, then `perstack.toml`, then Perstack's defaults.

use std::fmt::{self, Display};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::{env, io};

use perstack_core::Model;
use perstack_core::config::{
    AmazonBedrockSetting, AzureOpenAiSetting, Config, DEFAULT_ENV_PATHS, DEFAULT_MODEL, DEFAULT_REASONING_BUDGET,
    GoogleVertexSetting, HttpSetting, OpenAiSetting, Provider, ProviderName,
};
use perstack_runtime::{ConnectError, Environment, ScriptedModel, connect};

use crate::args::SharedArgs;
use crate::failure::{Exit, Failure};

/// Whose models there are where nobody says.
const DEFAULT_PROVIDER: ProviderName = ProviderName::Anthropic;
/// Bytes of a file of variables: thousands of them.
const MAX_ENV_BYTES: u64 = 1 << 20;

/// Where a model comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProviderChoice {
    /// A file.
    Scripted,
    /// A service.
    Service(ProviderName),
}

impl fmt::Display for ProviderChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scripted => formatter.write_str("scripted"),
            Self::Service(name) => name.fmt(formatter),
        }
    }
}

impl FromStr for ProviderChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "scripted" => Ok(Self::Scripted),
            name => name.parse().map(Self::Service).map_err(|_| {
                "there are anthropic, openai, google, deepseek, azure-openai, amazon-bedrock, google-vertex, ollama and \
                 scripted"
                    .to_owned()
            }),
        }
    }
}

/// The model, or why there is none: an Expert with logic of its own needs none.
pub(crate) fn model(
    args: &SharedArgs,
    config: &Config,
    environment: &Environment,
) -> Result<Result<Arc<dyn Model>, ConnectError>, Failure> {
    let name = || args.model.as_deref().or(config.model.as_deref()).unwrap_or(DEFAULT_MODEL);
    let provider = match (args.provider, &args.model, &config.provider) {
        (Some(ProviderChoice::Scripted), Some(path), _) => {
            return Ok(Ok(Arc::new(ScriptedModel::read(Path::new(path))?)));
        }
        (Some(ProviderChoice::Scripted), None, _) => {
            let hint = "--provider scripted --model FILE; docs/testing-experts.md says what is in it".to_owned();
            return Err(Failure::new(Exit::NotStarted, "no file of replies was named", Some(hint)));
        }
        (Some(ProviderChoice::Service(asked)), _, Some(provider)) if provider.name() == asked => provider.clone(),
        (Some(ProviderChoice::Service(asked)), ..) => by_default(asked),
        (None, _, Some(provider)) => provider.clone(),
        (None, _, None) => by_default(DEFAULT_PROVIDER),
    };
    let reasoning = args.reasoning_budget.or(config.reasoning_budget).unwrap_or(DEFAULT_REASONING_BUDGET);
    Ok(connect(&provider, name(), reasoning, environment))
}

/// The service that the model would be of; none where a file plays it.
pub(crate) fn provider_name(args: &SharedArgs, config: &Config) -> Option<ProviderName> {
    match (args.provider, &config.provider) {
        (Some(ProviderChoice::Scripted), _) => None,
        (Some(ProviderChoice::Service(name)), _) => Some(name),
        (None, Some(provider)) => Some(provider.name()),
        (None, None) => Some(DEFAULT_PROVIDER),
    }
}

/// A service without settings.
fn by_default(name: ProviderName) -> Provider {
    match name {
        ProviderName::Anthropic => Provider::Anthropic(HttpSetting::default()),
        ProviderName::Google => Provider::Google(HttpSetting::default()),
        ProviderName::OpenAi => Provider::OpenAi(OpenAiSetting::default()),
        ProviderName::Ollama => Provider::Ollama(HttpSetting::default()),
        ProviderName::AzureOpenAi => Provider::AzureOpenAi(AzureOpenAiSetting::default()),
        ProviderName::AmazonBedrock => Provider::AmazonBedrock(AmazonBedrockSetting::default()),
        ProviderName::GoogleVertex => Provider::GoogleVertex(GoogleVertexSetting::default()),
        ProviderName::DeepSeek => Provider::DeepSeek(HttpSetting::default()),
    }
}

/// The variables of the process, then those of files that it does not have. The process's own are not changed.
pub(crate) fn environment(env_path: &[PathBuf], config: &Config) -> Result<Environment, Failure> {
    let mut variables = process_environment();
    let asked = !env_path.is_empty();
    for path in &environment_files(env_path, config) {
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && !asked => continue,
            Err(error) => return Err(unusable(path, error)),
        };
        for variable in dotenvy::from_read_iter(text.as_slice()) {
            // The error would show the line, and with it a key.
            let (name, value) = variable.map_err(|_| unusable(path, "a line is not of the form `NAME=value`"))?;
            variables.entry(name).or_insert(value);
        }
    }
    Ok(variables)
}

/// The variables of the process.
pub(crate) fn process_environment() -> Environment {
    env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// The files of variables: those that were named, or those of the project.
pub(crate) fn environment_files(env_path: &[PathBuf], config: &Config) -> Vec<PathBuf> {
    match &config.env_path {
        _ if !env_path.is_empty() => env_path.to_vec(),
        Some(paths) => paths.iter().map(PathBuf::from).collect(),
        None => DEFAULT_ENV_PATHS.iter().map(PathBuf::from).collect(),
    }
}

fn unusable(path: &Path, reason: impl Display) -> Failure {
    let hint = "check `--env-path`, or `envPath` in perstack.toml".to_owned();
    Failure::new(
        Exit::NotStarted,
        format_args!("the variables in `{}` cannot be read: {reason}", path.display()),
        Some(hint),
    )
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for who writes into it.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(MAX_ENV_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_ENV_BYTES {
        return Err(io::Error::other(format!("more than {MAX_ENV_BYTES} bytes")));
    }
    Ok(text)
}
