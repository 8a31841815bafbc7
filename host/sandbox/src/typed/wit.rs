//! The WIT that comes with a component: a custom section for each package, as `wit-component` encodes it. Compilers
//! leave documentation out of components, so packing (`pack.rs`) puts it there.

use std::collections::HashMap;

use wasmparser::Parser;
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{Function, InterfaceId, PackageId, Resolve, WorldId, WorldItem, WorldKey};

use super::names::Place;
use crate::nesting::{MAX_NESTING, is_shallow};

/// The custom section's name.
pub(crate) const SECTION: &str = "perstack:wit";
/// Sections of one component: the package of its world, and those that its interfaces are of.
const MAX_SECTIONS: usize = 16;
/// Bytes of all sections together. All of WASI has 100 kB.
pub(crate) const MAX_BYTES: usize = 512 << 10;

/// What is said about a component's functions and types.
#[derive(Default)]
pub(crate) struct Documentation {
    packages: Vec<Resolve>,
    /// Interfaces by the name of their export: with their package, or one that a world gives them.
    interfaces: HashMap<String, (usize, InterfaceId)>,
    /// Worlds by the functions of their own that they export.
    functions: HashMap<String, (usize, WorldId)>,
}

impl Documentation {
    /// Reads sections; the error says what is wrong with them.
    pub(crate) fn read(sections: &[&[u8]]) -> Result<Self, String> {
        if sections.len() > MAX_SECTIONS {
            return Err(format!("it has {} sections `{SECTION}`, more than {MAX_SECTIONS}", sections.len()));
        }
        let size: usize = sections.iter().map(|section| section.len()).sum();
        if size > MAX_BYTES {
            return Err(format!("its sections `{SECTION}` have {size} bytes, more than {MAX_BYTES}"));
        }
        // The library was made for one's own WIT: some bytes that no encoder writes make it panic.
        let one = |section: &&[u8]| match std::panic::catch_unwind(|| decode(section)) {
            Ok(Ok(DecodedWasm::WitPackage(resolve, package))) => Ok((resolve, package)),
            Ok(Ok(DecodedWasm::Component(..))) => Err(format!("its section `{SECTION}` is no WIT package")),
            Ok(Err(error)) => Err(format!("its section `{SECTION}`: {error:#}")),
            Err(_) => Err(format!("its section `{SECTION}` cannot be read")),
        };
        let mut all = Self::default();
        for section in sections {
            // The library gives as much memory as a section says that it has, before it looks whether there is as much.
            if let Some(Err(error)) = Parser::new(0).parse_all(section).find(Result::is_err) {
                return Err(format!("its section `{SECTION}` is no component: {error}"));
            }
            if !is_shallow(section) {
                return Err(format!("its section `{SECTION}` has types nested more than {MAX_NESTING} deep"));
            }
            let (resolve, package) = one(section)?;
            all.add(resolve, package);
        }
        Ok(all)
    }

    fn add(&mut self, resolve: Resolve, package: PackageId) {
        let place = self.packages.len();
        for id in resolve.packages[package].interfaces.values() {
            if let Some(name) = resolve.id_of(*id) {
                self.interfaces.insert(name, (place, *id));
            }
        }
        for world in resolve.packages[package].worlds.values() {
            for (key, item) in &resolve.worlds[*world].exports {
                match (key, item) {
                    (WorldKey::Name(name), WorldItem::Interface { id, .. }) => {
                        self.interfaces.insert(name.clone(), (place, *id));
                    }
                    (WorldKey::Name(name), WorldItem::Function(_)) => {
                        self.functions.insert(name.clone(), (place, *world));
                    }
                    _ => {}
                }
            }
        }
        self.packages.push(resolve);
    }

    /// The function that is exported in a place.
    pub(crate) fn function(&self, place: &Place) -> Option<(&Resolve, &Function)> {
        match &place.interface {
            Some(name) => {
                let (package, id) = self.interfaces.get(name)?;
                let resolve = &self.packages[*package];
                Some((resolve, resolve.interfaces[*id].functions.get(&place.function)?))
            }
            None => {
                let (package, world) = self.functions.get(&place.function)?;
                let resolve = &self.packages[*package];
                match resolve.worlds[*world].exports.get(&WorldKey::Name(place.function.clone()))? {
                    WorldItem::Function(function) => Some((resolve, function)),
                    _ => None,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn genuine() -> Vec<u8> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(Path::new(perstack_test_artifacts::TYPED_WIT)).unwrap();
        wit_component::encode(&resolve, package).unwrap()
    }

    #[test]
    fn a_changed_section_does_no_harm() {
        let genuine = genuine();
        assert!(Documentation::read(&[&genuine]).is_ok());
        let mut unchanged = 0;
        for place in 0..genuine.len() {
            let mut changed = genuine.clone();
            changed[place] ^= 1;
            unchanged += usize::from(Documentation::read(&[&changed]).is_ok());
            drop(Documentation::read(&[&genuine[..place]]));
        }
        // In words, one letter for another.
        assert!(unchanged > 0 && unchanged < genuine.len(), "{unchanged}");
    }

    #[test]
    fn a_section_that_says_it_is_larger_is_refused_before_there_is_memory_for_it() {
        let mut longer = b"\0asm\x0d\0\x01\0".to_vec();
        // A section of types, with a length of four gigabytes.
        longer.extend([7, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        let refused = Documentation::read(&[&longer]).err().unwrap();
        assert!(refused.contains("is no component: unexpected end"), "{refused}");
    }

    /// A WIT package whose types name the one below twice, on so many levels, with so many functions that take the last.
    fn sharing(levels: usize, functions: usize) -> Vec<u8> {
        let mut types = "(type $t0 (tuple u32 u32))".to_owned();
        for level in 1..levels {
            types.push_str(&format!("(type $t{level} (tuple $t{0} $t{0}))", level - 1));
        }
        let last = levels - 1;
        for number in 0..functions {
            let function = format!("(type $f{number} (func (param \"a\" $t{last})))");
            types.push_str(&format!("{function} (export \"f{number}\" (func (type $f{number})))"));
        }
        wat::parse_str(format!(
            r#"(component (type $p (component (type $i (instance {types})) (export "a:b/c" (instance (type $i)))))
                (export "c" (type $p)) (@custom "wit-component-encoding" "\04\00"))"#
        ))
        .unwrap()
    }

    #[test]
    fn a_section_is_read_in_a_moment_whatever_its_types_name() {
        assert!(Documentation::read(&[&sharing(18, 1)]).is_ok());
        for (levels, functions) in [(10, 1000), (18, 2), (18, 1000), (40, 1)] {
            let bytes = sharing(levels, functions);
            assert!(bytes.len() < 20_000);
            let reason = Documentation::read(&[&bytes]).err().unwrap();
            assert!(reason.contains("type size exceeds"), "{reason}");
        }
    }
}
