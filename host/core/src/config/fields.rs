//! Reading a table field by field, with errors that name the field, the table and the place.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::FIELDS as FILE_FIELDS;
use super::bounds::{MAX_COUNT, MAX_ITEMS, MAX_NAME_CHARACTERS};
use super::error::{ConfigError, Span, quote, quote_all};
use super::syntax::Lines;
use super::values::ValueError;
use super::words::nearest;

/// A table whose fields are read one by one.
pub(super) struct Fields<'a> {
    table: &'a DeTable<'a>,
    span: Range<usize>,
    /// What the table is, as in "skill `exa` of Expert `researcher`"; empty for the whole file.
    place: String,
    lines: &'a Lines,
}

/// A value in a table or an array, with its name.
pub(super) struct Field<'a> {
    name: Cow<'a, str>,
    /// Counted from 1, where the value is an item of the array `name`.
    item: Option<usize>,
    key_span: Range<usize>,
    value: &'a Spanned<DeValue<'a>>,
    place: &'a str,
    lines: &'a Lines,
}

impl<'a> Fields<'a> {
    pub(super) fn of_file(table: &'a Spanned<DeTable<'a>>, lines: &'a Lines) -> Self {
        Self { table: table.get_ref(), span: table.span(), place: String::new(), lines }
    }

    /// Refuses fields that are not `known`. Done before any field is read, so that a misspelt field is reported as such
    /// and not as the one that is missing.
    pub(super) fn refuse_unknown(&self, known: &[&str]) -> Result<(), ConfigError> {
        self.refuse_unknown_with(known, |_| None)
    }

    /// As `refuse_unknown`, where `advice` may know more about a field than that it is not here.
    pub(super) fn refuse_unknown_with(
        &self,
        known: &[&str],
        advice: impl Fn(&str) -> Option<String>,
    ) -> Result<(), ConfigError> {
        let Some(field) = self.entries().into_iter().find(|field| !known.contains(&field.name())) else {
            return Ok(());
        };
        let error = ConfigError::new(
            format!("unknown field {}{}", quote(field.name()), self.in_place()),
            field.key_span.clone(),
        );
        // A field of the whole file that stands below a header belongs to that table, which is easily overlooked.
        let of_the_file = !self.place.is_empty() && FILE_FIELDS.contains(&field.name());
        let advice = advice(field.name()).or_else(|| {
            of_the_file
                .then(|| format!("`{}` is a field of the whole file: move it above the first table", field.name()))
        });
        if advice.is_some() {
            return Err(error.with_hint(advice));
        }
        Err(match nearest(field.name(), known.iter().copied()) {
            Some(meant) => error.with_label(Some(format!("did you mean `{meant}`?"))),
            None => error.with_hint(Some(format!("known fields: {}", quote_all(known.iter().copied())))),
        })
    }

    /// The field of this name, where the table has one.
    pub(super) fn get(&self, name: &'static str) -> Option<Field<'_>> {
        let (key, value) = self.table.get_key_value(name)?;
        Some(Field {
            name: Cow::Borrowed(name),
            item: None,
            key_span: key.span(),
            value,
            place: &self.place,
            lines: self.lines,
        })
    }

    /// The field of this name, or an error at the header of the table.
    pub(super) fn required(&self, name: &'static str) -> Result<Field<'_>, ConfigError> {
        self.get(name).ok_or_else(|| self.missing(name))
    }

    pub(super) fn missing(&self, name: &str) -> ConfigError {
        ConfigError::new(format!("missing field `{name}`{}", self.in_place()), self.span.clone())
    }

    /// All fields, in the order of the file.
    pub(super) fn entries(&self) -> Vec<Field<'_>> {
        let mut fields: Vec<Field<'_>> = self
            .table
            .iter()
            .map(|(key, value)| Field {
                name: Cow::Borrowed(key.get_ref().as_ref()),
                item: None,
                key_span: key.span(),
                value,
                place: &self.place,
                lines: self.lines,
            })
            .collect();
        fields.sort_by_key(|field| field.key_span.start);
        fields
    }

    /// What `read` makes of the field of this name, where the table has one.
    pub(super) fn optional<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Field<'_>) -> Result<T, ConfigError>,
    ) -> Result<Option<T>, ConfigError> {
        self.get(name).map(|field| read(&field)).transpose()
    }

    /// A list, empty where the field is missing.
    pub(super) fn list<T>(
        &self,
        name: &'static str,
        read: impl FnMut(&Field<'_>) -> Result<T, ConfigError>,
    ) -> Result<Vec<T>, ConfigError> {
        self.get(name).map_or_else(|| Ok(Vec::new()), |field| field.list(MAX_ITEMS, read))
    }

    /// What the table is.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Where the table is defined.
    pub(super) fn span(&self) -> Span {
        Span { start: self.span.start, end: self.span.end, line: self.lines.line(self.span.start) }
    }

    fn in_place(&self) -> String {
        if self.place.is_empty() { String::new() } else { format!(" in {}", self.place) }
    }
}

impl<'a> Field<'a> {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// An error about the value.
    pub(super) fn invalid(&self, problem: impl fmt::Display) -> ConfigError {
        ConfigError::new(format!("{}: {problem}", self.subject("in")), self.value.span())
    }

    /// An error about the name.
    pub(super) fn invalid_name(&self, message: impl AsRef<str>) -> ConfigError {
        ConfigError::new(message, self.key_span.clone())
    }

    pub(super) fn value_error(&self, error: ValueError) -> ConfigError {
        self.invalid(&error.message)
            .with_label(error.suggestion.map(|meant| format!("did you mean `{meant}`?")))
            .with_hint(error.hint)
    }

    /// Any text, of at most `most` characters.
    pub(super) fn text(&self, most: usize) -> Result<String, ConfigError> {
        let text = self.str()?;
        let length = text.chars().count();
        if length > most {
            return Err(self.invalid(format_args!("{length} characters are too many, at most {most} are allowed")));
        }
        Ok(text.to_owned())
    }

    /// Text that is not empty and holds no NUL, such as a path, a command or a name.
    pub(super) fn filled(&self, most: usize) -> Result<String, ConfigError> {
        let text = self.text(most)?;
        match text.as_str() {
            "" => Err(self.invalid("must not be empty")),
            text if text.contains('\0') => Err(self.invalid("must not contain a NUL character")),
            _ => Ok(text),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, ConfigError> {
        self.value.get_ref().as_bool().ok_or_else(|| self.wrong_type("`true` or `false`"))
    }

    /// A whole number up to `MAX_COUNT`, at least `least`.
    pub(super) fn count(&self, least: u32) -> Result<u32, ConfigError> {
        self.integer(u64::from(least)..=u64::from(MAX_COUNT), "a whole number").map(|number| {
            // Within u32, as MAX_COUNT is.
            u32::try_from(number).unwrap_or(MAX_COUNT)
        })
    }

    /// A whole number within `range`; `expected` says what else could stand here.
    pub(super) fn integer(&self, range: RangeInclusive<u64>, expected: &str) -> Result<u64, ConfigError> {
        let integer = self.value.get_ref().as_integer().ok_or_else(|| self.wrong_type(expected))?;
        u64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|number| range.contains(number)).ok_or_else(
            || {
                let (least, most) = range.into_inner();
                self.invalid(format_args!("{} is out of range", quote(&integer.to_string())))
                    .with_hint(Some(format!("use a number from {least} to {most}")))
            },
        )
    }

    pub(super) fn is_integer(&self) -> bool {
        self.value.get_ref().is_integer()
    }

    /// Text that is read as a `T`.
    pub(super) fn parse<T: FromStr<Err = ValueError>>(&self) -> Result<T, ConfigError> {
        self.parse_expecting("a string")
    }

    /// Text that is read as a `T`; `expected` says what should stand here instead of what is no text.
    pub(super) fn parse_expecting<T: FromStr<Err = ValueError>>(&self, expected: &str) -> Result<T, ConfigError> {
        let text = self.value.get_ref().as_str().ok_or_else(|| self.wrong_type(expected))?;
        text.parse().map_err(|error| self.value_error(error))
    }

    /// An array of at most `most` items.
    pub(super) fn list<T>(
        &self,
        most: usize,
        mut read: impl FnMut(&Field<'_>) -> Result<T, ConfigError>,
    ) -> Result<Vec<T>, ConfigError> {
        let array = self.value.get_ref().as_array().ok_or_else(|| self.wrong_type("an array"))?;
        if array.len() > most {
            return Err(self.invalid(format_args!("{} items are too many, at most {most} are allowed", array.len())));
        }
        let item = |(index, value)| Field {
            name: self.name.clone(),
            item: Some(index + 1),
            key_span: self.key_span.clone(),
            value,
            place: self.place,
            lines: self.lines,
        };
        array.iter().enumerate().map(|indexed| read(&item(indexed))).collect()
    }

    /// A table, to be called `place` in messages.
    pub(super) fn table(&self, place: impl Into<String>) -> Result<Fields<'_>, ConfigError> {
        let table = self.value.get_ref().as_table().ok_or_else(|| self.wrong_type("a table"))?;
        Ok(Fields { table, span: self.value.span(), place: place.into(), lines: self.lines })
    }

    /// A table that is called by its name and the place it is in, as in "`limits` of `capabilities` of skill `exa`".
    pub(super) fn named_table(&self) -> Result<Fields<'_>, ConfigError> {
        self.table(self.subject("of"))
    }

    /// Refuses a name that `what` cannot have: names are shown, and kept in events.
    pub(super) fn check_name(&self, what: &str) -> Result<(), ConfigError> {
        let length = self.name().chars().count();
        if length == 0 || length > MAX_NAME_CHARACTERS || self.name().chars().any(char::is_control) {
            return Err(self.invalid_name(format!("{} cannot be the name of {what}", quote(self.name()))).with_hint(
                Some(format!("use 1 to {MAX_NAME_CHARACTERS} characters, none of them a control character")),
            ));
        }
        Ok(())
    }

    pub(super) fn wrong_type(&self, expected: &str) -> ConfigError {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        ConfigError::new(format!("{} must be {expected}, found {found}", self.subject("in")), self.value.span())
    }

    /// "`pick` in skill `exa` of Expert `researcher`", "item 2 of `pick` in …".
    fn subject(&self, preposition: &str) -> String {
        let item = self.item.map_or_else(String::new, |item| format!("item {item} of "));
        let place = if self.place.is_empty() { String::new() } else { format!(" {preposition} {}", self.place) };
        format!("{item}{}{place}", quote(&self.name))
    }

    fn str(&self) -> Result<&'a str, ConfigError> {
        self.value.get_ref().as_str().ok_or_else(|| self.wrong_type("a string"))
    }
}
