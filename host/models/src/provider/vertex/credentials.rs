//! Google's files of credentials. Nothing of them is run: a file that names a program to ask is refused.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use perstack_core::config::HttpUrl;
use serde::Deserialize;

use crate::provider::connect::Environment;
use crate::provider::error::ConnectError;

/// Names the file.
const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
pub(super) const VARIABLES: &[&str] = &[FILE];

/// Where `gcloud auth application-default login` leaves it, in the folder of its settings.
const LOGIN_FILE: &str = "application_default_credentials.json";
const LOGIN_FOLDER: &str = ".config/gcloud";

/// Bytes of such a file; they have two or three thousand.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// Where Google gives out tokens.
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";

/// Who asks, and what proves it.
pub(super) struct Credentials {
    pub(super) kind: Kind,
    /// Gives out tokens.
    pub(super) token_url: String,
    /// The project that they belong to.
    pub(super) project: Option<String>,
    /// The project that pays, if that is another than the one that is asked.
    pub(super) billed_to: Option<String>,
}

pub(super) enum Kind {
    /// A service, which signs with its key.
    Service { email: String, key_id: Option<String>, private_key: String },
    /// A person, who has once agreed.
    Person { client_id: String, client_secret: String, refresh_token: String },
}

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "type")]
    kind: String,
    client_email: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
    token_uri: Option<String>,
    project_id: Option<String>,
    quota_project_id: Option<String>,
}

impl Credentials {
    /// Those that the environment names, or those of `gcloud`.
    pub(super) fn find(environment: &Environment) -> Result<Self, ConnectError> {
        let path = named_file(environment).or_else(|| login_file(environment).filter(|path| path.is_file()));
        let path = path.ok_or(ConnectError::MissingKey {
            provider: perstack_core::config::ProviderName::GoogleVertex,
            variable: FILE,
        })?;
        Self::read(&path).map_err(|reason| ConnectError::Credentials { path: path.display().to_string(), reason })
    }

    fn read(path: &Path) -> Result<Self, String> {
        let mut text = String::new();
        let file = File::open(path).map_err(|error| error.to_string())?;
        file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(format!("the file has more than {MAX_FILE_BYTES} bytes"));
        }
        // What is wrong with it is not told word for word: it would repeat a part of a key.
        let written: Written = serde_json::from_str(&text)
            .map_err(|error| format!("line {} of it is not what Google writes there", error.line()))?;
        let needed = |field: Option<String>, name: &str| {
            field.filter(|text| !text.is_empty()).ok_or_else(|| format!("it has no `{name}`"))
        };
        let kind = match written.kind.as_str() {
            "service_account" => Kind::Service {
                email: needed(written.client_email, "client_email")?,
                key_id: written.private_key_id,
                private_key: needed(written.private_key, "private_key")?,
            },
            "authorized_user" => Kind::Person {
                client_id: needed(written.client_id, "client_id")?,
                client_secret: needed(written.client_secret, "client_secret")?,
                refresh_token: needed(written.refresh_token, "refresh_token")?,
            },
            other => {
                let other: String = other.chars().take(40).collect();
                return Err(format!(
                    "it is of type `{other}`, and only `service_account` and `authorized_user` are read"
                ));
            }
        };
        let token_url = written.token_uri.unwrap_or_else(|| TOKEN_URL.to_owned());
        let url: HttpUrl = token_url.parse().map_err(|_| "its `token_uri` is no URL".to_owned())?;
        if !url.is_https() && !is_this_machine(&token_url) {
            return Err("its `token_uri` does not begin with `https://`".to_owned());
        }
        Ok(Self { kind, token_url, project: written.project_id, billed_to: written.quota_project_id })
    }

    /// What is told to nobody but Google.
    pub(super) fn secrets(&self) -> Vec<String> {
        match &self.kind {
            Kind::Service { private_key, .. } => vec![private_key.clone()],
            Kind::Person { client_secret, refresh_token, .. } => vec![client_secret.clone(), refresh_token.clone()],
        }
    }
}

/// Where the credentials would be read from.
pub(super) fn file(environment: &Environment) -> Option<PathBuf> {
    named_file(environment).or_else(|| login_file(environment))
}

/// The one that the environment names.
fn named_file(environment: &Environment) -> Option<PathBuf> {
    variable(environment, FILE).map(PathBuf::from)
}

/// The one of `gcloud`, whether it is there or not.
fn login_file(environment: &Environment) -> Option<PathBuf> {
    let below_home = || Some(Path::new(variable(environment, "HOME")?).join(LOGIN_FOLDER));
    let folder = variable(environment, "CLOUDSDK_CONFIG").map(PathBuf::from).or_else(below_home);
    folder.map(|folder| folder.join(LOGIN_FILE))
}

fn variable<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// Whether a URL stays on this machine, where nobody listens in.
fn is_this_machine(url: &str) -> bool {
    let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| matches!(host.as_str(), "127.0.0.1" | "[::1]" | "localhost"))
}

#[cfg(test)]
impl Credentials {
    /// They prove nothing.
    pub(super) fn nobody() -> Self {
        let (client_id, client_secret, refresh_token) = (String::new(), String::new(), String::new());
        let kind = Kind::Person { client_id, client_secret, refresh_token };
        Self { kind, token_url: TOKEN_URL.to_owned(), project: None, billed_to: None }
    }
}
