//! A guest's files, and ways to do something to them.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use rustix::io::Errno;
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::filesystem::{self, Descriptor, Dir, WasiFilesystemCtxView, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{DynOutputStream, FsError, FsResult};
use wasmtime_wasi::runtime::spawn_blocking;
use wasmtime_wasi::{FsPerms, OpenMode};

use super::denials::Denials;
use super::disk::{Counted, Disk};
use super::fence::{Fence, Found, LastLink, Place};
use super::listing::Listing;
use super::{GuestFiles, OpenGrants};

/// A store that has a guest's files.
pub(crate) trait HasFiles: WasiFilesystemView + 'static {
    fn files(&mut self) -> FilesView<'_>;
}

/// A guest's files, and wasmtime's side of them.
pub(crate) struct FilesView<'a> {
    pub(super) wasi: WasiFilesystemCtxView<'a>,
    pub(super) grants: &'a OpenGrants,
    pub(super) listings: &'a mut HashMap<u32, Listing>,
    pub(super) disk: &'a Arc<Disk>,
    pub(super) denials: &'a mut Denials,
}

impl<'a> FilesView<'a> {
    pub(crate) fn new(files: &'a mut GuestFiles, wasi: WasiFilesystemCtxView<'a>) -> Self {
        let GuestFiles { grants, listings, disk, denials } = files;
        Self { wasi, grants, listings, disk, denials }
    }
}

struct Files;

impl HasData for Files {
    type Data<'a> = FilesView<'a>;
}

/// Puts this in the place of wasmtime's `wasi:filesystem`.
pub(crate) fn add_to_linker<T: HasFiles>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    types::add_to_linker::<T, Files>(linker, T::files)?;
    preopens::add_to_linker::<T, Files>(linker, T::files)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl FilesView<'_> {
    /// The directory behind a handle.
    pub(super) fn dir(&self, handle: &Resource<Descriptor>) -> FsResult<Dir> {
        match self.wasi.table.get(handle)? {
            Descriptor::Dir(dir) => Ok(dir.clone()),
            Descriptor::File(_) => Err(types::ErrorCode::NotDirectory.into()),
        }
    }

    /// The file behind a handle.
    pub(super) fn file(&self, handle: &Resource<Descriptor>) -> FsResult<Arc<File>> {
        match self.wasi.table.get(handle)? {
            Descriptor::File(file) => Ok(file.file.clone()),
            Descriptor::Dir(_) => Err(types::ErrorCode::IsDirectory.into()),
        }
    }

    /// Does something to what a path leads to, on a thread that may wait.
    pub(super) async fn at<R: Send + 'static>(
        &mut self,
        start: &Resource<Descriptor>,
        path: String,
        last_link: LastLink,
        work: impl FnOnce(&Fence, Place) -> Result<R, Errno> + Send + 'static,
    ) -> FsResult<R> {
        let resolved =
            move |fence: &Fence, start: &Dir, path: &str| work(fence, fence.resolve(start, path, last_link)?);
        self.below(start, path, resolved).await
    }

    /// The same, for work that resolves the path itself.
    pub(super) async fn below<R: Send + 'static>(
        &mut self,
        start: &Resource<Descriptor>,
        path: String,
        work: impl FnOnce(&Fence, &Dir, &str) -> Result<R, Errno> + Send + 'static,
    ) -> FsResult<R> {
        let start = self.dir(start)?;
        let (fence, from) = (self.grants.fence.clone(), start.clone());
        let done = spawn_blocking(move || (work(&fence, &from, &path), path));
        let (done, path) = done.await;
        done.map_err(|errno| from_errno(self.denied(&start, &path, errno)))
    }

    /// What an operation failed with. If that was for want of a grant it is told, with the path as the workspace has it.
    fn denied(&mut self, start: &Dir, path: &str, errno: Errno) -> Errno {
        let granted = self.grants.preopens.iter().find(|(dir, _)| Arc::ptr_eq(&dir.dir, &start.dir));
        let path = match granted.map(|(_, granted)| granted.as_str()) {
            Some(".") => path.to_owned(),
            Some(granted) => format!("{granted}/{path}"),
            // Below a directory that the guest opened.
            None => format!("…/{path}"),
        };
        self.denials.tell(&path, errno)
    }

    /// The same with two paths. Links at their ends are not followed.
    pub(super) async fn at_both<R: Send + 'static>(
        &mut self,
        old: (Resource<Descriptor>, String),
        new: (Resource<Descriptor>, String),
        work: impl FnOnce(&Fence, Place, Place) -> Result<R, Errno> + Send + 'static,
    ) -> FsResult<R> {
        let (old_start, new_start) = (self.dir(&old.0)?, self.dir(&new.0)?);
        let fence = self.grants.fence.clone();
        let (at, named) = (new_start.clone(), new.1.clone());
        let done = spawn_blocking(move || {
            let old = fence.resolve(&old_start, &old.1, LastLink::Keep)?;
            let new = fence.resolve(&new_start, &new.1, LastLink::Keep)?;
            old.writable()?;
            new.writable()?;
            old.entry()?;
            new.entry()?;
            old.found()?;
            new.is_free()?;
            work(&fence, old, new)
        });
        done.await.map_err(|errno| from_errno(self.denied(&at, &named, errno)))
    }

    /// A stream into a file that counts what is written.
    pub(super) fn counted(&mut self, stream: Resource<DynOutputStream>) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.wasi.table.delete(stream)?;
        let counted: DynOutputStream = Box::new(Counted { stream, disk: self.disk.clone() });
        Ok(self.wasi.table.push(counted)?)
    }

    /// What wasmtime says of something that is held, but not open.
    pub(super) fn lend(&mut self, found: Found) -> FsResult<Resource<Descriptor>> {
        let file = filesystem::File::new(found.handle.into(), FsPerms::ReadOnly, OpenMode::empty(), false);
        Ok(self.wasi.table.push(Descriptor::File(file))?)
    }
}

pub(super) fn from_errno(errno: Errno) -> FsError {
    io::Error::from(errno).into()
}
