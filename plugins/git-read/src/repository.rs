//! A repository's folder, and the names in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gix_hash::ObjectId;
use gix_object::{CommitRef, FindExt, Kind};
use perstack::ToolError;

use crate::objects::{HASH, Objects, read_bounded};
use crate::revision::{self, Step};

/// The longest file with one name in it, in bytes.
const MAX_NAME: u64 = 4096;
/// The longest list of packed names, in bytes.
const MAX_PACKED: u64 = 8 * 1024 * 1024;
/// The most names that are answered.
const MAX_REFERENCES: usize = 2000;
/// How many names may lead to the next before one leads to an object, and tags too.
const MAX_LINKS: usize = 8;
/// How deep folders of names are looked through.
const MAX_DEPTH: usize = 16;

/// A branch, a tag, or another name.
#[perstack::data]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Its full name, such as `refs/heads/main`.
    pub(crate) name: String,
    /// The object that it names.
    pub(crate) id: String,
}

/// A repository that can be read.
pub(crate) struct Repository {
    folder: PathBuf,
    pub(crate) objects: Objects,
}

impl Repository {
    /// Opens the repository of a folder: what it has in `.git`, or the folder itself if it is a bare one.
    pub(crate) fn open(folder: &str) -> Result<Self, ToolError> {
        let root = Path::new(folder);
        let inside = root.join(".git");
        let folder = match fs::metadata(&inside) {
            Ok(data) if data.is_dir() => inside,
            Ok(_) => {
                return Err(ToolError::Failed(format!(
                    "`{}` is a file: a further worktree, or a submodule; name the folder that it leads to",
                    inside.display()
                )));
            }
            Err(_) => root.to_owned(),
        };
        if !folder.join("HEAD").is_file() || !folder.join("objects").is_dir() {
            return Err(ToolError::Failed(format!("`{}` is no git repository, or not granted", root.display())));
        }
        let config = read_text(&folder.join("config"), MAX_PACKED).unwrap_or_default().to_ascii_lowercase();
        let setting = |name: &str, value: &str| {
            config.lines().any(|line| {
                line.split_once('=').is_some_and(|(left, right)| left.trim() == name && right.trim() == value)
            })
        };
        if setting("objectformat", "sha256") || setting("refstorage", "reftable") {
            let unread = "its objects have SHA-256 hashes, or its names are in a reftable";
            return Err(ToolError::Failed(format!("`{}` cannot be read: {unread}", root.display())));
        }
        let objects = Objects::open(folder.join("objects")).map_err(failed)?;
        Ok(Self { folder, objects })
    }

    /// The commit that a revision names.
    pub(crate) fn commit(&self, revision: &str) -> Result<ObjectId, ToolError> {
        let (start, steps) = revision::parse(revision)?;
        let mut id = self.peel(self.object(start)?)?;
        for step in steps {
            let next = match step {
                Step::Ancestor(generations) => {
                    let mut at = Some(id);
                    for _ in 0..generations {
                        at = match at {
                            Some(id) => self.parents(id)?.first().copied(),
                            None => break,
                        };
                    }
                    at
                }
                Step::Parent(0) => Some(id),
                Step::Parent(number) => self.parents(id)?.get(number - 1).copied(),
            };
            id = next.ok_or_else(|| ToolError::Failed(format!("`{revision}` names no commit: history ends before")))?;
        }
        Ok(id)
    }

    /// The files of the commit that a revision names.
    pub(crate) fn tree(&self, revision: &str) -> Result<ObjectId, ToolError> {
        self.tree_of(self.commit(revision)?)
    }

    /// The files of a commit.
    pub(crate) fn tree_of(&self, commit: ObjectId) -> Result<ObjectId, ToolError> {
        let mut buffer = Vec::new();
        Ok(self.decode(commit, &mut buffer)?.tree())
    }

    /// The parents of a commit.
    pub(crate) fn parents(&self, commit: ObjectId) -> Result<Vec<ObjectId>, ToolError> {
        let mut buffer = Vec::new();
        Ok(self.decode(commit, &mut buffer)?.parents().collect())
    }

    /// A commit.
    pub(crate) fn decode<'a>(&self, id: ObjectId, buffer: &'a mut Vec<u8>) -> Result<CommitRef<'a>, ToolError> {
        self.objects.find_commit(&id, buffer).map_err(failed)
    }

    /// All names, and `HEAD` first.
    pub(crate) fn references(&self) -> Result<Vec<Reference>, ToolError> {
        let mut names = self.packed()?;
        self.loose("refs", MAX_DEPTH, &mut names);
        let head = self.resolve("HEAD").map(|id| Reference { name: self.head_name(), id: id.to_string() });
        let named = names.into_iter().map(|(name, id)| Reference { name, id: id.to_string() });
        Ok(head.into_iter().chain(named).take(MAX_REFERENCES).collect())
    }

    /// `HEAD`, and the branch that it is.
    fn head_name(&self) -> String {
        let text = read_text(&self.folder.join("HEAD"), MAX_NAME).unwrap_or_default();
        text.strip_prefix("ref: ").map_or_else(|| "HEAD".to_owned(), |branch| format!("HEAD -> {}", branch.trim()))
    }

    fn loose(&self, folder: &str, depth: usize, names: &mut BTreeMap<String, ObjectId>) {
        for entry in fs::read_dir(self.folder.join(folder)).into_iter().flatten().flatten() {
            let Some(name) = entry.file_name().to_str().map(|name| format!("{folder}/{name}")) else {
                continue;
            };
            if names.len() > MAX_REFERENCES {
                return;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if depth > 0 {
                    self.loose(&name, depth - 1, names);
                }
            } else if let Some(id) = self.resolve(&name) {
                names.insert(name, id);
            }
        }
    }

    /// Names that git wrote into one file: a line each, beside those that say where the tag above leads.
    fn packed(&self) -> Result<BTreeMap<String, ObjectId>, ToolError> {
        let path = self.folder.join("packed-refs");
        if !path.exists() {
            return Ok(BTreeMap::new());
        }
        let text = read_bounded(&path, MAX_PACKED).map_err(failed)?;
        let line = |line: &str| {
            let (id, name) = line.split_once(' ')?;
            Some((name.to_owned(), ObjectId::from_hex(id.as_bytes()).ok()?))
        };
        Ok(String::from_utf8_lossy(&text).lines().filter_map(line).collect())
    }

    /// Where a full name leads to.
    fn resolve(&self, name: &str) -> Option<ObjectId> {
        let mut name = name.to_owned();
        for _ in 0..MAX_LINKS {
            let plain = name.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
            if !plain
                || !(name.starts_with("refs/") || name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
            {
                return None;
            }
            let Some(text) = read_text(&self.folder.join(&name), MAX_NAME) else {
                return self.packed().ok()?.get(&name).copied();
            };
            match text.strip_prefix("ref: ") {
                Some(next) => name = next.trim().to_owned(),
                None => return ObjectId::from_hex(text.trim().as_bytes()).ok(),
            }
        }
        None
    }

    /// What a revision begins with, in the order that git tries: names, then hashes.
    fn object(&self, start: &str) -> Result<ObjectId, ToolError> {
        let start = if start == "@" { "HEAD" } else { start };
        let names =
            ["", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"].map(|before| format!("{before}{start}"));
        let names = names.into_iter().chain([format!("refs/remotes/{start}/HEAD")]);
        if let Some(id) = names.into_iter().find_map(|name| self.resolve(&name)) {
            return Ok(id);
        }
        let unknown = || ToolError::Failed(format!("there is no revision `{start}`"));
        let prefix = gix_hash::Prefix::from_hex(start).map_err(|_| unknown())?;
        match self.objects.beginning_with(prefix).map_err(failed)?.as_slice() {
            [] => Err(unknown()),
            [id] => Ok(*id),
            _ => Err(ToolError::Failed(format!("`{start}` is the beginning of several hashes: give more digits"))),
        }
    }

    /// The commit that an object is, or that a tag leads to.
    fn peel(&self, mut id: ObjectId) -> Result<ObjectId, ToolError> {
        let mut buffer = Vec::new();
        for _ in 0..MAX_LINKS {
            let object = self.objects.find(&id, &mut buffer).map_err(failed)?;
            match object.kind {
                Kind::Commit => return Ok(id),
                Kind::Tag => id = gix_object::TagRef::from_bytes(object.data, HASH).map_err(failed)?.target(),
                Kind::Tree | Kind::Blob => break,
            }
        }
        Err(ToolError::Failed(format!("{id} is no commit")))
    }
}

fn read_text(path: &Path, limit: u64) -> Option<String> {
    if !path.is_file() {
        return None;
    }
    read_bounded(path, limit).ok().and_then(|text| String::from_utf8(text).ok())
}

/// What the library says, for a model.
pub(crate) fn failed(error: impl std::fmt::Display) -> ToolError {
    ToolError::Failed(error.to_string())
}
