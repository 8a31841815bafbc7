//! What the WIT says about a function's types, laid over their shapes. Where the two differ, nothing is said: a
//! description cannot change a type.

use wit_parser::{Docs, Function, Resolve, Type, TypeDefKind};

use super::left_out::Reason;
use super::shape::{Case, Field, Name, Pairs, Shape};
use crate::convert::MAX_SCHEMA;

/// Describes a function's parameters and result.
///
/// # Errors
/// [`Reason::LargeSchema`].
pub(crate) fn describe(
    resolve: &Resolve,
    function: &Function,
    parameters: &mut [Field],
    result: Option<&mut Shape>,
) -> Result<(), Reason> {
    let mut writer = Writer { resolve, left: MAX_SCHEMA };
    for (field, parameter) in parameters.iter_mut().zip(&function.params) {
        if field.name.text == parameter.name {
            writer.field(field, &Docs::default(), &parameter.ty)?;
        }
    }
    match (result, &function.result) {
        (Some(shape), Some(ty)) => writer.shape(shape, ty),
        _ => Ok(()),
    }
}

/// Counts what it writes: one text may be used in many places.
struct Writer<'a> {
    resolve: &'a Resolve,
    left: usize,
}

impl<'a> Writer<'a> {
    fn shape(&mut self, shape: &mut Shape, ty: &Type) -> Result<(), Reason> {
        let Some(kind) = self.kind(ty) else { return Ok(()) };
        match (shape, kind) {
            (Shape::Record(fields), TypeDefKind::Record(record)) => {
                for (field, said) in fields.iter_mut().zip(&record.fields) {
                    if field.name.text == said.name {
                        self.field(field, &said.docs, &said.ty)?;
                    }
                }
            }
            (Shape::Variant(cases), TypeDefKind::Variant(variant)) => {
                for (case, said) in cases.iter_mut().zip(&variant.cases) {
                    if case.name.text == said.name {
                        self.name(&mut case.name, &said.docs)?;
                        self.case(case, said.ty.as_ref())?;
                    }
                }
            }
            (Shape::Result(cases), TypeDefKind::Result(result)) => {
                let [ok, err] = cases.as_mut();
                self.case(ok, result.ok.as_ref())?;
                self.case(err, result.err.as_ref())?;
            }
            (Shape::Enum(names), TypeDefKind::Enum(said)) => {
                self.names(names, said.cases.iter().map(|case| (case.name.as_str(), &case.docs)))?;
            }
            (Shape::Flags(names), TypeDefKind::Flags(said)) => {
                self.names(names, said.flags.iter().map(|flag| (flag.name.as_str(), &flag.docs)))?;
            }
            (Shape::Tuple(types), TypeDefKind::Tuple(said)) => {
                for (shape, ty) in types.iter_mut().zip(&said.types) {
                    self.shape(shape, ty)?;
                }
            }
            (Shape::Pairs(Pairs::List, pair), TypeDefKind::List(ty)) => {
                if let Some(TypeDefKind::Tuple(said)) = self.kind(ty)
                    && let Some(value) = said.types.get(1)
                {
                    self.shape(&mut pair.1, value)?;
                }
            }
            (Shape::Pairs(Pairs::Map, pair), TypeDefKind::Map(key, value)) => {
                self.shape(&mut pair.0, key)?;
                self.shape(&mut pair.1, value)?;
            }
            (Shape::List(element), TypeDefKind::List(ty))
            | (Shape::FixedLengthList(element, _), TypeDefKind::FixedLengthList(ty, _))
            | (Shape::Option(element), TypeDefKind::Option(ty)) => self.shape(element, ty)?,
            _ => {}
        }
        Ok(())
    }

    /// A field is described by its own words, or else by those about its type.
    fn field(&mut self, field: &mut Field, own: &Docs, ty: &Type) -> Result<(), Reason> {
        self.name(&mut field.name, own)?;
        if field.name.docs.is_none() {
            let resolve = self.resolve;
            if let Type::Id(id) = ty {
                self.name(&mut field.name, &resolve.types[*id].docs)?;
            }
        }
        self.shape(&mut field.shape, ty)
    }

    fn case(&mut self, case: &mut Case, ty: Option<&Type>) -> Result<(), Reason> {
        match (&mut case.shape, ty) {
            (Some(shape), Some(ty)) => self.shape(shape, ty),
            _ => Ok(()),
        }
    }

    fn names<'d>(&mut self, names: &mut [Name], said: impl Iterator<Item = (&'d str, &'d Docs)>) -> Result<(), Reason> {
        for (name, (text, docs)) in names.iter_mut().zip(said) {
            if name.text == text {
                self.name(name, docs)?;
            }
        }
        Ok(())
    }

    fn name(&mut self, name: &mut Name, docs: &Docs) -> Result<(), Reason> {
        let Some(text) = docs.contents.as_deref().map(str::trim).filter(|text| !text.is_empty()) else { return Ok(()) };
        self.left = self.left.checked_sub(text.len()).ok_or(Reason::LargeSchema(MAX_SCHEMA))?;
        name.docs = Some(text.to_owned());
        Ok(())
    }

    /// What a type is behind its names.
    fn kind(&self, ty: &Type) -> Option<&'a TypeDefKind> {
        let mut ty = *ty;
        // Decoding refuses names that go in a circle.
        while let Type::Id(id) = ty {
            match &self.resolve.types[id].kind {
                TypeDefKind::Type(next) => ty = *next,
                kind => return Some(kind),
            }
        }
        None
    }
}
