//! The WIT that comes with a component: a custom section for each package, as `wit-component` encodes it. Compilers
//! leave documentation out of components, so packing (`pack.rs`) puts it there.

use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{Function, Interface, PackageId, Resolve, World, WorldItem, WorldKey};

use super::names::Place;

/// The custom section's name.
pub(crate) const SECTION: &str = "perstack:wit";
/// Sections of one component: the package of its world, and those that its interfaces are of.
const MAX_SECTIONS: usize = 16;
/// Bytes of all sections together. All of WASI has 100 kB.
pub(crate) const MAX_BYTES: usize = 512 << 10;

/// What is said about a component's functions and types.
#[derive(Default)]
pub(crate) struct Documentation(Vec<(Resolve, PackageId)>);

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
        let one = |section: &&[u8]| match decode(section) {
            Ok(DecodedWasm::WitPackage(resolve, package)) => Ok((resolve, package)),
            Ok(DecodedWasm::Component(..)) => Err(format!("its section `{SECTION}` is no WIT package")),
            Err(error) => Err(format!("its section `{SECTION}`: {error:#}")),
        };
        sections.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// The function that is exported in a place.
    pub(crate) fn function(&self, place: &Place) -> Option<(&Resolve, &Function)> {
        self.0.iter().find_map(|(resolve, package)| {
            let function = match &place.interface {
                Some(name) => interface(resolve, *package, name)?.functions.get(&place.function)?,
                None => exported(resolve, *package, &place.function).find_map(|item| match item {
                    WorldItem::Function(function) => Some(function),
                    _ => None,
                })?,
            };
            Some((resolve, function))
        })
    }
}

/// An interface by the name of its export: with its package, or one that a world has by itself.
fn interface<'a>(resolve: &'a Resolve, package: PackageId, name: &str) -> Option<&'a Interface> {
    let named = resolve.packages[package].interfaces.values().find(|id| resolve.id_of(**id).as_deref() == Some(name));
    let id = named.copied().or_else(|| {
        exported(resolve, package, name).find_map(|item| match item {
            WorldItem::Interface { id, .. } => Some(*id),
            _ => None,
        })
    });
    id.map(|id| &resolve.interfaces[id])
}

/// What the worlds of a package export under a name of their own.
fn exported<'a>(resolve: &'a Resolve, package: PackageId, name: &str) -> impl Iterator<Item = &'a WorldItem> {
    let key = WorldKey::Name(name.to_owned());
    let worlds = resolve.packages[package].worlds.values();
    worlds.filter_map(move |world| {
        let world: &World = &resolve.worlds[*world];
        world.exports.get(&key)
    })
}
