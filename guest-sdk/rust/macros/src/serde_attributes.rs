//! The `#[serde(…)]` attributes that shape what is written, read for the schema. Those that would make the schema
//! untrue are refused.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, Error, LitStr, Result, Token};

/// `#[serde(rename_all = "…")]`.
#[derive(Clone, Copy)]
pub(crate) enum Case {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Case {
    fn parse(literal: &LitStr) -> Result<Self> {
        Ok(match literal.value().as_str() {
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "PascalCase" => Self::Pascal,
            "camelCase" => Self::Camel,
            "snake_case" => Self::Snake,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            "kebab-case" => Self::Kebab,
            "SCREAMING-KEBAB-CASE" => Self::ScreamingKebab,
            _ => return Err(Error::new(literal.span(), "not a case that serde knows")),
        })
    }

    /// Renames a field, which is in snake case.
    pub(crate) fn rename_field(self, field: &str) -> String {
        let pascal: String = field.split('_').map(capitalize).collect();
        match self {
            Self::Lower | Self::Snake => field.to_owned(),
            Self::Upper | Self::ScreamingSnake => field.to_ascii_uppercase(),
            Self::Pascal => pascal,
            Self::Camel => uncapitalize(&pascal),
            Self::Kebab => field.replace('_', "-"),
            Self::ScreamingKebab => field.to_ascii_uppercase().replace('_', "-"),
        }
    }

    /// Renames a variant, which is in Pascal case.
    pub(crate) fn rename_variant(self, variant: &str) -> String {
        let mut snake = String::new();
        for (index, character) in variant.char_indices() {
            if index > 0 && character.is_uppercase() {
                snake.push('_');
            }
            snake.push(character.to_ascii_lowercase());
        }
        match self {
            Self::Lower => variant.to_ascii_lowercase(),
            Self::Upper => variant.to_ascii_uppercase(),
            Self::Pascal => variant.to_owned(),
            Self::Camel => uncapitalize(variant),
            Self::Snake => snake,
            Self::ScreamingSnake => snake.to_ascii_uppercase(),
            Self::Kebab => snake.replace('_', "-"),
            Self::ScreamingKebab => snake.to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn capitalize(word: &str) -> String {
    change_first(word, |first| first.to_ascii_uppercase())
}

fn uncapitalize(word: &str) -> String {
    change_first(word, |first| first.to_ascii_lowercase())
}

fn change_first(word: &str, change: impl Fn(char) -> char) -> String {
    let mut characters = word.chars();
    characters.next().map(change).into_iter().chain(characters).collect()
}

/// Attributes of a struct or an enum.
#[derive(Default)]
pub(crate) struct Container {
    pub(crate) rename_all: Option<Case>,
    pub(crate) tag: Option<String>,
    pub(crate) closed: bool,
    pub(crate) all_default: bool,
}

/// Attributes of a field or a variant.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) rename: Option<String>,
    pub(crate) rename_all: Option<Case>,
    pub(crate) may_be_absent: bool,
    pub(crate) skip: bool,
}

impl Container {
    /// Reads the attributes of a type.
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut container = Self::default();
        each(attributes, |name, meta| {
            match name {
                "rename_all" => container.rename_all = Some(Case::parse(&text(meta)?)?),
                "tag" => container.tag = Some(text(meta)?.value()),
                "deny_unknown_fields" => container.closed = true,
                "default" => {
                    optional_value(meta)?;
                    container.all_default = true;
                }
                "rename" | "crate" | "bound" | "expecting" => optional_value(meta)?,
                _ => return Err(unsupported(name, meta)),
            }
            Ok(())
        })?;
        Ok(container)
    }
}

impl Part {
    /// Reads the attributes of a field or a variant.
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut part = Self::default();
        each(attributes, |name, meta| {
            match name {
                "rename" => part.rename = Some(text(meta)?.value()),
                "rename_all" => part.rename_all = Some(Case::parse(&text(meta)?)?),
                "skip" => part.skip = true,
                "default" | "skip_serializing_if" => {
                    optional_value(meta)?;
                    part.may_be_absent = true;
                }
                "alias" | "bound" | "borrow" => optional_value(meta)?,
                _ => return Err(unsupported(name, meta)),
            }
            Ok(())
        })?;
        Ok(part)
    }
}

fn each(attributes: &[Attribute], mut read: impl FnMut(&str, &ParseNestedMeta<'_>) -> Result<()>) -> Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        attribute.parse_nested_meta(|meta| {
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            read(&name, &meta)
        })?;
    }
    Ok(())
}

fn text(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    meta.value()?.parse()
}

fn optional_value(meta: &ParseNestedMeta<'_>) -> Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<syn::Expr>()?;
    }
    Ok(())
}

fn unsupported(name: &str, meta: &ParseNestedMeta<'_>) -> Error {
    meta.error(format!("`#[serde({name})]` cannot be put into a schema: implement `perstack::Schema` by hand"))
}
