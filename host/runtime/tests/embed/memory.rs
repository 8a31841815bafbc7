//! Jobs in the program's memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use perstack_runtime::{Durability, Existing, Storage, StorageLock, StorageName};

/// Keeps documents as long as one of its clones lives.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    documents: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    locks: Arc<Mutex<BTreeSet<String>>>,
    /// How many documents it takes before it fails.
    room: Arc<AtomicUsize>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self { documents: Arc::default(), locks: Arc::default(), room: Arc::new(usize::MAX.into()) }
    }

    /// Takes so many documents from now on.
    pub(crate) fn set_room(&self, room: usize) {
        self.room.store(room, Ordering::Relaxed);
    }

    /// How many more it takes.
    pub(crate) fn room(&self) -> usize {
        self.room.load(Ordering::Relaxed)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.documents.lock().unwrap().keys().cloned().collect()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.documents.lock().unwrap()[name].clone()).unwrap()
    }

    pub(crate) fn set_text(&self, name: &str, text: &str) {
        self.documents.lock().unwrap().insert(name.to_owned(), text.into());
    }
}

impl Storage for Memory {
    fn get(&self, name: &StorageName, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let documents = self.documents.lock().unwrap();
        Ok(documents.get(name.as_str()).map(|content| content.iter().copied().take(limit).collect()))
    }

    fn put(&self, name: &StorageName, content: &[u8], existing: Existing, _: Durability) -> io::Result<()> {
        let mut documents = self.documents.lock().unwrap();
        if existing == Existing::Keep && documents.contains_key(name.as_str()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let taken = self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(1));
        taken.map_err(|_| io::Error::from(io::ErrorKind::StorageFull))?;
        documents.insert(name.to_string(), content.to_owned());
        Ok(())
    }

    fn list(&self, folder: &StorageName, limit: usize) -> io::Result<Vec<String>> {
        let prefix = format!("{folder}/");
        let documents = self.documents.lock().unwrap();
        let below = documents.keys().filter_map(|name| name.strip_prefix(&prefix));
        let names: BTreeSet<&str> = below.filter_map(|name| name.split('/').next()).collect();
        Ok(names.into_iter().take(limit).map(str::to_owned).collect())
    }

    fn try_lock(&self, lock: &StorageName) -> io::Result<Option<StorageLock>> {
        let free = self.locks.lock().unwrap().insert(lock.to_string());
        Ok(free.then(|| Box::new(Held { memory: self.clone(), lock: lock.to_string() }) as StorageLock))
    }
}

struct Held {
    memory: Memory,
    lock: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.locks.lock().unwrap().remove(&self.lock);
    }
}
