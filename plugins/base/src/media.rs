//! Images and PDFs. Only what a file begins with is read here: the host reads the rest, and hands it to the model.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use perstack::{Output, ToolError};

use crate::path::WorkspacePath;

const MAX_IMAGE_BYTES: u64 = 15 << 20;
const MAX_PDF_BYTES: u64 = 30 << 20;
/// Enough to tell all of them.
const SIGNATURE_BYTES: u64 = 12;

pub(crate) fn image(root: &Path, path: &str) -> Result<Output, ToolError> {
    file(root, path, image_type, "a PNG, JPEG, GIF or WebP image", MAX_IMAGE_BYTES)
}

pub(crate) fn pdf(root: &Path, path: &str) -> Result<Output, ToolError> {
    let pdf_type = |signature: &[u8]| signature.starts_with(b"%PDF-").then_some("application/pdf");
    file(root, path, pdf_type, "a PDF", MAX_PDF_BYTES)
}

/// The type that a file has, whatever its name says: a model's provider refuses what is called something else.
fn image_type(signature: &[u8]) -> Option<&'static str> {
    match signature {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => Some("image/webp"),
        _ => None,
    }
}

fn file(
    root: &Path,
    path: &str,
    media_type: impl Fn(&[u8]) -> Option<&'static str>,
    expected: &str,
    limit: u64,
) -> Result<Output, ToolError> {
    let path = WorkspacePath::parse(root, path)?;
    let opened = File::open(path.full()).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
    let (file, metadata) = opened.map_err(|error| path.failed(&error))?;
    let shown = path.shown();
    if !metadata.is_file() {
        return Err(ToolError::Failed(format!("`{shown}` is not a file")));
    }
    if metadata.len() > limit {
        let (size, limit) = (metadata.len() as f64 / f64::from(1 << 20), limit >> 20);
        return Err(ToolError::Failed(format!("`{shown}` has {size:.1} MB, and at most {limit} MB can be read")));
    }
    let mut signature = Vec::new();
    file.take(SIGNATURE_BYTES).read_to_end(&mut signature).map_err(|error| path.failed(&error))?;
    match media_type(&signature) {
        Some(media_type) => Ok(Output::workspace_file(shown, media_type)),
        None => Err(ToolError::Failed(format!("`{shown}` is not {expected}"))),
    }
}
