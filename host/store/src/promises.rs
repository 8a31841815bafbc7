//! Whether a storage does what the store builds on.

use std::{io, thread};

use crate::{Durability, Existing, InvalidName, Storage, StorageName};

/// Who put a document at the same time. More than there are processors mostly, so that they do get in each other's way.
const RIVALS: usize = 16;
/// How often they try.
const ROUNDS: usize = 8;
/// Bytes of a document that is large enough to be written in pieces.
const LARGE: usize = 1 << 20;

/// What a storage does not do as it must.
#[derive(Debug, thiserror::Error)]
pub enum BrokenPromise {
    /// It did something else.
    #[error("{0}")]
    Otherwise(String),
    /// It failed.
    #[error("{call} failed: {source}")]
    Failed {
        /// What was called.
        call: String,
        /// What it said.
        source: io::Error,
    },
    /// A name of this test is none.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

/// Tries what can be tried of the promises of a [`Storage`], for the tests of a program that brings one. `one` and `other`
/// are two ways to the same documents, as two processes would have them, and may be the same. Nothing is in there yet; what
/// the test leaves is below `promises`.
///
/// What it cannot try: that documents outlast the process and the machine, and that locks end with the process.
///
/// # Errors
/// The first promise that is not kept.
pub fn check_storage(one: &dyn Storage, other: &dyn Storage) -> Result<(), BrokenPromise> {
    documents(one, other)?;
    sizes(one, other)?;
    folders(one, other)?;
    rivals(one, other)?;
    whole(one, other)?;
    locks(one, other)
}

fn documents(one: &dyn Storage, other: &dyn Storage) -> Result<(), BrokenPromise> {
    let document = name("documents/a.json")?;
    expect(get(one, &document)?.is_none(), "a document that was never put is there")?;
    for (existing, durability, content) in [
        (Existing::Keep, Durability::Synced, "first"),
        (Existing::Replace, Durability::Buffered, "second, longer"),
        (Existing::Replace, Durability::Synced, "third"),
        (Existing::Replace, Durability::Synced, ""),
        (Existing::Replace, Durability::Buffered, "fourth"),
    ] {
        put(one, &document, content.as_bytes(), existing, durability)?;
        for storage in [other, one] {
            let is_there = get(storage, &document)?.as_deref() == Some(content.as_bytes());
            expect(is_there, "a document that was put is not what is read")?;
        }
    }
    for durability in [Durability::Synced, Durability::Buffered] {
        let refused = other.put(&document, b"fifth", Existing::Keep, durability);
        let refused = refused.is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists);
        expect(refused, "`Keep` does not fail with `AlreadyExists` where a document is there")?;
    }
    expect(get(one, &document)?.as_deref() == Some(b"fourth"), "`Keep` has changed a document")?;
    put(other, &name("documents/b.json")?, b"b", Existing::Replace, Durability::Synced)?;
    expect(get(one, &document)?.as_deref() == Some(b"fourth"), "one document has changed another")?;
    expect(get(other, &name("documents/A.json")?)?.is_none(), "capital letters are taken for small ones")
}

fn sizes(one: &dyn Storage, other: &dyn Storage) -> Result<(), BrokenPromise> {
    let document = name("sizes/bytes.json")?;
    let content: Vec<u8> = (0..LARGE).map(|place| (place % 251) as u8).collect();
    put(one, &document, &content, Existing::Keep, Durability::Synced)?;
    for (limit, size) in [(0, 0), (1, 1), (1000, 1000), (LARGE, LARGE), (LARGE + 1, LARGE), (usize::MAX, LARGE)] {
        let call = || format!("get `{document}`");
        let read = other.get(&document, limit as u64).map_err(failed(call))?;
        expect(read.as_deref() == Some(&content[..size]), &format!("get with the limit {limit} has not {size} bytes"))?;
    }
    // As the store has them, at their longest.
    let long = "x".repeat(200);
    for unusual in
        [format!("sizes/{long}/{long}.json"), "sizes/%40org%2fgame/%logic.json".into(), "sizes/a-B_9.json".into()]
    {
        let unusual = name(&unusual)?;
        put(one, &unusual, b"{}", Existing::Keep, Durability::Buffered)?;
        expect(get(other, &unusual)?.is_some(), &format!("`{unusual}` was put and is not there"))?;
    }
    Ok(())
}

fn folders(one: &dyn Storage, other: &dyn Storage) -> Result<(), BrokenPromise> {
    let folder = name("folders")?;
    expect(list(one, &folder, 10)?.is_empty(), "names are in a folder without documents")?;
    // `folders-more` begins as `folders` does, and is another.
    for document in ["folders/a.json", "folders/b/c/d.json", "folders/b/e.json", "folders-more/f.json"] {
        put(one, &name(document)?, b"{}", Existing::Keep, Durability::Buffered)?;
    }
    let mut names = list(other, &folder, 10)?;
    names.sort();
    expect(names == ["a.json", "b"], &format!("a folder with `a.json` and `b` has {names:?}"))?;
    let names = list(other, &name("folders/b/c")?, 10)?;
    expect(names == ["d.json"], &format!("a folder with `d.json` has {names:?}"))?;
    for limit in [0, 1] {
        let names = list(other, &folder, limit)?;
        expect(names.len() == limit, &format!("list with the limit {limit} gives {names:?}"))?;
    }
    expect(get(one, &name("folders/none.json")?)?.is_none(), "a document is there that nobody has put")
}

/// Of all that put a document with `Keep` at once, one succeeds, and its is the one that is there.
fn rivals(one: &dyn Storage, other: &dyn Storage) -> Result<(), BrokenPromise> {
    for round in 0..ROUNDS {
        let document = name(&format!("rivals/{round}.json"))?;
        let attempt = |rival: usize| {
            let storage = if rival.is_multiple_of(2) { one } else { other };
            let text = format!("rival {rival}");
            match storage.put(&document, text.as_bytes(), Existing::Keep, Durability::Synced) {
                Ok(()) => Ok(Some(text)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
                Err(error) => Err(failed(|| format!("put `{document}`"))(error)),
            }
        };
        let mut kept = Vec::new();
        for outcome in at_once(attempt) {
            kept.extend(outcome?);
        }
        expect(kept.len() == 1, &format!("{} of {RIVALS} put a document with `Keep` at once", kept.len()))?;
        expect(get(other, &document)? == kept.pop().map(String::into_bytes), "what is there is not what was kept")?;
    }
    Ok(())
}

/// Who reads while others replace has one of theirs, from the beginning to the end.
fn whole(one: &dyn Storage, other: &dyn Storage) -> Result<(), BrokenPromise> {
    let document = name("whole/a.json")?;
    put(one, &document, &[0; LARGE / 8], Existing::Keep, Durability::Buffered)?;
    let attempt = |rival: usize| {
        for _ in 0..ROUNDS {
            if rival == 0 {
                put(one, &document, &vec![1; LARGE / 4], Existing::Replace, Durability::Buffered)?;
                put(one, &document, &vec![2; LARGE / 8], Existing::Replace, Durability::Buffered)?;
                continue;
            }
            let read = get(other, &document)?.unwrap_or_default();
            let first = read.first().copied();
            let length = if first == Some(1) { LARGE / 4 } else { LARGE / 8 };
            let is_whole = read.len() == length && read.iter().all(|byte| Some(*byte) == first);
            expect(is_whole, "a part of a document was read while it was replaced")?;
        }
        Ok(())
    };
    at_once(attempt).into_iter().collect()
}

fn locks(one: &dyn Storage, other: &dyn Storage) -> Result<(), BrokenPromise> {
    let lock = name("locks/lock")?;
    let held = try_lock(one, &lock)?;
    expect(held.is_some(), "a lock that nobody holds is not to be had")?;
    for storage in [one, other] {
        expect(try_lock(storage, &lock)?.is_none(), "a lock has two holders")?;
    }
    // Others are not bound by it, and documents beside it can be put.
    let beside = try_lock(other, &name("locks/a.lock")?)?;
    expect(beside.is_some(), "one lock is not to be had while another is held")?;
    put(one, &name("locks/a.json")?, b"{}", Existing::Keep, Durability::Synced)?;
    expect(get(other, &name("locks/a.json")?)?.is_some(), "a lock keeps a document from being read")?;
    drop(held);
    let next = try_lock(other, &lock)?;
    expect(next.is_some(), "a lock that was let go of is not to be had")?;
    expect(try_lock(one, &lock)?.is_none(), "a lock has two holders")?;
    drop((next, beside));
    for round in 0..ROUNDS {
        let lock = name(&format!("locks/{round}/lock"))?;
        let storage_of = |rival: usize| if rival.is_multiple_of(2) { one } else { other };
        let attempts = at_once(|rival| try_lock(storage_of(rival), &lock));
        let mut held = Vec::new();
        for attempt in attempts {
            held.extend(attempt?);
        }
        expect(held.len() == 1, &format!("{} of {RIVALS} have a lock at once", held.len()))?;
    }
    Ok(())
}

/// What each rival comes to.
fn at_once<T: Send>(attempt: impl Fn(usize) -> Result<T, BrokenPromise> + Sync) -> Vec<Result<T, BrokenPromise>> {
    let attempt = &attempt;
    thread::scope(|scope| {
        let rivals: Vec<_> = (0..RIVALS).map(|rival| scope.spawn(move || attempt(rival))).collect();
        let panicked = |_| Err(BrokenPromise::Otherwise("it panics".into()));
        rivals.into_iter().map(|rival| rival.join().unwrap_or_else(panicked)).collect()
    })
}

fn name(below: &str) -> Result<StorageName, InvalidName> {
    format!("promises/{below}").parse()
}

fn get(storage: &dyn Storage, name: &StorageName) -> Result<Option<Vec<u8>>, BrokenPromise> {
    storage.get(name, u64::MAX).map_err(failed(|| format!("get `{name}`")))
}

fn put(
    storage: &dyn Storage,
    name: &StorageName,
    content: &[u8],
    existing: Existing,
    durability: Durability,
) -> Result<(), BrokenPromise> {
    let call = || format!("put `{name}`, {existing:?}, {durability:?}");
    storage.put(name, content, existing, durability).map_err(failed(call))
}

fn list(storage: &dyn Storage, folder: &StorageName, limit: usize) -> Result<Vec<String>, BrokenPromise> {
    storage.list(folder, limit).map_err(failed(|| format!("list `{folder}`")))
}

fn try_lock(storage: &dyn Storage, lock: &StorageName) -> Result<Option<crate::StorageLock>, BrokenPromise> {
    storage.try_lock(lock).map_err(failed(|| format!("try_lock `{lock}`")))
}

fn failed(call: impl Fn() -> String) -> impl FnOnce(io::Error) -> BrokenPromise {
    move |source| BrokenPromise::Failed { call: call(), source }
}

fn expect(kept: bool, otherwise: &str) -> Result<(), BrokenPromise> {
    if kept { Ok(()) } else { Err(BrokenPromise::Otherwise(otherwise.to_owned())) }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::{LocalFiles, StorageLock};

    #[test]
    fn local_files_keep_their_promises() {
        let folder = tempfile::tempdir().unwrap();
        let open = || LocalFiles::new(folder.path().join("perstack"));
        check_storage(&open(), &open()).unwrap();
    }

    /// Long enough for a rival to come in between.
    const LATER: Duration = Duration::from_millis(5);

    #[derive(Clone, Copy, Debug)]
    enum Fault {
        Forgets,
        ReadsAll,
        Appends,
        TakesLettersForOthers,
        ReplacesWhatIsKept,
        ChecksBeforeItPuts,
        WritesInPlace,
        ListsWhatBeginsSo,
        ListsAll,
        ListsDocumentsOnly,
        LocksNothing,
        LocksForever,
        OneLockForAll,
    }

    /// Files with one mistake.
    #[derive(Debug)]
    struct Faulty<'a> {
        files: LocalFiles,
        folder: &'a Path,
        fault: Fault,
    }

    impl Storage for Faulty<'_> {
        fn get(&self, name: &StorageName, limit: u64) -> io::Result<Option<Vec<u8>>> {
            match self.fault {
                Fault::ReadsAll => self.files.get(name, u64::MAX),
                Fault::TakesLettersForOthers => {
                    let small = name.as_str().to_ascii_lowercase().parse().map_err(io::Error::other)?;
                    self.files.get(&small, limit)
                }
                _ => self.files.get(name, limit),
            }
        }

        fn put(
            &self,
            name: &StorageName,
            content: &[u8],
            existing: Existing,
            durability: Durability,
        ) -> io::Result<()> {
            match self.fault {
                Fault::Forgets if durability == Durability::Buffered => Ok(()),
                Fault::Appends => {
                    let mut all = self.files.get(name, u64::MAX)?.unwrap_or_default();
                    all.extend(content);
                    self.files.put(name, &all, existing, durability)
                }
                Fault::ReplacesWhatIsKept => self.files.put(name, content, Existing::Replace, durability),
                Fault::ChecksBeforeItPuts => {
                    if existing == Existing::Keep && self.files.get(name, 1)?.is_some() {
                        return Err(io::ErrorKind::AlreadyExists.into());
                    }
                    thread::sleep(LATER);
                    self.files.put(name, content, Existing::Replace, durability)
                }
                Fault::WritesInPlace if existing == Existing::Replace && name.as_str().contains("whole") => {
                    let (begin, end) = content.split_at(content.len() / 2);
                    let mut file = File::create(self.folder.join(name.as_str()))?;
                    file.write_all(begin)?;
                    thread::sleep(LATER);
                    file.write_all(end)
                }
                _ => self.files.put(name, content, existing, durability),
            }
        }

        fn list(&self, folder: &StorageName, limit: usize) -> io::Result<Vec<String>> {
            let mut names = match self.fault {
                Fault::ListsAll => self.files.list(folder, usize::MAX)?,
                _ => self.files.list(folder, limit)?,
            };
            match self.fault {
                Fault::ListsWhatBeginsSo if limit > 1 => {
                    let more = format!("{folder}-more").parse().map_err(io::Error::other)?;
                    names.extend(self.files.list(&more, limit)?);
                }
                Fault::ListsDocumentsOnly => names.retain(|name| name.ends_with(".json")),
                _ => {}
            }
            Ok(names)
        }

        fn try_lock(&self, lock: &StorageName) -> io::Result<Option<StorageLock>> {
            match self.fault {
                Fault::LocksNothing => Ok(Some(Box::new(()))),
                Fault::LocksForever => Ok(self.files.try_lock(lock)?.map(|held| {
                    std::mem::forget(held);
                    Box::new(()) as StorageLock
                })),
                Fault::OneLockForAll => self.files.try_lock(&"lock".parse().map_err(io::Error::other)?),
                _ => self.files.try_lock(lock),
            }
        }
    }

    #[test]
    fn every_fault_is_found() {
        for (fault, found) in [
            (Fault::Forgets, "a document that was put is not what is read"),
            (Fault::ReadsAll, "get with the limit 0 has not 0 bytes"),
            (Fault::Appends, "a document that was put is not what is read"),
            (Fault::TakesLettersForOthers, "capital letters are taken for small ones"),
            (Fault::ReplacesWhatIsKept, "`Keep` does not fail with `AlreadyExists` where a document is there"),
            (Fault::ChecksBeforeItPuts, "of 16 put a document with `Keep` at once"),
            (Fault::WritesInPlace, "a part of a document was read while it was replaced"),
            (Fault::ListsWhatBeginsSo, "a folder with `a.json` and `b` has [\"a.json\", \"b\", \"f.json\"]"),
            (Fault::ListsAll, "list with the limit 0 gives"),
            (Fault::ListsDocumentsOnly, "a folder with `a.json` and `b` has [\"a.json\"]"),
            (Fault::LocksNothing, "a lock has two holders"),
            (Fault::LocksForever, "a lock that was let go of is not to be had"),
            (Fault::OneLockForAll, "one lock is not to be had while another is held"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let files = LocalFiles::new(folder.path());
            let faulty = Faulty { files, folder: folder.path(), fault };
            let broken = check_storage(&faulty, &faulty).expect_err(&format!("{fault:?}")).to_string();
            assert!(broken.contains(found), "{fault:?}: {broken}");
        }
    }
}
