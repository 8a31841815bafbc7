//! `wasi:filesystem` for guests: what takes a path is answered here, behind the fence; what takes an open file or
//! directory is wasmtime's.

use std::fs::File;

use rustix::fs::{AtFlags, FileType, Mode, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult, ReaddirIterator};
use wasmtime_wasi::runtime::spawn_blocking;

use super::fence::{Fence, HIDDEN, Identity, LastLink, is_spelling_of_hidden};
use super::listing::{self, Listing, MAX_LISTED_BYTES};
use super::opening::Opening;
use super::view::{FilesView, from_errno};

impl preopens::Host for FilesView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let grants = self.grants.preopens.iter();
        grants.map(|(dir, path)| Ok((self.wasi.table.push(Descriptor::Dir(dir.clone()))?, path.clone()))).collect()
    }
}

fn last_link(flags: types::PathFlags, path: &str) -> LastLink {
    let follow = flags.contains(types::PathFlags::SYMLINK_FOLLOW) || path.ends_with('/');
    if follow { LastLink::Follow } else { LastLink::Keep }
}

fn timespec(time: types::NewTimestamp) -> Result<Timespec, types::ErrorCode> {
    Ok(match time {
        types::NewTimestamp::NoChange => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        types::NewTimestamp::Now => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        types::NewTimestamp::Timestamp(at) => Timespec {
            tv_sec: i64::try_from(at.seconds).map_err(|_| types::ErrorCode::Overflow)?,
            tv_nsec: i64::from(at.nanoseconds.min(999_999_999)),
        },
    })
}

impl types::Host for FilesView<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<types::ErrorCode> {
        self.wasi.convert_error_code(error)
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<types::ErrorCode>> {
        self.wasi.filesystem_error_code(error)
    }
}

impl types::HostDescriptor for FilesView<'_> {
    async fn open_at(
        &mut self,
        start: Resource<Descriptor>,
        path_flags: types::PathFlags,
        path: String,
        open: types::OpenFlags,
        flags: types::DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let opening = Opening::new(open, flags)?;
        let last_link = if opening.is_exclusive() { LastLink::Keep } else { last_link(path_flags, &path) };
        let disk = self.disk.clone();
        let opened = self.below(&start, path, move |fence, start, path| {
            if let Some(opened) = opening.open_plainly(fence, start, path) {
                return Ok(opened);
            }
            opening.open(fence, &fence.resolve(start, path, last_link)?, &disk)
        });
        let opened = opened.await?;
        Ok(self.wasi.table.push(opened)?)
    }

    async fn create_directory_at(&mut self, start: Resource<Descriptor>, path: String) -> FsResult<()> {
        let disk = self.disk.clone();
        self.at(&start, path, LastLink::Keep, move |_, place| {
            place.writable()?;
            if !place.is_free()? {
                return Err(Errno::EXIST);
            }
            disk.take_entry()?;
            rustix::fs::mkdirat(&*place.directory, &place.name, Mode::from_raw_mode(0o777))
        })
        .await
    }

    async fn stat_at(
        &mut self,
        start: Resource<Descriptor>,
        flags: types::PathFlags,
        path: String,
    ) -> FsResult<types::DescriptorStat> {
        let last_link = last_link(flags, &path);
        let found = self.at(&start, path, last_link, |_, place| place.into_found()).await?;
        let lent = self.lend(found)?;
        let stat = self.wasi.stat(Resource::new_borrow(lent.rep())).await;
        self.wasi.table.delete(lent)?;
        stat
    }

    async fn metadata_hash_at(
        &mut self,
        start: Resource<Descriptor>,
        flags: types::PathFlags,
        path: String,
    ) -> FsResult<types::MetadataHashValue> {
        let last_link = last_link(flags, &path);
        let found = self.at(&start, path, last_link, |_, place| place.into_found()).await?;
        let lent = self.lend(found)?;
        let hash = self.wasi.metadata_hash(Resource::new_borrow(lent.rep())).await;
        self.wasi.table.delete(lent)?;
        hash
    }

    async fn set_times_at(
        &mut self,
        start: Resource<Descriptor>,
        flags: types::PathFlags,
        path: String,
        accessed: types::NewTimestamp,
        modified: types::NewTimestamp,
    ) -> FsResult<()> {
        let times = Timestamps { last_access: timespec(accessed)?, last_modification: timespec(modified)? };
        let last_link = last_link(flags, &path);
        self.at(&start, path, last_link, move |fence, place| {
            place.writable()?;
            if fence.is_read_only(Identity::from(&place.found()?.stat)) {
                return Err(Errno::PERM);
            }
            rustix::fs::utimensat(&*place.directory, &place.name, &times, AtFlags::SYMLINK_NOFOLLOW)
        })
        .await
    }

    async fn link_at(
        &mut self,
        old_start: Resource<Descriptor>,
        old_flags: types::PathFlags,
        old_path: String,
        new_start: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        if old_flags.contains(types::PathFlags::SYMLINK_FOLLOW) {
            return Err(types::ErrorCode::Invalid.into());
        }
        let disk = self.disk.clone();
        self.at_both((old_start, old_path), (new_start, new_path), move |_, old, new| {
            old.no_directory()?;
            new.no_directory()?;
            disk.take_entry()?;
            rustix::fs::linkat(&*old.directory, &old.name, &*new.directory, &new.name, AtFlags::empty())
        })
        .await
    }

    async fn rename_at(
        &mut self,
        old_start: Resource<Descriptor>,
        old_path: String,
        new_start: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        self.at_both((old_start, old_path), (new_start, new_path), |fence, old, new| {
            for found in [old.found(), new.found()].into_iter().flatten() {
                if fence.stays_in_place(Identity::from(&found.stat)) {
                    return Err(Errno::PERM);
                }
            }
            if old.found()?.file_type() != FileType::Directory {
                new.no_directory()?;
            }
            rustix::fs::renameat(&*old.directory, &old.name, &*new.directory, &new.name)
        })
        .await
    }

    async fn symlink_at(&mut self, start: Resource<Descriptor>, target: String, path: String) -> FsResult<()> {
        if target.starts_with('/') {
            return Err(types::ErrorCode::NotPermitted.into());
        }
        let disk = self.disk.clone();
        self.at(&start, path, LastLink::Keep, move |_, place| {
            place.writable()?;
            if !place.is_free()? {
                return Err(Errno::EXIST);
            }
            place.no_directory()?;
            disk.take_entry()?;
            rustix::fs::symlinkat(target, &*place.directory, &place.name)
        })
        .await
    }

    async fn readlink_at(&mut self, start: Resource<Descriptor>, path: String) -> FsResult<String> {
        let target = self.at(&start, path, LastLink::Keep, |_, place| {
            let found = place.found()?;
            if found.file_type() != FileType::Symlink {
                return Err(Errno::INVAL);
            }
            rustix::fs::readlinkat(&found.handle, "", Vec::new())
        });
        let target = target.await?.into_string().map_err(|_| types::ErrorCode::IllegalByteSequence)?;
        // Where the workspace is on this machine is nothing that a guest is told.
        if target.starts_with('/') { Err(types::ErrorCode::NotPermitted.into()) } else { Ok(target) }
    }

    async fn remove_directory_at(&mut self, start: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.at(&start, path, LastLink::Keep, |fence, place| {
            place.writable()?;
            place.entry()?;
            if fence.stays_in_place(Identity::from(&place.found()?.stat)) {
                return Err(Errno::PERM);
            }
            rustix::fs::unlinkat(&*place.directory, &place.name, AtFlags::REMOVEDIR)
        })
        .await
    }

    async fn unlink_file_at(&mut self, start: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.at(&start, path, LastLink::Keep, |_, place| {
            place.writable()?;
            place.entry()?;
            place.found()?;
            rustix::fs::unlinkat(&*place.directory, &place.name, AtFlags::empty())
        })
        .await
    }

    async fn read_directory(&mut self, directory: Resource<Descriptor>) -> FsResult<Resource<ReaddirIterator>> {
        let listed = self.dir(&directory)?.dir;
        let is_root = self.grants.fence.is_root(Identity::of(&listed).map_err(from_errno)?);
        let left = MAX_LISTED_BYTES.saturating_sub(self.listings.values().map(|listing| listing.bytes).sum());
        let measured = listed.clone();
        let bytes = spawn_blocking(move || listing::size(&measured, left)).await.map_err(from_errno)?;
        let bytes = bytes.ok_or(types::ErrorCode::InsufficientMemory)?;
        let listing = self.wasi.read_directory(directory).await?;
        self.listings.insert(listing.rep(), Listing { bytes, root: is_root.then_some(listed) });
        Ok(listing)
    }

    async fn advise(
        &mut self,
        file: Resource<Descriptor>,
        offset: types::Filesize,
        length: types::Filesize,
        advice: types::Advice,
    ) -> FsResult<()> {
        self.wasi.advise(file, offset, length, advice).await
    }

    async fn sync_data(&mut self, descriptor: Resource<Descriptor>) -> FsResult<()> {
        self.wasi.sync_data(descriptor).await
    }

    async fn get_flags(&mut self, descriptor: Resource<Descriptor>) -> FsResult<types::DescriptorFlags> {
        self.wasi.get_flags(descriptor).await
    }

    async fn get_type(&mut self, descriptor: Resource<Descriptor>) -> FsResult<types::DescriptorType> {
        self.wasi.get_type(descriptor).await
    }

    async fn set_size(&mut self, file: Resource<Descriptor>, size: types::Filesize) -> FsResult<()> {
        self.disk.take_hole(&*self.file(&file)?, size).map_err(from_errno)?;
        self.wasi.set_size(file, size).await
    }

    async fn set_times(
        &mut self,
        descriptor: Resource<Descriptor>,
        accessed: types::NewTimestamp,
        modified: types::NewTimestamp,
    ) -> FsResult<()> {
        self.wasi.set_times(descriptor, accessed, modified).await
    }

    async fn read(
        &mut self,
        file: Resource<Descriptor>,
        length: types::Filesize,
        offset: types::Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        self.wasi.read(file, length, offset).await
    }

    async fn write(
        &mut self,
        file: Resource<Descriptor>,
        bytes: Vec<u8>,
        offset: types::Filesize,
    ) -> FsResult<types::Filesize> {
        self.disk.take_hole(&*self.file(&file)?, offset).map_err(from_errno)?;
        self.disk.take(bytes.len() as u64).map_err(from_errno)?;
        self.wasi.write(file, bytes, offset).await
    }

    async fn sync(&mut self, descriptor: Resource<Descriptor>) -> FsResult<()> {
        self.wasi.sync(descriptor).await
    }

    async fn stat(&mut self, descriptor: Resource<Descriptor>) -> FsResult<types::DescriptorStat> {
        self.wasi.stat(descriptor).await
    }

    fn read_via_stream(
        &mut self,
        file: Resource<Descriptor>,
        offset: types::Filesize,
    ) -> FsResult<Resource<DynInputStream>> {
        self.wasi.read_via_stream(file, offset)
    }

    fn write_via_stream(
        &mut self,
        file: Resource<Descriptor>,
        offset: types::Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.disk.take_hole(&*self.file(&file)?, offset).map_err(from_errno)?;
        let stream = self.wasi.write_via_stream(file, offset)?;
        self.counted(stream)
    }

    fn append_via_stream(&mut self, file: Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.wasi.append_via_stream(file)?;
        self.counted(stream)
    }

    async fn is_same_object(&mut self, a: Resource<Descriptor>, b: Resource<Descriptor>) -> wasmtime::Result<bool> {
        self.wasi.is_same_object(a, b).await
    }

    async fn metadata_hash(&mut self, descriptor: Resource<Descriptor>) -> FsResult<types::MetadataHashValue> {
        self.wasi.metadata_hash(descriptor).await
    }

    fn drop(&mut self, descriptor: Resource<Descriptor>) -> wasmtime::Result<()> {
        types::HostDescriptor::drop(&mut self.wasi, descriptor)
    }
}

impl types::HostDirectoryEntryStream for FilesView<'_> {
    async fn read_directory_entry(
        &mut self,
        listing: Resource<ReaddirIterator>,
    ) -> FsResult<Option<types::DirectoryEntry>> {
        let root = self.listings.get(&listing.rep()).and_then(|listing| listing.root.clone());
        loop {
            let entry = self.wasi.read_directory_entry(Resource::new_borrow(listing.rep())).await?;
            let Some((root, entry)) = root.as_ref().zip(entry.as_ref()) else { return Ok(entry) };
            if !is_hidden_entry(&self.grants.fence, root, &entry.name).map_err(from_errno)? {
                return Ok(Some(entry.clone()));
            }
        }
    }

    fn drop(&mut self, listing: Resource<ReaddirIterator>) -> wasmtime::Result<()> {
        self.listings.remove(&listing.rep());
        types::HostDirectoryEntryStream::drop(&mut self.wasi, listing)
    }
}

/// Whether this entry of a workspace's root is hidden, as its file system spells it.
fn is_hidden_entry(fence: &Fence, root: &File, name: &str) -> Result<bool, Errno> {
    if HIDDEN.contains(&name) {
        return Ok(true);
    }
    if !is_spelling_of_hidden(name.as_ref()) {
        return Ok(false);
    }
    match rustix::fs::statat(root, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(fence.hidden()?.contains(&Identity::from(&stat))),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}
