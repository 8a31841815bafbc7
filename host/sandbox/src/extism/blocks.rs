//! Blocks of bytes that a plugin and its host hand to each other: what Extism calls its memory.
//!
//! A plugin knows a block by the offset of its first byte, and reads and writes single bytes and words at offsets. Where
//! there is no block it reads nought and writes nothing. An offset that was given out once is never given out again, so
//! that a block that was freed cannot be taken for another.

use std::collections::BTreeMap;

/// What a block takes beside its bytes: its place in the map, and in the allocator.
const BLOCK_BYTES: u64 = 96;
/// Blocks begin at multiples of this, and never where another ends.
const ALIGNMENT: u64 = 16;

/// The blocks of one call.
#[derive(Default)]
pub(crate) struct Blocks {
    blocks: BTreeMap<u64, Box<[u8]>>,
    /// Where the latest block ends.
    end: u64,
}

impl Blocks {
    /// What a block of so many bytes counts as.
    pub(crate) fn cost(length: u64) -> u64 {
        length.saturating_add(BLOCK_BYTES)
    }

    /// Keeps bytes. The answer is their offset.
    pub(crate) fn add(&mut self, bytes: Box<[u8]>) -> u64 {
        let offset = (self.end / ALIGNMENT + 1) * ALIGNMENT;
        self.end = offset + bytes.len() as u64;
        self.blocks.insert(offset, bytes);
        offset
    }

    /// The block that begins at this offset.
    pub(crate) fn get(&self, offset: u64) -> Option<&[u8]> {
        self.blocks.get(&offset).map(AsRef::as_ref)
    }

    /// Takes away the block that begins at this offset.
    pub(crate) fn remove(&mut self, offset: u64) -> Option<Box<[u8]>> {
        self.blocks.remove(&offset)
    }

    /// Bytes anywhere in one block, if that many are there.
    pub(crate) fn read(&self, offset: u64, length: u64) -> Option<&[u8]> {
        let (start, block) = self.blocks.range(..=offset).next_back()?;
        let from = usize::try_from(offset - start).ok()?;
        block.get(from..from.checked_add(usize::try_from(length).ok()?)?)
    }

    /// The same, to write.
    pub(crate) fn write<const N: usize>(&mut self, offset: u64, bytes: [u8; N]) {
        let Some((start, block)) = self.blocks.range_mut(..=offset).next_back() else { return };
        let place = usize::try_from(offset - start).ok().and_then(|from| block.get_mut(from..from.checked_add(N)?));
        if let Some(place) = place {
            place.copy_from_slice(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_out_of_blocks_reach_nothing() {
        let mut blocks = Blocks::default();
        let first = blocks.add([1; 10].into());
        let second = blocks.add([2; 10].into());
        for offset in [0, first - 1, first + 10, second - 1, second + 10, u64::MAX - 7, u64::MAX] {
            assert_eq!(blocks.read(offset, 1), None, "{offset}");
            blocks.write(offset, [9; 8]);
            blocks.write(offset, [9]);
        }
        // Neither does a word that begins in a block and ends behind it.
        assert_eq!(blocks.read(first + 3, 8), None);
        blocks.write(first + 3, [9; 8]);
        assert_eq!((blocks.get(first), blocks.get(second)), (Some(&[1; 10][..]), Some(&[2; 10][..])));
        assert_eq!(blocks.read(first + 2, 8), Some(&[1; 8][..]));
        assert_eq!(blocks.read(first, u64::MAX), None);
        blocks.write(second + 9, [7]);
        assert_eq!(blocks.read(second + 8, 2), Some(&[2, 7][..]));
    }

    #[test]
    fn what_was_freed_is_gone_and_its_offset_with_it() {
        let mut blocks = Blocks::default();
        let first = blocks.add([1; 10].into());
        assert_eq!(blocks.remove(first + 1), None);
        assert_eq!(blocks.remove(first).as_deref(), Some(&[1; 10][..]));
        assert_eq!((blocks.remove(first), blocks.read(first, 1)), (None, None));
        assert_ne!(blocks.add([1; 10].into()), first);
    }
}
