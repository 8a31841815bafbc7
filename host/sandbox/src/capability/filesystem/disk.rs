//! What a guest adds to the disk, counted.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use perstack_core::Limits;
use perstack_core::config::ByteSize;
use rustix::io::Errno;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};

/// What one call may still add.
pub(super) struct Disk {
    limit: u64,
    left: AtomicU64,
    is_full: AtomicBool,
}

impl Disk {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, left: AtomicU64::new(limit), is_full: AtomicBool::new(false) }
    }

    /// Takes bytes, or none.
    ///
    /// # Errors
    /// `EDQUOT`: there are not so many left.
    pub(super) fn take(&self, bytes: u64) -> Result<(), Errno> {
        let rest = |left: u64| left.checked_sub(bytes);
        self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, rest).map(drop).map_err(|_| {
            self.is_full.store(true, Ordering::Relaxed);
            Errno::DQUOT
        })
    }

    /// A new entry of a directory.
    pub(super) fn take_entry(&self) -> Result<(), Errno> {
        self.take(Limits::DISK_ENTRY)
    }

    /// What lies between a file's end and this place: nothing is written there, and whoever copies the file writes it.
    pub(super) fn take_hole(&self, file: &File, until: u64) -> Result<(), Errno> {
        let size = u64::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(0);
        self.take(until.saturating_sub(size))
    }

    /// That it was passed.
    pub(super) fn note(&self) -> Option<String> {
        let passed = || format!("it added more than {} to the disk (`limits.disk`)", ByteSize::from_bytes(self.limit));
        self.is_full.load(Ordering::Relaxed).then(passed)
    }
}

/// A stream into a file, counted.
pub(super) struct Counted {
    pub(super) stream: DynOutputStream,
    pub(super) disk: std::sync::Arc<Disk>,
}

#[async_trait::async_trait]
impl Pollable for Counted {
    async fn ready(&mut self) {
        self.stream.ready().await;
    }
}

#[async_trait::async_trait]
impl OutputStream for Counted {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let full = |errno: Errno| StreamError::LastOperationFailed(std::io::Error::from(errno).into());
        self.disk.take(bytes.len() as u64).map_err(full)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.stream.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.stream.check_write()
    }

    async fn cancel(&mut self) {
        self.stream.cancel().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_or_not() {
        let disk = Disk::new(10_000);
        disk.take(5_000).unwrap();
        disk.take_entry().unwrap();
        assert_eq!(disk.note(), None);
        assert_eq!(disk.take(905), Err(Errno::DQUOT));
        disk.take(904).unwrap();
        assert_eq!(disk.note().unwrap(), "it added more than 10000B to the disk (`limits.disk`)");
    }

    #[test]
    fn a_hole_is_what_lies_past_the_end() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(100).unwrap();
        let disk = Disk::new(100);
        disk.take_hole(&file, 50).unwrap();
        disk.take_hole(&file, 150).unwrap();
        assert_eq!(disk.take_hole(&file, 151), Err(Errno::DQUOT));
        disk.take(50).unwrap();
    }
}
