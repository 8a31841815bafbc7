//! How deep types are nested. The library that reads components calls itself for each type within a type, so a few bytes a
//! level would end the process: they are counted first, without a call.

use wasmparser::{
    BinaryReader, ComponentAlias, ComponentExternName, ComponentImport, ComponentType, ComponentTypeRef, CoreType,
    Parser, Payload, Result,
};

/// Types of components and of instances, which have declarations of their own.
const COMPONENT_TYPE: u8 = 0x41;
const INSTANCE_TYPE: u8 = 0x42;

/// How deep components and modules, and types, may be within one another. A composition of compositions has five levels;
/// what the compiler keeps for each level makes a file of a megabyte with nothing but levels take all memory there is.
pub(crate) const MAX_NESTING: usize = 32;

/// Whether components and types, in a component or in WIT as a component, are nested no deeper than they may be. What
/// cannot be read is for others to tell.
pub(crate) fn is_shallow(bytes: &[u8]) -> bool {
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => depth += 1,
            Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
            Ok(Payload::ComponentTypeSection(section)) => {
                let range = section.range();
                let content = bytes.get(range.clone()).unwrap_or_default();
                if !types_are_shallow(BinaryReader::new(content, range.start)).unwrap_or(true) {
                    return false;
                }
            }
            Ok(_) => {}
            Err(_) => return true,
        }
        if depth > MAX_NESTING {
            return false;
        }
    }
    true
}

/// The content of one section of types.
fn types_are_shallow(mut reader: BinaryReader<'_>) -> Result<bool> {
    // Declarations that are still to come, of each type that has begun.
    let mut open = vec![reader.read_var_u32()?];
    loop {
        let within = open.len() > 1;
        match open.last_mut() {
            None => return Ok(true),
            Some(0) => {
                open.pop();
                continue;
            }
            Some(left) => *left -= 1,
        }
        if within {
            match reader.read_u8()? {
                0x00 => {
                    reader.read::<CoreType<'_>>()?;
                    continue;
                }
                0x01 => {}
                0x02 => {
                    reader.read::<ComponentAlias<'_>>()?;
                    continue;
                }
                0x03 => {
                    reader.read::<ComponentImport<'_>>()?;
                    continue;
                }
                0x04 => {
                    reader.read::<ComponentExternName<'_>>()?;
                    reader.read::<ComponentTypeRef>()?;
                    continue;
                }
                _ => return Ok(true),
            }
        }
        if !matches!(reader.clone().read_u8()?, COMPONENT_TYPE | INSTANCE_TYPE) {
            reader.read::<ComponentType<'_>>()?;
            continue;
        }
        reader.read_u8()?;
        open.push(reader.read_var_u32()?);
        if open.len() > MAX_NESTING {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::{ComponentBytes, World, check};
    use crate::typed::Documentation;

    /// Types of components within each other, as bytes: no tool writes as many.
    fn nested(levels: usize, kind: u8) -> Vec<u8> {
        let mut section = vec![1];
        for _ in 0..levels {
            section.extend([kind, 1, 1]);
        }
        section.extend([kind, 0]);
        let mut bytes = b"\0asm\x0d\0\x01\0\x07".to_vec();
        let mut length = section.len();
        while length >= 0x80 {
            bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap());
        bytes.extend(section);
        bytes
    }

    #[test]
    fn types_are_counted_without_a_call() {
        for kind in [COMPONENT_TYPE, INSTANCE_TYPE] {
            assert!(is_shallow(&nested(MAX_NESTING - 2, kind)));
            assert!(!is_shallow(&nested(MAX_NESTING - 1, kind)));
            assert!(!is_shallow(&nested(5_000_000, kind)));
        }
        assert!(is_shallow(&nested(3, COMPONENT_TYPE)[..14]), "cut off");
    }

    #[test]
    fn a_component_of_nested_types_is_refused_before_it_is_read() {
        let component = ComponentBytes::new(&nested(20_000, INSTANCE_TYPE)).unwrap();
        let refused = check(&component, World::Skill).err().unwrap().to_string();
        assert!(refused.contains("nested more than 32 deep"), "{refused}");
        let refused = Documentation::read(&[&nested(20_000, COMPONENT_TYPE)]).err().unwrap();
        assert!(refused.contains("nested more than 32 deep"), "{refused}");
    }
}
