//! JSON Schemas of Rust types, written as text in the order of the declaration.

use std::collections::BTreeMap;

use crate::json;

/// Types that nest deeper than this contain themselves, and a schema written in place would never end.
const MAX_DEPTH: usize = 32;

/// A type with a JSON Schema: what an argument or a structured answer of a tool must be.
///
/// `#[perstack::data]` derives it together with serde's traits. Implement it by hand for a type whose JSON is written
/// by hand:
///
/// ```
/// struct Celsius(f64);
///
/// impl perstack::Schema for Celsius {
///     fn schema(schema: &mut perstack::SchemaWriter) {
///         schema.describe("Degrees Celsius.");
///         schema.kind("number");
///         schema.range(("minimum", Some("-273.15")), ("maximum", None));
///     }
/// }
///
/// assert_eq!(
///     perstack::schema_of::<Celsius>(),
///     r#"{"description":"Degrees Celsius.","type":"number","minimum":-273.15}"#,
/// );
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no JSON Schema",
    note = "put `#[perstack::data]` on a type of your own; a map is a `BTreeMap<String, T>`"
)]
pub trait Schema {
    /// Writes the members of the schema's object.
    fn schema(schema: &mut SchemaWriter);
}

/// The JSON Schema of a type, as text.
pub fn schema_of<T: Schema>() -> String {
    let mut writer = SchemaWriter::default();
    writer.braces(T::schema);
    writer.text
}

/// Writes the members of one schema object at a time.
#[derive(Default)]
pub struct SchemaWriter {
    text: String,
    depth: usize,
    /// The object has a description. The first stands: a field's own comes before that of its type.
    described: bool,
    /// The value may be null as well.
    nullable: bool,
    /// Bounds that take the place of the type's own.
    minimum: Option<&'static str>,
    maximum: Option<&'static str>,
}

impl SchemaWriter {
    /// The schema of an object with these properties and no others.
    pub(crate) fn root(properties: &[Property]) -> String {
        let mut writer = Self::default();
        writer.braces(|writer| writer.object(properties, true));
        writer.text
    }

    /// Writes any keyword, with its value as JSON text.
    pub fn member(&mut self, keyword: &str, value: &str) {
        self.key(keyword);
        self.text.push_str(value);
    }

    /// Writes a description, unless the value has been described where it is used.
    pub fn describe(&mut self, description: &str) {
        if !self.described {
            self.described = true;
            self.member("description", &quoted(description));
        }
    }

    /// Writes the `type`.
    pub fn kind(&mut self, kind: &str) {
        self.key("type");
        let nullable = std::mem::take(&mut self.nullable);
        self.text.push_str(if nullable { "[\"" } else { "\"" });
        self.text.push_str(kind);
        self.text.push_str(if nullable { "\",\"null\"]" } else { "\"" });
    }

    /// Writes a string that is one of these names.
    pub fn choices(&mut self, names: &[&str]) {
        let nullable = self.nullable;
        self.kind("string");
        self.key("enum");
        self.brackets(|writer| {
            for name in names {
                writer.item(&quoted(name));
            }
            if nullable {
                writer.item("null");
            }
        });
    }

    /// Writes the two keywords that bound a value, such as `minimum` and `maximum`, each with the type's own bound as
    /// JSON text. An argument's `min` and `max` take their place.
    pub fn range(&mut self, lower: (&str, Option<&str>), upper: (&str, Option<&str>)) {
        if let Some(bound) = self.minimum.take().or(lower.1) {
            self.member(lower.0, bound);
        }
        if let Some(bound) = self.maximum.take().or(upper.1) {
            self.member(upper.0, bound);
        }
    }

    /// Writes a keyword whose value is a schema.
    pub fn child(&mut self, keyword: &str, schema: impl FnOnce(&mut Self)) {
        self.key(keyword);
        self.braces(schema);
    }

    /// Writes an object with these properties, and no others where it is `closed`.
    #[doc(hidden)]
    pub fn object(&mut self, properties: &[Property], closed: bool) {
        self.kind("object");
        self.key("properties");
        self.braces(|writer| {
            for property in properties {
                writer.child(property.name, |writer| property.write(writer));
            }
        });
        self.key("required");
        self.brackets(|writer| {
            for property in properties.iter().filter(|property| property.required) {
                writer.item(&quoted(property.name));
            }
        });
        if closed {
            self.member("additionalProperties", "false");
        }
    }

    /// Writes an enum whose variants carry data, as serde does with or without a tag.
    #[doc(hidden)]
    pub fn one_of(&mut self, tag: Option<&str>, cases: &[Case<'_>]) {
        let nullable = std::mem::take(&mut self.nullable);
        self.key("oneOf");
        self.brackets(|writer| {
            for case in cases {
                writer.separate();
                writer.braces(|writer| case.write(tag, writer));
            }
            if nullable {
                writer.item(r#"{"type":"null"}"#);
            }
        });
    }

    fn key(&mut self, keyword: &str) {
        self.item(&quoted(keyword));
        self.text.push(':');
    }

    fn item(&mut self, text: &str) {
        self.separate();
        self.text.push_str(text);
    }

    fn separate(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(['{', '[', ':']) {
            self.text.push(',');
        }
    }

    fn brackets(&mut self, items: impl FnOnce(&mut Self)) {
        self.text.push('[');
        items(self);
        self.text.push(']');
    }

    fn braces(&mut self, members: impl FnOnce(&mut Self)) {
        assert!(self.depth < MAX_DEPTH, "a type that contains itself has no finite JSON Schema");
        self.described = false;
        self.reset();
        self.depth += 1;
        self.text.push('{');
        members(self);
        self.text.push('}');
        self.depth -= 1;
        self.reset();
    }

    /// What was asked for one value must not reach the next.
    fn reset(&mut self) {
        self.nullable = false;
        self.minimum = None;
        self.maximum = None;
    }
}

fn quoted(text: &str) -> String {
    json::Value::from(text).to_string()
}

/// One property of an object.
#[doc(hidden)]
pub struct Property {
    pub name: &'static str,
    pub description: Option<&'static str>,
    pub required: bool,
    pub schema: fn(&mut SchemaWriter),
    pub minimum: Option<&'static str>,
    pub maximum: Option<&'static str>,
    pub default: Option<String>,
}

impl Property {
    fn write(&self, writer: &mut SchemaWriter) {
        if let Some(description) = self.description {
            writer.describe(description);
        }
        writer.minimum = self.minimum;
        writer.maximum = self.maximum;
        (self.schema)(writer);
        if let Some(default) = &self.default {
            writer.member("default", default);
        }
    }
}

/// One variant of an enum.
#[doc(hidden)]
pub struct Case<'a> {
    pub name: &'static str,
    pub description: Option<&'static str>,
    pub shape: Shape<'a>,
}

/// What a variant carries.
#[doc(hidden)]
pub enum Shape<'a> {
    Unit,
    Value(fn(&mut SchemaWriter)),
    Fields(&'a [Property]),
}

impl Case<'_> {
    fn write(&self, tag: Option<&str>, writer: &mut SchemaWriter) {
        if let Some(description) = self.description {
            writer.describe(description);
        }
        match (tag, &self.shape) {
            (Some(tag), shape) => self.write_tagged(tag, shape, writer),
            (None, Shape::Unit) => writer.member("const", &quoted(self.name)),
            (None, Shape::Value(schema)) => self.write_wrapped(schema, writer),
            (None, Shape::Fields(fields)) => self.write_wrapped(|writer| writer.object(fields, false), writer),
        }
    }

    /// `{"name": value}`
    fn write_wrapped(&self, value: impl FnOnce(&mut SchemaWriter), writer: &mut SchemaWriter) {
        writer.kind("object");
        writer.child("properties", |writer| writer.child(self.name, value));
        writer.member("required", &format!("[{}]", quoted(self.name)));
        writer.member("additionalProperties", "false");
    }

    /// `{"tag": "name", …fields}`
    fn write_tagged(&self, tag: &str, shape: &Shape<'_>, writer: &mut SchemaWriter) {
        let fields = match shape {
            Shape::Fields(fields) => fields,
            Shape::Unit | Shape::Value(_) => &[][..],
        };
        writer.kind("object");
        writer.child("properties", |writer| {
            writer.child(tag, |writer| writer.member("const", &quoted(self.name)));
            for field in fields {
                writer.child(field.name, |writer| field.write(writer));
            }
        });
        writer.key("required");
        writer.brackets(|writer| {
            writer.item(&quoted(tag));
            for field in fields.iter().filter(|field| field.required) {
                writer.item(&quoted(field.name));
            }
        });
    }
}

macro_rules! integers {
    ($($type:ty: $minimum:expr, $maximum:expr;)*) => {$(
        impl Schema for $type {
            fn schema(schema: &mut SchemaWriter) {
                schema.kind("integer");
                schema.range(("minimum", $minimum), ("maximum", $maximum));
            }
        }
    )*};
}

// 64-bit types have no bound but the sign: few readers of a schema hold such numbers exactly.
integers! {
    u8: Some("0"), Some("255");
    u16: Some("0"), Some("65535");
    u32: Some("0"), Some("4294967295");
    u64: Some("0"), None;
    usize: Some("0"), None;
    i8: Some("-128"), Some("127");
    i16: Some("-32768"), Some("32767");
    i32: Some("-2147483648"), Some("2147483647");
    i64: None, None;
    isize: None, None;
}

macro_rules! simple {
    ($($type:ty: $kind:literal, $lower:literal, $upper:literal, $own:expr;)*) => {$(
        impl Schema for $type {
            fn schema(schema: &mut SchemaWriter) {
                schema.kind($kind);
                schema.range(($lower, $own), ($upper, $own));
            }
        }
    )*};
}

simple! {
    f32: "number", "minimum", "maximum", None;
    f64: "number", "minimum", "maximum", None;
    String: "string", "minLength", "maxLength", None;
    char: "string", "minLength", "maxLength", Some("1");
}

impl Schema for bool {
    fn schema(schema: &mut SchemaWriter) {
        schema.kind("boolean");
    }
}

/// Any JSON.
impl Schema for json::Value {
    fn schema(_: &mut SchemaWriter) {}
}

impl<T: Schema> Schema for Option<T> {
    fn schema(schema: &mut SchemaWriter) {
        schema.nullable = true;
        T::schema(schema);
    }
}

impl<T: Schema> Schema for Box<T> {
    fn schema(schema: &mut SchemaWriter) {
        T::schema(schema);
    }
}

impl<T: Schema> Schema for Vec<T> {
    fn schema(schema: &mut SchemaWriter) {
        schema.kind("array");
        schema.range(("minItems", None), ("maxItems", None));
        schema.child("items", T::schema);
    }
}

impl<T: Schema> Schema for BTreeMap<String, T> {
    fn schema(schema: &mut SchemaWriter) {
        schema.kind("object");
        schema.child("additionalProperties", T::schema);
    }
}
