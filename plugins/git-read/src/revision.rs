//! Revisions as they are typed: a name or a hash, and steps to ancestors.

use perstack::ToolError;

/// The longest revision, in bytes.
const MAX_REVISION: usize = 500;
/// The most generations that one revision goes back.
const MAX_GENERATIONS: usize = 10_000;

/// One step back in history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `~3`: so many first parents.
    Ancestor(usize),
    /// `^2`: that parent, counted from 1; 0 is the commit itself.
    Parent(usize),
}

/// Takes a revision apart.
pub(crate) fn parse(revision: &str) -> Result<(&str, Vec<Step>), ToolError> {
    let wrong =
        |why: &str| ToolError::InvalidArguments(format!("`{revision}` is no revision that is known here: {why}"));
    if revision.len() > MAX_REVISION {
        return Err(ToolError::InvalidArguments(format!("a revision has at most {MAX_REVISION} bytes")));
    }
    let end = revision.find(['~', '^']).unwrap_or(revision.len());
    let (start, mut left) = revision.split_at(end);
    if start.is_empty() || start.contains(':') || start.contains("@{") || start.contains("..") {
        return Err(wrong("give a branch, a tag, a hash or `HEAD`, with `~2` or `^2` after it"));
    }
    let mut steps = Vec::new();
    let mut generations = 0;
    while let Some(mark) = left.chars().next() {
        let digits = left[1..].find(|next: char| !next.is_ascii_digit()).map_or(left.len(), |end| end + 1);
        let count = match &left[1..digits] {
            "" => 1,
            number => {
                number.parse().ok().filter(|count| *count <= MAX_GENERATIONS).ok_or_else(|| wrong("too far back"))?
            }
        };
        generations += count;
        steps.push(match mark {
            '~' => Step::Ancestor(count),
            '^' => Step::Parent(count),
            _ => return Err(wrong("only digits, `~` and `^` can follow")),
        });
        left = &left[digits..];
    }
    if generations > MAX_GENERATIONS { Err(wrong("too far back")) } else { Ok((start, steps)) }
}
