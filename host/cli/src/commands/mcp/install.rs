//! `perstack mcp install`: what a client has to know to start `perstack mcp` here.

use std::env;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write, stdout};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use jsonc_parser::{ParseOptions, json};
use perstack_runtime::Project;

use super::served;
use crate::args::{GlobalArgs, InstallArgs, ServedArgs};
use crate::context;
use crate::failure::{Exit, Failure};
use crate::model::{ProviderChoice, environment_files};
use crate::text::harmless;
use crate::whole::write_whole;

/// Bytes of a client's file. Those of people have a few entries.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Characters of a name. Clients put it before the names of tools.
const MAX_NAME: usize = 64;
/// What clients put variables in place of.
const PLACEHOLDER: &str = "${";

/// A program that speaks MCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Claude,
    Cursor,
    VsCode,
}

impl Client {
    /// Its file in a workspace.
    fn file(self) -> &'static str {
        match self {
            Self::Claude => ".mcp.json",
            Self::Cursor => ".cursor/mcp.json",
            Self::VsCode => ".vscode/mcp.json",
        }
    }

    /// The object in it that has the servers.
    fn servers(self) -> &'static str {
        match self {
            Self::Claude | Self::Cursor => "mcpServers",
            Self::VsCode => "servers",
        }
    }
}

impl FromStr for Client {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "claude" => Ok(Self::Claude),
            "cursor" => Ok(Self::Cursor),
            "vscode" => Ok(Self::VsCode),
            _ => Err("there are claude, cursor and vscode"),
        }
    }
}

/// What a client calls a server.
#[derive(Clone, Debug)]
pub(crate) struct EntryName(String);

impl FromStr for EntryName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("a name is of letters, digits, `-` and `_`, at most {MAX_NAME}"))
        }
    }
}

/// Shows it, or writes it.
pub(crate) fn install(args: &InstallArgs, global: &GlobalArgs) -> Result<Exit, Failure> {
    let (project, _) = served(&args.served, global)?;
    let folder = args.served.workspace.as_deref().unwrap_or(Path::new("."));
    let folder = absolute(folder)?;
    let entry = Entry {
        name: &args.name.0,
        command: word(&env::current_exe().map_err(|error| unusable(Path::new("perstack"), &error))?)?,
        arguments: arguments(&args.served, global, &project, &folder)?,
    };
    let file = folder.join(args.client.file());
    let shown = file.display();
    let (said, advice) = if args.write {
        let earlier = read(&file)?;
        let text = entry.into_text(args.client, earlier.as_deref().unwrap_or_default());
        let text = text.map_err(|reason| unchanged(&file, reason))?;
        let folder = file.parent().unwrap_or(&folder);
        let written = fs::create_dir_all(folder).and_then(|()| write_whole(&file, text.as_bytes()));
        written.map_err(|error| unchanged(&file, Unfit::new(error)))?;
        (format!("{shown}\n"), "the client starts it, and may ask you first".to_owned())
    } else {
        let text = entry.into_text(args.client, "").map_err(|reason| unchanged(&file, reason))?;
        (text, format!("this belongs into {shown}; with `--write` it is put there"))
    };
    drop(write!(stdout(), "{}", harmless(&said)));
    context::note(&advice);
    Ok(Exit::Done)
}

/// What the client starts, whatever folder it is in itself.
fn arguments(
    args: &ServedArgs,
    global: &GlobalArgs,
    project: &Project,
    workspace: &Path,
) -> Result<Vec<String>, Failure> {
    let mut words = vec!["mcp".to_owned()];
    words.extend(args.experts.iter().cloned());
    if !args.skills.is_empty() {
        words.push("--skills".to_owned());
        words.extend(args.skills.iter().cloned());
    }
    let mut option = |name: &str, values: Vec<String>| {
        if !values.is_empty() {
            words.push(name.to_owned());
            words.extend(values);
        }
    };
    let path = |path: &Path| absolute(path).and_then(|path| word(&path));
    let config = project.path().map(|config| path(Path::new(config))).transpose()?;
    option("--config", config.into_iter().collect());
    option("--workspace", vec![word(workspace)?]);
    option("--policy", global.policy.iter().map(|policy| path(policy)).collect::<Result<_, _>>()?);
    option("--provider", args.provider.iter().map(ToString::to_string).collect());
    let model = args.model.iter().map(|model| match args.provider {
        Some(ProviderChoice::Scripted) => path(Path::new(model)),
        _ => Ok(model.clone()),
    });
    option("--model", model.collect::<Result<_, _>>()?);
    // Those that are not there need not be; those that were named are missed.
    let files = environment_files(&args.env_path, project.config()).into_iter();
    let files = files.filter(|file| !args.env_path.is_empty() || file.exists());
    option("--env-path", files.map(|file| path(&file)).collect::<Result<_, _>>()?);
    if let Some(word) = words.iter().find(|word| word.contains(PLACEHOLDER)) {
        let message = format!("clients would put a variable into `{word}`");
        return Err(Failure::new(Exit::NotStarted, message, Some(format!("use no name with `{PLACEHOLDER}`"))));
    }
    Ok(words)
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize().map_err(|error| unusable(path, &error))
}

fn word(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| unusable(path, &"its name is no text"))
}

fn unusable(path: &Path, reason: &dyn Display) -> Failure {
    Failure::new(Exit::NotStarted, format_args!("`{}` cannot be used: {reason}", path.display()), None)
}

/// Why a client's file is left as it is, with what to do.
#[derive(Debug)]
struct Unfit {
    reason: String,
    hint: &'static str,
}

impl Unfit {
    fn new(reason: impl Display) -> Self {
        Self { reason: reason.to_string(), hint: "without `--write` it is shown, to be put there by hand" }
    }
}

fn unchanged(file: &Path, unfit: Unfit) -> Failure {
    let message = format_args!("`{}` is left as it is: {}", file.display(), unfit.reason);
    Failure::new(Exit::Failed, message, Some(unfit.hint.to_owned()))
}

/// What is in a client's file; none where there is no such file. A link is not followed: who may write in the workspace would
/// choose which file is changed.
fn read(file: &Path) -> Result<Option<String>, Failure> {
    let failed = |error: &dyn Display| unchanged(file, Unfit::new(error));
    for (path, is_fit) in [(file.parent(), fs::Metadata::is_dir as fn(&_) -> bool), (Some(file), fs::Metadata::is_file)]
    {
        let Some(path) = path else { continue };
        match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&error)),
            Ok(metadata) if is_fit(&metadata) => {}
            Ok(_) => return Err(failed(&format_args!("`{}` is a link, or of another kind", path.display()))),
        }
    }
    let mut text = String::new();
    let read = File::open(file).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text));
    read.map_err(|error: io::Error| failed(&error))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(failed(&format_args!("it has more than {} MiB", MAX_FILE_BYTES >> 20)));
    }
    Ok(Some(text))
}

/// One server, for a client.
struct Entry<'a> {
    name: &'a str,
    command: String,
    arguments: Vec<String>,
}

impl Entry<'_> {
    /// The file of a client with this entry, and otherwise as it was: comments and layout too.
    fn into_text(self, client: Client, earlier: &str) -> Result<String, Unfit> {
        let options = ParseOptions {
            allow_comments: true,
            allow_trailing_commas: true,
            allow_loose_object_property_names: false,
            allow_missing_commas: false,
            allow_single_quoted_strings: false,
            allow_hexadecimal_numbers: false,
            allow_unary_plus_numbers: false,
            allow_bare_decimal_point_numbers: false,
            allow_non_finite_numbers: false,
            allow_extended_string_escapes: false,
        };
        let is_new = earlier.trim().is_empty();
        let root = CstRootNode::parse(if is_new { "{}\n" } else { earlier }, &options);
        let root = root.map_err(|error| Unfit::new(format_args!("it is no JSON: {error}")))?;
        let key = client.servers();
        let servers = root.object_value().and_then(|file| file.object_value_or_create(key));
        let servers = servers.ok_or_else(|| Unfit::new(format_args!("`{key}` in it is no object")))?;
        let value: CstInputValue = json!({
            "type": "stdio",
            "command": (self.command),
            "args": (self.arguments),
        });
        match servers.get(self.name) {
            None => drop(servers.append(self.name, value)),
            Some(entry) if is_ours(entry.object_value().as_ref()) => entry.set_value(value),
            Some(_) => {
                let reason = format!("it has another server with the name `{}`", self.name);
                return Err(Unfit { reason, hint: "choose another with `--name`" });
            }
        }
        Ok(root.to_string())
    }
}

/// Whether an entry starts `perstack mcp`.
fn is_ours(entry: Option<&CstObject>) -> bool {
    let entry = entry.and_then(CstObject::to_serde_value).unwrap_or_default();
    let program = entry["command"].as_str().map(Path::new).and_then(Path::file_name);
    program.is_some_and(|name| name == "perstack") && entry["args"][0] == "mcp"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(client: Client, earlier: &str) -> Result<String, Unfit> {
        let arguments = vec!["mcp".to_owned(), "a \"b\" \\ ü\u{1b}".to_owned()];
        Entry { name: "perstack", command: "/usr/bin/perstack".to_owned(), arguments }.into_text(client, earlier)
    }

    #[test]
    fn a_new_file_has_one_entry_in_the_client_s_way() {
        for (client, key) in
            [(Client::Claude, "mcpServers"), (Client::Cursor, "mcpServers"), (Client::VsCode, "servers")]
        {
            let text = with(client, "").unwrap();
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            let entry = serde_json::json!({
                "type": "stdio", "command": "/usr/bin/perstack", "args": ["mcp", "a \"b\" \\ ü\u{1b}"],
            });
            assert_eq!(read, serde_json::json!({ key: { "perstack": entry } }), "{text}");
            assert_eq!(with(client, &text).unwrap(), text, "again it is the same");
        }
    }

    #[test]
    fn what_else_is_in_a_file_stays_as_it_is() {
        let earlier = "// mine\n{\n\t\"inputs\": [ 1,2 ], // here\n\t\"servers\": {\n\t\t\"other\": { \"command\": \"x\" },\n\t},\n}\n";
        let text = with(Client::VsCode, earlier).unwrap();
        let (before, after) = text.split_once("\t\t\"perstack\": {").unwrap();
        assert_eq!(before, earlier.strip_suffix("\t},\n}\n").unwrap());
        assert!(after.ends_with("\t\t},\n\t},\n}\n") || after.ends_with("\t\t}\n\t},\n}\n"), "{text}");
    }

    #[test]
    fn an_earlier_entry_is_replaced_and_another_s_is_not() {
        let earlier = |command: &str, first: &str| {
            format!(
                "{{ \"mcpServers\": {{ \"perstack\": {{ \"command\": \"{command}\", \"args\": [\"{first}\", \"old\"] }} }} }}"
            )
        };
        let text = with(Client::Claude, &earlier("/old/perstack", "mcp")).unwrap();
        assert!(!text.contains("old") && text.contains("/usr/bin/perstack"), "{text}");
        for (command, first) in [("/old/perstack", "run"), ("/old/other", "mcp")] {
            let unfit = with(Client::Claude, &earlier(command, first)).unwrap_err();
            assert_eq!(unfit.reason, "it has another server with the name `perstack`");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_left_as_it_is() {
        for (earlier, reason) in [
            ("{ \"mcpServers\": { ", "it is no JSON: "),
            ("{ 'mcpServers': {} }", "it is no JSON: "),
            ("{} {}", "it is no JSON: "),
            ("[]", "`mcpServers` in it is no object"),
            ("{ \"mcpServers\": [] }", "`mcpServers` in it is no object"),
        ] {
            let unfit = with(Client::Claude, earlier).unwrap_err();
            assert!(unfit.reason.starts_with(reason), "{unfit:?}");
        }
    }
}
