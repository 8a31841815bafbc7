//! A whole TOML file, read field by field.

use toml::Spanned;
use toml::de::DeTable;

use super::error::ConfigError;
use super::fields::Fields;
use super::syntax::{self, Lines};

/// What a kind of file may hold.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The fields of the whole file.
    pub fields: &'static [&'static str],
    /// The most bytes that are read.
    pub max_bytes: usize,
}

/// A TOML file that is read as `perstack.toml` is: mistakes are [`ConfigError`]s, which say where.
pub struct Document<'a> {
    table: Spanned<DeTable<'a>>,
    lines: Lines,
    pub(super) format: &'static Format,
}

impl<'a> Document<'a> {
    /// Parses the text of a file.
    ///
    /// # Errors
    /// It is too large, or no TOML.
    pub fn parse(text: &'a str, format: &'static Format) -> Result<Self, ConfigError> {
        Ok(Self { table: syntax::parse(text, format.max_bytes)?, lines: Lines::of(text), format })
    }

    /// The fields of the whole file.
    ///
    /// # Errors
    /// One that the format does not have.
    pub fn fields(&self) -> Result<Fields<'_>, ConfigError> {
        let fields = Fields::of_file(&self.table, self);
        fields.refuse_unknown(self.format.fields)?;
        Ok(fields)
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.lines.line(offset)
    }
}
