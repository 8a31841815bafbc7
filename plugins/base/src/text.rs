//! Text files.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use perstack::serde::Serialize;
use perstack::{Output, ToolError};

use crate::answer::{MAX_ANSWER_BYTES, json};
use crate::path::WorkspacePath;

/// The largest file that is edited. It is in memory three times meanwhile.
const MAX_EDITED_BYTES: u64 = 16 << 20;

#[derive(Serialize)]
#[serde(crate = "perstack::serde")]
struct Lines<'a> {
    path: &'a str,
    content: &'a str,
    from: u64,
    to: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "perstack::serde")]
pub(crate) struct Written {
    path: String,
    text: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "perstack::serde", rename_all = "camelCase")]
pub(crate) struct Edited {
    path: String,
    new_text: String,
    old_text: String,
}

/// Reads the lines from `from` up to, and without, `to`.
pub(crate) fn read(root: &Path, path: &str, from: Option<u64>, to: Option<u64>) -> Result<Output, ToolError> {
    let path = WorkspacePath::parse(root, path)?;
    let (file, size) = open(&path)?;
    let from = from.unwrap_or(0);
    let mut reader = BufReader::new(file);
    let mut content = Vec::new();
    let mut line = 0;
    let mut ended = false;
    while !ended && to.is_none_or(|to| line < to) {
        let read = if line < from { skip_line(&mut reader) } else { take_line(&mut reader, &mut content) };
        ended = read.map_err(|error| path.failed(&error))? == Line::Last;
        line += 1;
        // In JSON nothing becomes shorter.
        if content.len() > MAX_ANSWER_BYTES {
            return Err(too_long(&path, size, from, line));
        }
    }
    if !ended && content.last() == Some(&b'\n') {
        content.pop();
    }
    let Ok(content) = String::from_utf8(content) else {
        return Err(ToolError::Failed(format!("`{}` is not UTF-8 text", path.shown())));
    };
    let output = json(&Lines { path: path.shown(), content: &content, from, to: to.unwrap_or(line) })?;
    match output.content.as_slice() {
        [perstack::Content::Text(text)] if text.len() > MAX_ANSWER_BYTES => Err(too_long(&path, size, from, line)),
        _ => Ok(output),
    }
}

fn too_long(path: &WorkspacePath, size: u64, from: u64, line: u64) -> ToolError {
    let path = path.shown();
    let lines = line.saturating_sub(from);
    // As text most of it would fit, as JSON perhaps a half.
    let fit = from + (lines / 2).max(1);
    ToolError::Failed(if lines > 1 {
        format!(
            "`{path}` has {size} bytes, which is too much for one answer; read it in parts with `from` and `to`, such \
             as from {from} to {fit}"
        )
    } else {
        format!("line {from} of `{path}` is too long for an answer; read other lines with `from` and `to`")
    })
}

#[derive(PartialEq, Eq)]
enum Line {
    More,
    Last,
}

/// Takes a line with its line feed, and no more of a long one than an answer has room for.
fn take_line(reader: &mut impl BufRead, content: &mut Vec<u8>) -> io::Result<Line> {
    let room = (MAX_ANSWER_BYTES + 1).saturating_sub(content.len());
    let read = reader.take(room as u64).read_until(b'\n', content)?;
    Ok(if read > 0 && content.last() == Some(&b'\n') { Line::More } else { Line::Last })
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<Line> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(Line::Last);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(Line::More);
        }
    }
}

/// Writes a file anew.
pub(crate) fn write(root: &Path, path: &str, text: String) -> Result<Written, ToolError> {
    let path = WorkspacePath::parse(root, path)?;
    refuse_folder(&path)?;
    path.make_parents()?;
    fs::write(path.full(), &text).map_err(|error| path.failed(&error))?;
    Ok(Written { path: path.into_shown(), text })
}

/// Adds to a file that exists.
pub(crate) fn append(root: &Path, path: &str, text: String) -> Result<Written, ToolError> {
    let path = WorkspacePath::parse(root, path)?;
    refuse_folder(&path)?;
    let file = File::options().append(true).open(path.full());
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| path.failed(&error))?;
    Ok(Written { path: path.into_shown(), text })
}

/// Replaces the first occurrence of a text by another, letter by letter.
pub(crate) fn edit(root: &Path, path: &str, new_text: String, old_text: String) -> Result<Edited, ToolError> {
    let path = WorkspacePath::parse(root, path)?;
    let (file, size) = open(&path)?;
    let shown = path.shown();
    if size > MAX_EDITED_BYTES {
        return Err(ToolError::Failed(format!(
            "`{shown}` has {size} bytes, and files of more than {MAX_EDITED_BYTES} are not edited"
        )));
    }
    let mut bytes = Vec::new();
    file.take(MAX_EDITED_BYTES).read_to_end(&mut bytes).map_err(|error| path.failed(&error))?;
    let Ok(content) = String::from_utf8(bytes) else {
        return Err(ToolError::Failed(format!("`{shown}` is not UTF-8 text")));
    };
    let content = content.replace("\r\n", "\n");
    let Some((before, after)) = content.split_once(&old_text.replace("\r\n", "\n")) else {
        return Err(ToolError::Failed(format!("`{shown}` does not contain oldText exactly; read the file again")));
    };
    let edited = [before, &new_text.replace("\r\n", "\n"), after].concat();
    fs::write(path.full(), edited).map_err(|error| path.failed(&error))?;
    Ok(Edited { path: path.into_shown(), new_text, old_text })
}

/// Opens a file to read, and tells its size.
fn open(path: &WorkspacePath) -> Result<(File, u64), ToolError> {
    refuse_folder(path)?;
    let opened = File::open(path.full()).and_then(|file| file.metadata().map(|metadata| (file, metadata.len())));
    opened.map_err(|error| path.failed(&error))
}

fn refuse_folder(path: &WorkspacePath) -> Result<(), ToolError> {
    match fs::metadata(path.full()) {
        Ok(metadata) if metadata.is_dir() => Err(ToolError::Failed(format!("`{}` is a folder", path.shown()))),
        _ => Ok(()),
    }
}
