//! Objects that a pack keeps as the difference to another one.

/// Why a difference does not fit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

/// Makes an object of a base and the instructions that a pack has for it, which are read as git documents them: two
/// sizes, then copies of ranges of the base (a byte of at least 0x80) and bytes to insert.
pub(crate) fn apply(base: &[u8], instructions: &[u8], limit: usize) -> Result<Vec<u8>, Damaged> {
    let mut left = instructions;
    let (base_size, size) = (number(&mut left)?, number(&mut left)?);
    if base_size != base.len() || size > limit {
        return Err(Damaged);
    }
    let mut made = Vec::with_capacity(size);
    while let Some(instruction) = byte(&mut left) {
        let part = if instruction & 0x80 == 0 {
            let (inserted, rest) = left.split_at_checked(usize::from(instruction)).ok_or(Damaged)?;
            left = rest;
            inserted
        } else {
            let mut field = |bits: u8, bytes: usize| {
                (0..bytes)
                    .filter(|place| bits >> place & 1 == 1)
                    .try_fold(0, |value, place| byte(&mut left).map(|byte| value | usize::from(byte) << (8 * place)))
            };
            let start = field(instruction & 0x0f, 4).ok_or(Damaged)?;
            let length = match field(instruction >> 4 & 0x07, 3).ok_or(Damaged)? {
                0 => 0x10000,
                length => length,
            };
            base.get(start..).and_then(|base| base.get(..length)).ok_or(Damaged)?
        };
        if part.is_empty() || part.len() > size - made.len() {
            return Err(Damaged);
        }
        made.extend_from_slice(part);
    }
    if made.len() == size { Ok(made) } else { Err(Damaged) }
}

fn byte(left: &mut &[u8]) -> Option<u8> {
    let (first, rest) = left.split_first()?;
    *left = rest;
    Some(*first)
}

/// Seven bits a byte, the lowest first; a byte of at least 0x80 is followed by another.
fn number(left: &mut &[u8]) -> Result<usize, Damaged> {
    let mut value = 0;
    for place in 0..4 {
        let next = byte(left).ok_or(Damaged)?;
        value |= usize::from(next & 0x7f) << (7 * place);
        if next & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Damaged)
}
