//! What is different between two trees, as a unified diff.

use std::fmt::{self, Write};

use gix_diff::tree::recorder::Change;
use gix_diff::tree::{Recorder, State};
use gix_hash::ObjectId;
use gix_imara_diff::{
    Algorithm, BasicLineDiffPrinter, Diff, InternedInput, Token, UnifiedDiffConfig, UnifiedDiffPrinter,
};
use gix_object::tree::EntryMode;
use gix_object::{FindExt, TreeRefIter};
use perstack::ToolError;

use crate::history::components;
use crate::objects::HASH;
use crate::repository::{Repository, failed};

/// The longest answer, in bytes. Below the default limit of 1 MiB, over which the host would end the call.
pub(crate) const MAX_ANSWER: usize = 400_000;
/// The largest file whose lines are compared, in bytes.
const MAX_COMPARED: usize = 1024 * 1024;

/// Writes lines as the library does, and where they are as git and `patch` do: a part without lines begins at the line
/// before, and the number of lines is left out if it is one.
struct Lines<'a>(BasicLineDiffPrinter<'a, str>);

impl UnifiedDiffPrinter for Lines<'_> {
    fn display_header(&self, mut to: impl Write, before: u32, after: u32, removed: u32, added: u32) -> fmt::Result {
        let range = |start: u32, lines: u32| match lines {
            0 => format!("{start},0"),
            1 => (start + 1).to_string(),
            lines => format!("{},{lines}", start + 1),
        };
        writeln!(to, "@@ -{} +{} @@", range(before, removed), range(after, added))
    }

    fn display_context_token(&self, to: impl Write, token: Token) -> fmt::Result {
        self.0.display_context_token(to, token)
    }

    fn display_hunk(&self, to: impl Write, before: &[Token], after: &[Token]) -> fmt::Result {
        self.0.display_hunk(to, before, after)
    }
}

/// One file that is different: what it was and what it is.
struct Changed {
    path: String,
    before: Option<(EntryMode, ObjectId)>,
    after: Option<(EntryMode, ObjectId)>,
}

/// The differences between two trees, only those of a file or folder if one is named.
pub(crate) fn between(
    repository: &Repository,
    before: Option<ObjectId>,
    after: ObjectId,
    path: Option<&str>,
) -> Result<String, ToolError> {
    let wanted = path.map(|path| components(path).collect::<Vec<_>>().join("/")).unwrap_or_default();
    let mut text = String::new();
    let changes = changes(repository, before, after)?;
    let mut changes = changes.iter().filter(|change| {
        let below = change.path.strip_prefix(&wanted);
        wanted.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    for change in changes.by_ref() {
        text += &unified(repository, change)?;
        if text.len() > MAX_ANSWER {
            let left = changes.count();
            text = cut(&text, MAX_ANSWER);
            // Writing to a string does not fail.
            _ = write!(text, "\n({left} more files changed: name a path to see one)");
            return Ok(text);
        }
    }
    Ok(if text.is_empty() { "(no differences)".to_owned() } else { text })
}

fn changes(repository: &Repository, before: Option<ObjectId>, after: ObjectId) -> Result<Vec<Changed>, ToolError> {
    let objects = &repository.objects;
    let (mut left, mut right) = (Vec::new(), Vec::new());
    if let Some(before) = before {
        objects.find_tree(&before, &mut left).map_err(failed)?;
    }
    objects.find_tree(&after, &mut right).map_err(failed)?;
    let mut recorder = Recorder::default();
    let trees = (TreeRefIter::from_bytes(&left, HASH), TreeRefIter::from_bytes(&right, HASH));
    gix_diff::tree(trees.0, trees.1, State::default(), objects, &mut recorder).map_err(failed)?;
    let told = |change: Change| match change {
        Change::Addition { entry_mode, oid, path, .. } => {
            Changed { path: path.to_string(), before: None, after: Some((entry_mode, oid)) }
        }
        Change::Deletion { entry_mode, oid, path, .. } => {
            Changed { path: path.to_string(), before: Some((entry_mode, oid)), after: None }
        }
        Change::Modification { previous_entry_mode, previous_oid, entry_mode, oid, path } => Changed {
            path: path.to_string(),
            before: Some((previous_entry_mode, previous_oid)),
            after: Some((entry_mode, oid)),
        },
    };
    let is_folder = |side: Option<(EntryMode, ObjectId)>| side.is_none_or(|(mode, _)| mode.is_tree());
    let mut changes: Vec<Changed> = recorder.records.into_iter().map(told).collect();
    changes.retain(|change| !(is_folder(change.before) && is_folder(change.after)));
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(changes)
}

fn unified(repository: &Repository, change: &Changed) -> Result<String, ToolError> {
    let path = &change.path;
    let mut text = format!("diff --git a/{path} b/{path}\n");
    let mode = |side: Option<(EntryMode, ObjectId)>| side.map(|(mode, _)| format!("{:06o}", mode.value()));
    // Writing to a string does not fail.
    match (mode(change.before), mode(change.after)) {
        (None, Some(mode)) => _ = writeln!(text, "new file mode {mode}"),
        (Some(mode), None) => _ = writeln!(text, "deleted file mode {mode}"),
        (Some(old), Some(new)) if old != new => _ = writeln!(text, "old mode {old}\nnew mode {new}"),
        _ => {}
    }
    let (before, after) = (content(repository, change.before)?, content(repository, change.after)?);
    let (Some(before), Some(after)) = (before, after) else {
        text.push_str("(no text, or too large to compare)\n");
        return Ok(text);
    };
    if before != after {
        let name = |side: Option<_>, letter| side.map_or("/dev/null".to_owned(), |_| format!("{letter}/{path}"));
        _ = writeln!(text, "--- {}\n+++ {}", name(change.before, 'a'), name(change.after, 'b'));
        let input = InternedInput::new(before.as_str(), after.as_str());
        let mut diff = Diff::compute(Algorithm::Histogram, &input);
        diff.postprocess_lines(&input);
        let printer = Lines(BasicLineDiffPrinter(&input.interner));
        _ = write!(text, "{}", diff.unified_diff(&printer, UnifiedDiffConfig::default(), &input));
    }
    Ok(text)
}

/// The text of a file; none where it is no text, or too large.
fn content(repository: &Repository, side: Option<(EntryMode, ObjectId)>) -> Result<Option<String>, ToolError> {
    let Some((mode, id)) = side else {
        return Ok(Some(String::new()));
    };
    if mode.is_commit() {
        return Ok(Some(format!("Subproject commit {id}\n")));
    }
    if mode.is_tree() {
        return Ok(Some(String::new()));
    }
    let mut buffer = Vec::new();
    let blob = repository.objects.find_blob(&id, &mut buffer).map_err(failed)?;
    let text = blob.data.len() <= MAX_COMPARED && !blob.data.contains(&0);
    Ok(text.then(|| String::from_utf8_lossy(blob.data).into_owned()))
}

/// The beginning of a text, and that it goes on.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    format!("{}\n(cut: {} bytes in all)", &text[..text.floor_char_boundary(limit)], text.len())
}
