//! What keeps documents, beneath the layout.

use std::any::Any;
use std::time::Duration;
use std::{fmt, io};

use crate::StorageName;

/// How often a lock that another holds is tried again, unless the storage says otherwise: asking may cost it something.
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// What happens to a document that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// The new one takes its place.
    Replace,
    /// It stays as it is, and [`Storage::put`] fails with [`io::ErrorKind::AlreadyExists`].
    Keep,
}

/// What a document outlives once [`Storage::put`] has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Whatever happens to the process and the machine: what follows depends on it.
    Synced,
    /// The process, however it ends. It repeats what was kept elsewhere, so the end of the machine may take it along.
    Buffered,
}

/// A lock that is held until this is dropped.
pub type StorageLock = Box<dyn Any + Send + Sync>;

/// Keeps documents: small blobs that have names. What they mean, how large they may become, and in which order they are
/// written is decided above; [`LocalFiles`](crate::LocalFiles) is the one that is built in, and a program brings its own to
/// [`Workspace::with_storage`](crate::Workspace::with_storage).
///
/// What it must promise:
///
/// - **Whole or not at all.** Nobody ever reads a part of a document, or a mix of two, whatever was killed when.
/// - **At once.** What [`put`](Self::put) has returned for is what everyone reads and lists from then on, in all processes.
///   One that failed may have happened or not.
/// - **Once.** Of all that put a document of one name with [`Existing::Keep`], at the same time or later, one succeeds.
/// - **Durable** as [`Durability`] says.
/// - **Alone.** A lock has at most one holder, in all processes. When the process that holds it ends, however that is,
///   another can have it. If it can be lost earlier, by a lease that runs out, puts of who lost it fail.
///
/// [`check_storage`](crate::check_storage) tries what of this can be tried from within one process.
///
/// The calls block, and come from the threads of an async runtime: a client that is async runs on threads of its own and is
/// waited for, without `block_on` of the runtime that calls. Several calls come at once.
///
/// ```
/// use std::collections::{BTreeMap, BTreeSet};
/// use std::io;
/// use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
///
/// use perstack_store::{Durability, Existing, Storage, StorageLock, StorageName, check_storage};
///
/// /// Keeps documents as long as the process lives.
/// #[derive(Clone, Debug, Default)]
/// struct Memory(Arc<Mutex<Kept>>);
///
/// #[derive(Debug, Default)]
/// struct Kept {
///     documents: BTreeMap<String, Vec<u8>>,
///     locks: BTreeSet<String>,
/// }
///
/// impl Memory {
///     fn kept(&self) -> MutexGuard<'_, Kept> {
///         self.0.lock().unwrap_or_else(PoisonError::into_inner)
///     }
/// }
///
/// impl Storage for Memory {
///     fn get(&self, name: &StorageName, limit: u64) -> io::Result<Option<Vec<u8>>> {
///         let limit = usize::try_from(limit).unwrap_or(usize::MAX);
///         Ok(self.kept().documents.get(name.as_str()).map(|content| content.iter().copied().take(limit).collect()))
///     }
///
///     fn put(&self, name: &StorageName, content: &[u8], existing: Existing, _: Durability) -> io::Result<()> {
///         let documents = &mut self.kept().documents;
///         if existing == Existing::Keep && documents.contains_key(name.as_str()) {
///             return Err(io::ErrorKind::AlreadyExists.into());
///         }
///         documents.insert(name.to_string(), content.to_owned());
///         Ok(())
///     }
///
///     fn list(&self, folder: &StorageName, limit: usize) -> io::Result<Vec<String>> {
///         let below = |name: &String| Some(name.strip_prefix(folder.as_str())?.strip_prefix('/')?.split('/').next()?.to_owned());
///         let names: BTreeSet<String> = self.kept().documents.keys().filter_map(below).collect();
///         Ok(names.into_iter().take(limit).collect())
///     }
///
///     fn try_lock(&self, lock: &StorageName) -> io::Result<Option<StorageLock>> {
///         let free = self.kept().locks.insert(lock.to_string());
///         Ok(free.then(|| Box::new(Held { memory: self.clone(), lock: lock.to_string() }) as StorageLock))
///     }
/// }
///
/// struct Held {
///     memory: Memory,
///     lock: String,
/// }
///
/// impl Drop for Held {
///     fn drop(&mut self) {
///         self.memory.kept().locks.remove(&self.lock);
///     }
/// }
///
/// let memory = Memory::default();
/// check_storage(&memory, &memory)?;
/// # Ok::<(), perstack_store::BrokenPromise>(())
/// ```
pub trait Storage: Send + Sync + fmt::Debug {
    /// The first `limit` bytes of a document: all of it where it has no more. None where there is no document of this name.
    ///
    /// # Errors
    /// It cannot be read.
    fn get(&self, name: &StorageName, limit: u64) -> io::Result<Option<Vec<u8>>>;

    /// Keeps a document. Folders need not be made: they are the beginnings of names.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] with [`Existing::Keep`], where there is one. Where it cannot be kept,
    /// [`io::ErrorKind::StorageFull`] and the like tell people what to do.
    fn put(&self, name: &StorageName, content: &[u8], existing: Existing, durability: Durability) -> io::Result<()>;

    /// The names in a folder, each once, without the folder: of documents, and of folders with documents somewhere below.
    /// In any order, and at most `limit`; none where there is nothing. Locks and what is the storage's own may be among
    /// them, as long as no document has such a name.
    ///
    /// # Errors
    /// It cannot be read.
    fn list(&self, folder: &StorageName, limit: usize) -> io::Result<Vec<String>>;

    /// Gets a lock; none where it is held already, by this process or another. It does not wait.
    ///
    /// A lock is no document, and no document has its name. `FOLDER/lock` is that of all documents below the folder, and
    /// `FOLDER/NAME.lock` that of `FOLDER/NAME.json`: where a killed process may have left something behind, who gets the
    /// lock is the one to remove it.
    ///
    /// # Errors
    /// Whether it is held cannot be known.
    fn try_lock(&self, lock: &StorageName) -> io::Result<Option<StorageLock>>;

    /// How long to wait before a lock that is held is tried again.
    fn lock_retry(&self) -> Duration {
        LOCK_RETRY
    }

    /// What errors call a document: where people find it.
    fn shown(&self, name: &StorageName) -> String {
        name.to_string()
    }
}
