//! Where a repository keeps its objects: files of their own, and packs.
//!
//! A pack is read in pieces, as a component has neither memory-mapped files nor memory for all of one; only its index
//! is read as a whole.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use flate2::bufread::ZlibDecoder;
use gix_error::{Error, Result, message};
use gix_hash::{Kind as Hash, ObjectId, Prefix, oid};
use gix_object::{Data, Find, Kind};
use gix_pack::data::Entry;
use gix_pack::data::entry::Header;
use gix_pack::index;

use crate::delta;

/// The hash of all objects here; repositories of SHA-256 are refused when they are opened.
pub(crate) const HASH: Hash = Hash::Sha1;
/// The largest object, in bytes.
const MAX_OBJECT: u64 = 8 * 1024 * 1024;
/// The largest index of a pack, in bytes: that of about 700,000 objects.
const MAX_INDEX: u64 = 20 * 1024 * 1024;
/// The most that all indexes of a repository take, in bytes.
const MAX_INDEXES: u64 = 32 * 1024 * 1024;
/// How many differences may lead from an object to one that is whole.
const MAX_CHAIN: usize = 4096;

/// The objects of a repository.
pub(crate) struct Objects {
    folder: PathBuf,
    packs: Vec<Pack>,
}

struct Pack {
    index: index::File<Vec<u8>>,
    path: PathBuf,
}

/// An object as it is stored.
enum Stored {
    Whole(Kind, Vec<u8>),
    Delta(Base, Vec<u8>),
}

/// What an object is the difference to.
enum Base {
    Offset(u64),
    Id(ObjectId),
}

impl Objects {
    /// Reads the indexes of the packs in a repository's folder `objects`.
    pub(crate) fn open(folder: PathBuf) -> Result<Self> {
        let mut packs = Vec::new();
        let mut left = MAX_INDEXES;
        let listed = fs::read_dir(folder.join("pack")).into_iter().flatten();
        let mut paths: Vec<PathBuf> = listed.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "idx"));
        paths.sort();
        for path in paths {
            let data = read_bounded(&path, MAX_INDEX.min(left))?;
            left = left.saturating_sub(data.len() as u64);
            let index = index::File::from_data(data, path.clone(), HASH)?;
            packs.push(Pack { index, path: path.with_extension("pack") });
        }
        Ok(Self { folder, packs })
    }

    /// The objects whose hash begins so, two at the most.
    pub(crate) fn beginning_with(&self, prefix: Prefix) -> Result<Vec<ObjectId>> {
        let mut found = Vec::new();
        for pack in &self.packs {
            let mut candidates: Range<u32> = 0..0;
            _ = pack.index.lookup_prefix(prefix, Some(&mut candidates));
            found.extend(candidates.take(2).map(|place| pack.index.oid_at_index(place).to_owned()));
        }
        let digits = prefix.as_oid().to_hex().to_string();
        let folder = self.folder.join(&digits[..2]);
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let name = entry.map_err(Error::from_error)?.file_name();
            let id =
                name.to_str().and_then(|name| ObjectId::from_hex(format!("{}{name}", &digits[..2]).as_bytes()).ok());
            found.extend(id.filter(|id| prefix.cmp_oid(id).is_eq()));
        }
        found.sort();
        found.dedup();
        found.truncate(2);
        Ok(found)
    }

    fn find(&self, id: &oid) -> Result<Option<(Kind, Vec<u8>)>> {
        if let Some(found) = self.find_stored(id)? {
            return self.resolve(found).map(Some);
        }
        let digits = id.to_hex().to_string();
        let path = self.folder.join(&digits[..2]).join(&digits[2..]);
        match File::open(&path) {
            Ok(file) => loose(file).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::from_error(error)),
        }
    }

    /// An object in a pack, with the pack that it is in.
    fn find_stored(&self, id: &oid) -> Result<Option<(&Pack, Stored)>> {
        for pack in &self.packs {
            if let Some(place) = pack.index.lookup(id) {
                let stored = pack.read(pack.index.pack_offset_at_index(place))?;
                return Ok(Some((pack, stored)));
            }
        }
        Ok(None)
    }

    /// Goes to an object that is whole, and back over the differences.
    fn resolve(&self, (mut pack, mut stored): (&Pack, Stored)) -> Result<(Kind, Vec<u8>)> {
        let mut differences = Vec::new();
        let mut size = 0;
        loop {
            let (base, difference) = match stored {
                Stored::Whole(kind, data) => {
                    let made = differences.iter().rev().try_fold(data, |base, difference: &Vec<u8>| {
                        delta::apply(&base, difference, bounded(MAX_OBJECT))
                    });
                    let damaged =
                        |delta::Damaged| Error::from_error(message!("a pack is damaged, or has a large object"));
                    return made.map(|data| (kind, data)).map_err(damaged);
                }
                Stored::Delta(base, difference) => (base, difference),
            };
            size += difference.len() as u64;
            differences.push(difference);
            if differences.len() > MAX_CHAIN || size > 2 * MAX_OBJECT {
                return Err(Error::from_error(message!("an object of a pack is too far from one that is whole")));
            }
            (pack, stored) = match base {
                Base::Offset(offset) => (pack, pack.read(offset)?),
                Base::Id(id) => {
                    self.find_stored(&id)?.ok_or_else(|| Error::from_error(message!("a pack lacks the object {id}")))?
                }
            };
        }
    }
}

impl Pack {
    fn read(&self, offset: u64) -> Result<Stored> {
        let mut file = File::open(&self.path).map_err(Error::from_error)?;
        file.seek(SeekFrom::Start(offset)).map_err(Error::from_error)?;
        let mut reader = BufReader::new(file);
        let entry = Entry::from_read(&mut reader, offset, HASH.len_in_bytes()).map_err(Error::from_error)?;
        let data = inflate(reader, entry.decompressed_size)?;
        let whole = |kind| Ok(Stored::Whole(kind, data.clone()));
        match entry.header {
            Header::Commit => whole(Kind::Commit),
            Header::Tree => whole(Kind::Tree),
            Header::Blob => whole(Kind::Blob),
            Header::Tag => whole(Kind::Tag),
            Header::RefDelta { base_id } => Ok(Stored::Delta(Base::Id(base_id), data)),
            Header::OfsDelta { base_distance } => {
                let base = offset.checked_sub(base_distance).filter(|_| base_distance > 0);
                let base = base.ok_or_else(|| Error::from_error(message!("a pack is damaged at {offset}")))?;
                Ok(Stored::Delta(Base::Offset(base), data))
            }
        }
    }
}

impl Find for Objects {
    fn try_find<'a>(&self, id: &oid, buffer: &'a mut Vec<u8>) -> Result<Option<Data<'a>>> {
        let Some((kind, data)) = self.find(id)? else {
            return Ok(None);
        };
        *buffer = data;
        Ok(Some(Data { kind, object_hash: HASH, data: buffer }))
    }
}

/// An object in a file of its own: a header, and its bytes.
fn loose(file: File) -> Result<(Kind, Vec<u8>)> {
    let mut reader = BufReader::new(ZlibDecoder::new(BufReader::new(file)));
    let mut header = Vec::new();
    reader.by_ref().take(32).read_until(0, &mut header).map_err(Error::from_error)?;
    let (kind, size, _) = gix_object::decode::loose_header(&header)?;
    exactly(reader, size).map(|data| (kind, data))
}

fn inflate(reader: impl BufRead, size: u64) -> Result<Vec<u8>> {
    exactly(ZlibDecoder::new(reader), size)
}

fn exactly(reader: impl Read, size: u64) -> Result<Vec<u8>> {
    if size > MAX_OBJECT {
        return Err(Error::from_error(message!("it has {size} bytes, and {MAX_OBJECT} are the most that can be read")));
    }
    let mut data = Vec::with_capacity(bounded(size));
    reader.take(size + 1).read_to_end(&mut data).map_err(Error::from_error)?;
    if data.len() as u64 == size { Ok(data) } else { Err(Error::from_error(message!("an object is damaged"))) }
}

/// Reads a file of a repository.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::from_error)?;
    let mut data = Vec::new();
    file.take(limit + 1).read_to_end(&mut data).map_err(Error::from_error)?;
    if data.len() as u64 > limit {
        let path = path.display();
        return Err(Error::from_error(message!("`{path}` has more than the {limit} bytes that can be read")));
    }
    Ok(data)
}

/// A size that a limit bounds, as one of memory.
fn bounded(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
