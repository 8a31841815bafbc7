//! Compiled components on disk.
//!
//! Loading compiled code is running it: whoever can put a file here can run anything. So a file counts only with an
//! authentication code made with a key that the cache's folder does not hold. The key is random, readable by its owner
//! alone, and in another folder: a cache that is shared, mounted or writable by mistake gives others nothing. What is
//! verified is what is loaded, from memory: the file is read once. A file that does not verify is compiled anew and
//! replaced.

use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use crate::component::{ComponentBytes, MAX_COMPONENT_BYTES};

/// All files together: about sixty Python components, or a thousand in Rust. The least recently written go first.
const MAX_CACHE_BYTES: u64 = 4 << 30;
/// One file: machine code has up to eight times the size of its component.
const MAX_FILE_BYTES: u64 = 8 * MAX_COMPONENT_BYTES;
/// Of compiled components, as wasmtime calls them.
const EXTENSION: &str = ".cwasm";
const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;

/// Where compiled components are kept.
pub struct Cache {
    folder: PathBuf,
    key: [u8; KEY_BYTES],
}

/// What a cache holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheContents {
    /// Compiled components.
    pub components: usize,
    /// Bytes of all of them.
    pub bytes: u64,
    /// How many the engine can use, if they are genuine: others are of another version, machine or kind of engine.
    pub fitting: usize,
}

/// Why the cache cannot be used. Components are then compiled each time.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it is")]
pub enum CacheError {
    #[error("`{}`: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the cache's key `{}` can be read or replaced by others", .path.display())]
    ExposedKey { path: PathBuf },
    #[error("the cache's key `{}` is damaged", .path.display())]
    DamagedKey { path: PathBuf },
    #[error("no random numbers: {0}")]
    NoEntropy(getrandom::Error),
}

impl Cache {
    /// Opens the cache in `folder`, with the key in `key_folder`. Both are made where they are missing.
    ///
    /// # Errors
    /// [`CacheError`]: the folders cannot be used, or the key is not the user's own.
    pub fn open(folder: &Path, key_folder: &Path) -> Result<Self, CacheError> {
        for folder in [folder, key_folder] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|source| CacheError::Io { path: folder.to_owned(), source })?;
        }
        Ok(Self { folder: folder.to_owned(), key: open_key(&key_folder.join("cache-key"))? })
    }

    /// Takes the compiled component, if it is there and genuine.
    pub(crate) fn load(&self, engine: &Engine, component: &ComponentBytes) -> Option<Component> {
        let file = self.genuine(engine, component)?;
        #[expect(unsafe_code, reason = "the code was made by `store`: nobody else has the key")]
        unsafe {
            Component::deserialize(engine, file.get(MAC_BYTES..)?).ok()
        }
    }

    /// The same of a core module.
    pub(crate) fn load_module(&self, engine: &Engine, module: &ComponentBytes) -> Option<Module> {
        let file = self.genuine(engine, module)?;
        #[expect(unsafe_code, reason = "the code was made by `store`: nobody else has the key")]
        unsafe {
            Module::deserialize(engine, file.get(MAC_BYTES..)?).ok()
        }
    }

    /// A file that nobody else has made.
    fn genuine(&self, engine: &Engine, component: &ComponentBytes) -> Option<Vec<u8>> {
        let file = read_bounded(&self.path(engine, component)).ok()?;
        let (mac, code) = file.split_at_checked(MAC_BYTES)?;
        self.mac(engine, component, code).verify_slice(mac).ok()?;
        Some(file)
    }

    /// Keeps the code of a compiled component or module.
    pub(crate) fn store(&self, engine: &Engine, component: &ComponentBytes, code: &[u8]) -> io::Result<()> {
        let mac = self.mac(engine, component, code).finalize().into_bytes();
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&mac)?;
        file.write_all(code)?;
        file.persist(self.path(engine, component))?;
        self.prune()
    }

    /// Counts what is there.
    pub(crate) fn contents(&self, engine: &Engine) -> io::Result<CacheContents> {
        let fitting = suffix(engine);
        let mut contents = CacheContents::default();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| name.ends_with(EXTENSION)) else { continue };
            contents.components += 1;
            contents.bytes = contents.bytes.saturating_add(entry.metadata()?.len());
            contents.fitting += usize::from(name.ends_with(&fitting));
        }
        Ok(contents)
    }

    /// The engine's settings, the host's processor among them, are part of the name: another engine's code is not even
    /// found. They are part of the authentication code too, so that a renamed file does not pass.
    fn path(&self, engine: &Engine, component: &ComponentBytes) -> PathBuf {
        let digest: String = component.digest().iter().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(digest + &suffix(engine))
    }

    fn mac(&self, engine: &Engine, component: &ComponentBytes, code: &[u8]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any key fits");
        mac.update(&engine_hash(engine).to_le_bytes());
        mac.update(component.digest());
        mac.update(code);
        mac
    }

    fn prune(&self) -> io::Result<()> {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_file() {
                files.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        let mut held: u64 = files.iter().map(|(_, size, _)| size).sum();
        files.sort();
        for (_, size, path) in files {
            if held <= MAX_CACHE_BYTES {
                break;
            }
            fs::remove_file(path)?;
            held -= size;
        }
        Ok(())
    }
}

/// What the name of a file ends with that an engine made.
fn suffix(engine: &Engine) -> String {
    format!("-{:016x}{EXTENSION}", engine_hash(engine))
}

fn engine_hash(engine: &Engine) -> u64 {
    // Stable from process to process, and between builds of one compiler; after that everything is compiled anew.
    #[expect(deprecated, reason = "`DefaultHasher` is seeded for no process, but does not promise it")]
    let mut hasher = std::hash::SipHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(no_wait_no_links()).open(path)?;
    let length = file.metadata()?.len();
    if length > MAX_FILE_BYTES {
        return Err(io::Error::other("too large"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Neither follows a link at the end of the path nor waits for a pipe's writer.
fn no_wait_no_links() -> i32 {
    (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed()
}

fn open_key(path: &Path) -> Result<[u8; KEY_BYTES], CacheError> {
    let failed = |source| CacheError::Io { path: path.to_owned(), source };
    loop {
        match OpenOptions::new().read(true).custom_flags(no_wait_no_links()).open(path) {
            Ok(file) => return read_key(file, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(CacheError::NoEntropy)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        // A temporary file is its owner's alone; it gets its name only when it is whole, and only if no other process
        // was first, whose key then counts.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(&key).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        match file.persist_noclobber(path) {
            Ok(_) => return Ok(key),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error.error)),
        }
    }
}

fn read_key(file: File, path: &Path) -> Result<[u8; KEY_BYTES], CacheError> {
    let failed = |source| CacheError::Io { path: path.to_owned(), source };
    let metadata = file.metadata().map_err(failed)?;
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    if !own || metadata.mode() & 0o077 != 0 || metadata.nlink() != 1 || !metadata.is_file() {
        return Err(CacheError::ExposedKey { path: path.to_owned() });
    }
    let mut key = Vec::new();
    file.take(KEY_BYTES as u64 + 1).read_to_end(&mut key).map_err(failed)?;
    key.try_into().map_err(|_| CacheError::DamagedKey { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const EMPTY: &str = "(component)";

    fn component() -> ComponentBytes {
        ComponentBytes::new(&wat::parse_str(EMPTY).unwrap()).unwrap()
    }

    struct Fixture {
        engine: Engine,
        cache: Cache,
        folder: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let engine = Engine::default();
            let cache = Cache::open(&folder.path().join("cache"), &folder.path().join("key")).unwrap();
            let compiled = Component::new(&engine, component().bytes()).unwrap();
            cache.store(&engine, &component(), &compiled.serialize().unwrap()).unwrap();
            Self { engine, cache, folder }
        }

        fn file(&self) -> PathBuf {
            self.cache.path(&self.engine, &component())
        }

        fn loads(&self) -> bool {
            self.cache.load(&self.engine, &component()).is_some()
        }
    }

    #[test]
    fn what_was_stored_is_loaded() {
        assert!(Fixture::new().loads());
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let fixture = Fixture::new();
        let genuine = fs::read(fixture.file()).unwrap();
        for place in [0, MAC_BYTES - 1, MAC_BYTES, genuine.len() / 2, genuine.len() - 1] {
            let mut changed = genuine.clone();
            changed[place] ^= 1;
            fs::write(fixture.file(), changed).unwrap();
            assert!(!fixture.loads(), "byte {place}");
        }
        for length in [0, 1, MAC_BYTES, genuine.len() - 1] {
            fs::write(fixture.file(), &genuine[..length]).unwrap();
            assert!(!fixture.loads(), "{length} bytes");
        }
        fs::write(fixture.file(), genuine).unwrap();
        assert!(fixture.loads());
    }

    #[test]
    fn code_of_another_component_or_key_does_not_pass() {
        let fixture = Fixture::new();
        let other = ComponentBytes::new(&wat::parse_str("(component (component))").unwrap()).unwrap();
        fs::copy(fixture.file(), fixture.cache.path(&fixture.engine, &other)).unwrap();
        assert!(fixture.cache.load(&fixture.engine, &other).is_none());
        let other_key = Cache::open(&fixture.folder.path().join("cache"), &fixture.folder.path().join("key2")).unwrap();
        assert!(other_key.load(&fixture.engine, &component()).is_none());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let fixture = Fixture::new();
        let key = fixture.folder.path().join("key/cache-key");
        let open = || Cache::open(&fixture.folder.path().join("cache"), &fixture.folder.path().join("key"));
        assert!(open().is_ok());
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(open(), Err(CacheError::ExposedKey { .. })));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::hard_link(&key, fixture.folder.path().join("another name")).unwrap();
        assert!(matches!(open(), Err(CacheError::ExposedKey { .. })));
        fs::remove_file(&key).unwrap();
        std::os::unix::fs::symlink("../another name", &key).unwrap();
        assert!(matches!(open(), Err(CacheError::Io { .. })));
        fs::remove_file(&key).unwrap();
        fs::write(&key, "short").unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(open(), Err(CacheError::DamagedKey { .. })));
    }

    fn pipe(path: &Path) {
        use rustix::fs::{CWD, FileType, Mode};
        fs::remove_file(path).unwrap();
        rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }

    #[test]
    fn a_pipe_in_the_place_of_a_file_does_not_hang() {
        let fixture = Fixture::new();
        pipe(&fixture.file());
        assert!(!fixture.loads());
        let key = fixture.folder.path().join("key/cache-key");
        pipe(&key);
        assert!(matches!(open_key(&key), Err(CacheError::ExposedKey { .. })));
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_not_followed() {
        let fixture = Fixture::new();
        fs::rename(fixture.file(), fixture.folder.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("../elsewhere", fixture.file()).unwrap();
        assert!(!fixture.loads());
    }

    #[test]
    fn its_folders_are_nobody_elses() {
        let fixture = Fixture::new();
        for folder in ["cache", "key"] {
            let mode = fs::metadata(fixture.folder.path().join(folder)).unwrap().mode();
            assert_eq!(mode & 0o777, 0o700, "{folder}");
        }
    }

    #[test]
    fn the_oldest_make_room() {
        let fixture = Fixture::new();
        let old = fixture.folder.path().join("cache/old.cwasm");
        let file = File::create(&old).unwrap();
        file.set_len(MAX_CACHE_BYTES).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        fixture.cache.prune().unwrap();
        assert!(!old.exists());
        assert!(fixture.loads());
    }
}
