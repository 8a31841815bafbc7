//! Commits, and files as they were.

use std::fmt::Write;

use gix_hash::ObjectId;
use gix_object::{CommitRef, FindExt, TreeRefIter, date};
use gix_traverse::commit::Simple;
use gix_traverse::commit::simple::{CommitTimeOrder, Sorting};
use perstack::ToolError;

use crate::changes::{self, MAX_ANSWER, cut};
use crate::objects::HASH;
use crate::repository::{Repository, failed};

/// The most commits that are looked at for one answer.
const MAX_COMMITS: usize = 100_000;
/// The longest message in a list of commits, in bytes.
const MAX_MESSAGE: usize = 2000;
/// The most entries of a folder that are answered.
const MAX_ENTRIES: usize = 5000;

/// A commit of a history.
#[perstack::data]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    /// Its hash.
    pub(crate) id: String,
    /// Hashes of the commits before it.
    pub(crate) parents: Vec<String>,
    /// Who wrote it, as `name <email>`.
    pub(crate) author: String,
    /// When it was written.
    pub(crate) date: String,
    /// Its message.
    pub(crate) message: String,
}

/// What a folder has.
#[perstack::data]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: String,
    /// `file`, `executable`, `link`, `folder` or `submodule`.
    pub(crate) kind: String,
}

/// Commits backwards, the newest first.
pub(crate) fn log(
    repository: &Repository,
    from: ObjectId,
    path: Option<&str>,
    skip: usize,
    limit: usize,
) -> Result<Vec<Commit>, ToolError> {
    let newest_first = Sorting::ByCommitTime(CommitTimeOrder::NewestFirst);
    let walk = Simple::new([from], &repository.objects).sorting(newest_first).map_err(failed)?;
    let mut commits = Vec::new();
    let mut left = MAX_ANSWER;
    let mut skipped = 0;
    for (seen, found) in walk.enumerate() {
        if seen == MAX_COMMITS {
            return Err(ToolError::Failed(format!("more than {MAX_COMMITS} commits: begin at an earlier revision")));
        }
        let id = match found {
            Ok(found) => found.id,
            // A history that was fetched only in part ends where the rest was left out.
            Err(error) if error.is_not_found() => break,
            Err(error) => return Err(failed(error)),
        };
        if let Some(path) = path
            && !changed(repository, id, path)?
        {
            continue;
        }
        if skipped < skip {
            skipped += 1;
            continue;
        }
        let mut buffer = Vec::new();
        let commit = told(id, &repository.decode(id, &mut buffer)?);
        let size = commit.message.len() + commit.author.len() + 200;
        if size > left {
            break;
        }
        left -= size;
        commits.push(commit);
        if commits.len() == limit {
            break;
        }
    }
    Ok(commits)
}

/// A commit with what it changed.
pub(crate) fn show(repository: &Repository, id: ObjectId, path: Option<&str>) -> Result<String, ToolError> {
    let mut buffer = Vec::new();
    let commit = told(id, &repository.decode(id, &mut buffer)?);
    let mut text = format!("commit {id}\nAuthor: {}\nDate:   {}\n", commit.author, commit.date);
    if commit.parents.len() > 1 {
        // Writing to a string does not fail.
        _ = writeln!(text, "Merge:  {}", commit.parents.join(" "));
    }
    text.push('\n');
    for line in commit.message.lines() {
        _ = writeln!(text, "    {line}");
    }
    text.push('\n');
    let parent = repository.parents(id)?.first().copied();
    // What came before is not there in a history that was fetched only in part.
    let before = parent.and_then(|parent| repository.tree_of(parent).ok());
    if parent.is_some() && before.is_none() {
        return Ok(text + "(its parent is not in this repository, so there is nothing to compare with)\n");
    }
    Ok(text + &changes::between(repository, before, repository.tree_of(id)?, path)?)
}

/// A text file of a tree.
pub(crate) fn read(repository: &Repository, tree: ObjectId, path: &str) -> Result<String, ToolError> {
    let entry = entry(repository, tree, path)?.ok_or_else(|| missing(path))?;
    if entry.mode.is_tree() || entry.mode.is_commit() {
        return Err(ToolError::Failed(format!("`{path}` is no file")));
    }
    let mut buffer = Vec::new();
    let blob = repository.objects.find_blob(&entry.oid, &mut buffer).map_err(failed)?;
    if blob.data.contains(&0) {
        return Err(ToolError::Failed(format!("`{path}` is no text: it has {} bytes", blob.data.len())));
    }
    Ok(cut(&String::from_utf8_lossy(blob.data), MAX_ANSWER))
}

/// The entries of a folder of a tree.
pub(crate) fn list(repository: &Repository, tree: ObjectId, path: &str) -> Result<Vec<Entry>, ToolError> {
    let folder = if components(path).next().is_none() {
        tree
    } else {
        entry(repository, tree, path)?.filter(|entry| entry.mode.is_tree()).ok_or_else(|| missing(path))?.oid
    };
    let mut buffer = Vec::new();
    let entries = repository.objects.find_tree_iter(&folder, &mut buffer).map_err(failed)?;
    let told = |entry: gix_object::tree::EntryRef<'_>| Entry {
        name: entry.filename.to_string(),
        kind: match entry.mode.kind() {
            gix_object::tree::EntryKind::Tree => "folder",
            gix_object::tree::EntryKind::Blob => "file",
            gix_object::tree::EntryKind::BlobExecutable => "executable",
            gix_object::tree::EntryKind::Link => "link",
            gix_object::tree::EntryKind::Commit => "submodule",
        }
        .to_owned(),
    };
    let entries: Result<Vec<Entry>, _> = entries.take(MAX_ENTRIES + 1).map(|entry| entry.map(told)).collect();
    let entries = entries.map_err(failed)?;
    if entries.len() > MAX_ENTRIES {
        return Err(ToolError::Failed(format!("`{path}` has more than {MAX_ENTRIES} entries")));
    }
    Ok(entries)
}

/// Whether a commit changed a file or folder: it is another one than in each of its parents.
fn changed(repository: &Repository, commit: ObjectId, path: &str) -> Result<bool, ToolError> {
    let at = |commit| -> Result<_, ToolError> {
        Ok(entry(repository, repository.tree_of(commit)?, path)?.map(|entry| (entry.mode, entry.oid)))
    };
    let here = at(commit)?;
    let parents = repository.parents(commit)?;
    if parents.is_empty() {
        return Ok(here.is_some());
    }
    for parent in parents {
        // One that was not fetched is no reason to leave the commit out.
        if at(parent).is_ok_and(|there| there == here) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn entry(repository: &Repository, tree: ObjectId, path: &str) -> Result<Option<gix_object::tree::Entry>, ToolError> {
    let mut root = Vec::new();
    repository.objects.find_tree(&tree, &mut root).map_err(failed)?;
    let mut buffer = Vec::new();
    let names = components(path).map(str::as_bytes);
    TreeRefIter::from_bytes(&root, HASH).lookup_entry(&repository.objects, &mut buffer, names).map_err(failed)
}

/// The names on a path, which is one from the repository's root.
pub(crate) fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".")
}

fn missing(path: &str) -> ToolError {
    ToolError::Failed(format!("there is no `{path}` in this revision"))
}

fn told(id: ObjectId, commit: &CommitRef<'_>) -> Commit {
    let (author, date) = commit.author().map_or_else(
        |_| (commit.author.to_string(), String::new()),
        |author| {
            let date = author.time().map(|time| time.format_or_unix(date::time::format::ISO8601)).unwrap_or_default();
            (format!("{} <{}>", author.name, author.email), date)
        },
    );
    Commit {
        id: id.to_string(),
        parents: commit.parents().map(|parent| parent.to_string()).collect(),
        author: cut(&author, MAX_MESSAGE),
        date,
        message: cut(commit.message.to_string().trim_end(), MAX_MESSAGE),
    }
}
