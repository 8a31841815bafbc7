//! What a component is granted.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::Limits;

use super::bounds::{
    MAX_CALL_TIME, MAX_COUNT, MAX_DISK, MAX_ITEMS, MAX_MEMORY, MAX_OUTPUT, MAX_TRAFFIC, MIN_CALL_TIME, MIN_MEMORY,
};
use super::error::{ConfigError, Span, quote};
use super::fields::{Field, Fields};
use super::network::{HostPattern, NetworkPattern};
use super::values::{Access, ByteSize, EnvName, GrantPath};

/// `[….capabilities]`: all that a component may reach. The default is nothing, which is enough for a pure function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Variables whose values it sees.
    pub env: BTreeSet<EnvName>,
    /// Variables whose values are put into requests to these hosts, and which it never sees.
    pub secrets: BTreeMap<EnvName, Vec<HostPattern>>,
    /// Parts of the workspace, in the order of the file; no path twice.
    pub filesystem: Vec<FilesystemGrant>,
    /// Where it may connect to.
    pub network: BTreeSet<NetworkPattern>,
    /// What one call may use up, with the defaults of [`Limits`] for what is not set.
    pub limits: Limits,
    /// Where the table is, for hints; `None` where there is none.
    pub span: Option<Span>,
}

/// A part of the workspace that is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesystemGrant {
    /// The file or folder, with all below it.
    pub path: GrantPath,
    /// What it may be used for.
    pub access: Access,
}

impl Capabilities {
    pub(super) fn read(field: &Field<'_>, skill: &str) -> Result<Self, ConfigError> {
        let fields = field.table(format!("`capabilities` of {skill}"))?;
        fields.refuse_unknown_with(&["env", "secrets", "filesystem", "network", "limits"], |name| {
            matches!(name, "clocks" | "random" | "stdio" | "state")
                .then(|| format!("`{name}` is there for every component and need not be granted"))
        })?;
        let limits = fields.optional("limits", |field| read_limits(field, SKILL_LIMITS))?.unwrap_or_default();
        Ok(Self { limits, span: Some(fields.span()), ..Self::read_access(&fields)? })
    }

    /// What a component may reach, without what it may use up.
    pub(super) fn read_access(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let env: BTreeSet<EnvName> = fields.list("env", |field| field.parse())?.into_iter().collect();
        let secrets = match fields.get("secrets") {
            Some(secrets) => read_secrets(&secrets, &env)?,
            None => BTreeMap::new(),
        };
        let mut filesystem: Vec<FilesystemGrant> = Vec::new();
        fields.list("filesystem", |item| {
            let grant = FilesystemGrant::read(item)?;
            if filesystem.iter().any(|other| other.path == grant.path) {
                return Err(item
                    .invalid(format_args!("{} is granted twice", quote(grant.path.as_str())))
                    .with_hint(Some("grant each path once; `write` includes `read`".into())));
            }
            filesystem.push(grant);
            Ok(())
        })?;

        Ok(Self {
            env,
            secrets,
            filesystem,
            network: fields.list("network", |field| field.parse())?.into_iter().collect(),
            limits: Limits::default(),
            span: None,
        })
    }
}

fn read_secrets(
    field: &Field<'_>,
    env: &BTreeSet<EnvName>,
) -> Result<BTreeMap<EnvName, Vec<HostPattern>>, ConfigError> {
    let fields = field.named_table()?;
    if fields.entries().len() > MAX_ITEMS {
        return Err(field.invalid(format_args!("more than {MAX_ITEMS} secrets")));
    }
    let mut secrets = BTreeMap::new();
    for entry in fields.entries() {
        let name: EnvName = entry.name().parse().map_err(|error: super::ValueError| {
            entry.invalid_name(format!("{} in {}", error, fields.place())).with_hint(error.hint)
        })?;
        if env.contains(&name) {
            return Err(entry
                .invalid_name(format!("{} is both in `env` and in {}", quote(name.as_str()), fields.place()))
                .with_hint(Some("a secret is never visible to the component: take it out of `env`".into())));
        }
        let hosts: Vec<HostPattern> = entry.list(MAX_ITEMS, |field| field.parse())?;
        if hosts.is_empty() {
            return Err(entry
                .invalid("a secret without hosts cannot be used")
                .with_hint(Some("name the hosts that it may be sent to, for example `[\"api.example.com\"]`".into())));
        }
        secrets.insert(name, hosts);
    }
    Ok(secrets)
}

impl FilesystemGrant {
    fn read(field: &Field<'_>) -> Result<Self, ConfigError> {
        let fields = field.named_table()?;
        fields.refuse_unknown(&["path", "access"])?;
        Ok(Self { path: fields.required("path")?.parse()?, access: fields.required("access")?.parse()? })
    }
}

/// Limits that an Expert's own logic has. It has neither files nor a network, and its state is a part of its journal.
pub(super) const LOGIC_LIMITS: &[&str] =
    &["memory", "timeout", "output", "tableElements", "instances", "handles", "buffers", "component", "compile"];
const SKILL_LIMITS: &[&str] = &[
    "memory",
    "timeout",
    "output",
    "tableElements",
    "instances",
    "handles",
    "buffers",
    "state",
    "disk",
    "upload",
    "download",
    "requests",
    "connections",
    "component",
    "compile",
];

/// Limits, with defaults for what is not set.
pub(super) fn read_limits(field: &Field<'_>, known: &[&str]) -> Result<Limits, ConfigError> {
    let fields = field.named_table()?;
    fields.refuse_unknown(known)?;
    let mut limits = Limits::default();
    let least = ByteSize::from_bytes(1);
    for (name, limit, range) in [
        ("memory", &mut limits.memory, MIN_MEMORY..=MAX_MEMORY),
        ("output", &mut limits.output, least..=MAX_OUTPUT),
        ("buffers", &mut limits.buffers, least..=MAX_MEMORY),
        ("state", &mut limits.state, least..=ByteSize::from_bytes(Limits::MAX_STATE)),
        ("disk", &mut limits.disk, least..=MAX_DISK),
        ("upload", &mut limits.upload, least..=MAX_TRAFFIC),
        ("download", &mut limits.download, least..=MAX_TRAFFIC),
        ("component", &mut limits.component, least..=ByteSize::from_bytes(Limits::MAX_COMPONENT)),
    ] {
        if let Some(size) = fields.get(name) {
            *limit = read_size(&size, range)?.bytes();
        }
    }
    for (name, limit, most) in [
        ("tableElements", &mut limits.table_elements, Limits::DEFAULT_TABLE_ELEMENTS),
        ("instances", &mut limits.instances, Limits::DEFAULT_INSTANCES),
        ("handles", &mut limits.handles, Limits::MAX_HANDLES),
        ("requests", &mut limits.requests, u64::from(MAX_COUNT)),
        ("connections", &mut limits.connections, Limits::MAX_CONNECTIONS),
    ] {
        if let Some(number) = fields.get(name) {
            *limit = number.integer(1..=most, "a number")?;
        }
    }
    for (name, limit) in [("timeout", &mut limits.timeout), ("compile", &mut limits.compile)] {
        if let Some(time) = fields.get(name) {
            *limit = time.duration(MIN_CALL_TIME..=MAX_CALL_TIME)?;
        }
    }
    Ok(limits)
}

pub(super) fn read_size(field: &Field<'_>, range: RangeInclusive<ByteSize>) -> Result<ByteSize, ConfigError> {
    let size = if field.is_integer() {
        ByteSize::from_bytes(field.integer(0..=u64::MAX, "a size")?)
    } else {
        field.parse_expecting("a size such as `128MiB`")?
    };
    if !range.contains(&size) {
        return Err(field.invalid(format_args!("`{size}` is out of range")).with_hint(Some(format!(
            "use a size from `{}` to `{}`",
            range.start(),
            range.end()
        ))));
    }
    Ok(size)
}
