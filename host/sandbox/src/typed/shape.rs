//! The shape of a component's values: wasmtime's types as a tree of our own, bounded, with the documentation of its WIT.

use wasmtime::component::Type;

use super::left_out::Reason;
use crate::convert::MAX_SCHEMA;

/// How deep types may be within one another. What people write has five levels; the conversions go down by calling
/// themselves.
pub(crate) const MAX_DEPTH: usize = 32;
/// Types that one function may name, each counted wherever it is used: a few bytes of a component can name one type a
/// million times.
const MAX_TYPES: usize = 2000;

/// The type of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Bool,
    Integer(Integer),
    Float32,
    Float64,
    Char,
    String,
    /// `list<u8>`.
    Bytes,
    List(Box<Shape>),
    FixedLengthList(Box<Shape>, u32),
    /// What has keys and values, with its keys and its values.
    Pairs(Pairs, Box<(Shape, Shape)>),
    Record(Vec<Field>),
    Tuple(Vec<Shape>),
    Variant(Vec<Case>),
    /// Its cases are named `ok` and `err`.
    Result(Box<[Case; 2]>),
    Enum(Vec<Name>),
    Flags(Vec<Name>),
    Option(Box<Shape>),
}

/// Types of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Integer {
    U8,
    S8,
    U16,
    S16,
    U32,
    S32,
    U64,
    S64,
}

/// Types that have keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pairs {
    /// `list<tuple<string, T>>`.
    List,
    /// `map<K, V>`.
    Map,
}

/// A field of a record, or a parameter of a function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: Name,
    pub(crate) shape: Shape,
}

/// A case of a variant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Case {
    pub(crate) name: Name,
    pub(crate) shape: Option<Shape>,
}

/// A name with what its WIT says about it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) docs: Option<String>,
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), docs: None }
    }
}

impl Integer {
    /// The least and the greatest.
    pub(crate) fn range(self) -> (i128, i128) {
        match self {
            Self::U8 => (0, u8::MAX.into()),
            Self::S8 => (i8::MIN.into(), i8::MAX.into()),
            Self::U16 => (0, u16::MAX.into()),
            Self::S16 => (i16::MIN.into(), i16::MAX.into()),
            Self::U32 => (0, u32::MAX.into()),
            Self::S32 => (i32::MIN.into(), i32::MAX.into()),
            Self::U64 => (0, u64::MAX.into()),
            Self::S64 => (i64::MIN.into(), i64::MAX.into()),
        }
    }

    /// Whether there are programs that cannot read all of its numbers in JSON.
    pub(crate) fn is_long(self) -> bool {
        matches!(self, Self::U64 | Self::S64)
    }
}

impl Shape {
    /// Whether its values are words, which a model reads best without quotes.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::String | Self::Char | Self::Enum(_))
    }

    /// Whether `null` is one of its values.
    pub(crate) fn is_nullable(&self) -> bool {
        matches!(self, Self::Option(_))
    }
}

/// Reads the types of one function, and counts them and the bytes of their names.
pub(crate) struct Reader {
    types: usize,
    bytes: usize,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self { types: MAX_TYPES, bytes: MAX_SCHEMA }
    }

    /// The shape of a type.
    ///
    /// # Errors
    /// Why no function that has it can be a tool.
    pub(crate) fn shape(&mut self, ty: &Type) -> Result<Shape, Reason> {
        self.at(ty, 0)
    }

    fn at(&mut self, ty: &Type, depth: usize) -> Result<Shape, Reason> {
        if depth > MAX_DEPTH {
            return Err(Reason::TooDeep(MAX_DEPTH));
        }
        self.count()?;
        let below = depth + 1;
        Ok(match ty {
            Type::Bool => Shape::Bool,
            Type::U8 => Shape::Integer(Integer::U8),
            Type::S8 => Shape::Integer(Integer::S8),
            Type::U16 => Shape::Integer(Integer::U16),
            Type::S16 => Shape::Integer(Integer::S16),
            Type::U32 => Shape::Integer(Integer::U32),
            Type::S32 => Shape::Integer(Integer::S32),
            Type::U64 => Shape::Integer(Integer::U64),
            Type::S64 => Shape::Integer(Integer::S64),
            Type::Float32 => Shape::Float32,
            Type::Float64 => Shape::Float64,
            Type::Char => Shape::Char,
            Type::String => Shape::String,
            Type::List(list) => list_of(self.at(&list.ty(), below)?),
            Type::FixedLengthList(list) => Shape::FixedLengthList(Box::new(self.at(&list.ty(), below)?), list.len()),
            Type::Map(map) => {
                let pair = (self.at(&map.key(), below)?, self.at(&map.value(), below)?);
                Shape::Pairs(Pairs::Map, Box::new(pair))
            }
            Type::Record(record) => {
                let fields = record
                    .fields()
                    .map(|field| Ok(Field { name: self.name(field.name)?, shape: self.at(&field.ty, below)? }));
                Shape::Record(fields.collect::<Result<_, _>>()?)
            }
            Type::Tuple(tuple) => Shape::Tuple(tuple.types().map(|ty| self.at(&ty, below)).collect::<Result<_, _>>()?),
            Type::Variant(variant) => {
                let cases = variant.cases().map(|case| self.case(case.name, case.ty, below));
                Shape::Variant(cases.collect::<Result<_, _>>()?)
            }
            Type::Result(result) => {
                let cases = [self.case("ok", result.ok(), below)?, self.case("err", result.err(), below)?];
                Shape::Result(Box::new(cases))
            }
            Type::Enum(names) => Shape::Enum(self.names(names.names())?),
            Type::Flags(names) => Shape::Flags(self.names(names.names())?),
            Type::Option(option) => Shape::Option(Box::new(self.at(&option.ty(), below)?)),
            Type::Own(_) | Type::Borrow(_) => return Err(Reason::Resource),
            Type::Future(_) | Type::Stream(_) | Type::ErrorContext => return Err(Reason::Asynchronous),
        })
    }

    fn case(&mut self, name: &str, ty: Option<Type>, depth: usize) -> Result<Case, Reason> {
        self.count()?;
        let shape = ty.map(|ty| self.at(&ty, depth)).transpose()?;
        Ok(Case { name: self.name(name)?, shape })
    }

    fn names<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> Result<Vec<Name>, Reason> {
        let counted = |name: &'a str| self.count().and_then(|()| self.name(name));
        names.map(counted).collect()
    }

    fn count(&mut self) -> Result<(), Reason> {
        self.types = self.types.checked_sub(1).ok_or(Reason::TooManyTypes(MAX_TYPES))?;
        Ok(())
    }

    /// A name, which the schema will have as well.
    pub(crate) fn name(&mut self, name: &str) -> Result<Name, Reason> {
        self.bytes = self.bytes.checked_sub(name.len()).ok_or(Reason::LargeSchema(MAX_SCHEMA))?;
        Ok(name.into())
    }
}

fn list_of(element: Shape) -> Shape {
    match element {
        Shape::Integer(Integer::U8) => Shape::Bytes,
        Shape::Tuple(mut types) if types.len() == 2 && types[0] == Shape::String => {
            let value = types.remove(1);
            Shape::Pairs(Pairs::List, Box::new((Shape::String, value)))
        }
        element => Shape::List(Box::new(element)),
    }
}
