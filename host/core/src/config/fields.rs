//! Reading a table field by field, with errors that name the field, the table and the place.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::bounds::{MAX_COUNT, MAX_ITEMS, MAX_NAME_CHARACTERS};
use super::document::Document;
use super::error::{ConfigError, Span, quote, quote_all};
use super::json;
use super::values::{TimeLimit, ValueError};
use super::words::nearest;

/// A table whose fields are read one by one.
pub struct Fields<'a> {
    table: &'a DeTable<'a>,
    span: Range<usize>,
    /// What the table is, as in "skill `exa` of Expert `researcher`"; empty for the whole file.
    place: String,
    document: &'a Document<'a>,
}

/// A value in a table or an array, with its name.
pub struct Field<'a> {
    name: Cow<'a, str>,
    /// Counted from 1, where the value is an item of the array `name`.
    item: Option<usize>,
    key_span: Range<usize>,
    value: &'a Spanned<DeValue<'a>>,
    place: &'a str,
    document: &'a Document<'a>,
}

impl<'a> Fields<'a> {
    pub(super) fn of_file(table: &'a Spanned<DeTable<'a>>, document: &'a Document<'a>) -> Self {
        Self { table: table.get_ref(), span: table.span(), place: String::new(), document }
    }

    /// Refuses fields that are not `known`. Done before any field is read, so that a misspelt field is reported as such
    /// and not as the one that is missing.
    ///
    /// # Errors
    /// The first of them, with the name that was probably meant.
    pub fn refuse_unknown(&self, known: &[&str]) -> Result<(), ConfigError> {
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
        let of_the_file = !self.place.is_empty() && self.document.format.fields.contains(&field.name());
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
    pub fn get(&self, name: &'static str) -> Option<Field<'_>> {
        let (key, value) = self.table.get_key_value(name)?;
        Some(Field {
            name: Cow::Borrowed(name),
            item: None,
            key_span: key.span(),
            value,
            place: &self.place,
            document: self.document,
        })
    }

    /// The field of this name, or an error at the header of the table.
    ///
    /// # Errors
    /// The field is missing.
    pub fn required(&self, name: &'static str) -> Result<Field<'_>, ConfigError> {
        self.get(name).ok_or_else(|| self.missing(name))
    }

    /// An error at the header of the table, about a field that it lacks.
    pub fn missing(&self, name: &str) -> ConfigError {
        ConfigError::new(format!("missing field `{name}`{}", self.in_place()), self.span.clone())
    }

    /// All fields, in the order of the file.
    pub fn entries(&self) -> Vec<Field<'_>> {
        let mut fields: Vec<Field<'_>> = self
            .table
            .iter()
            .map(|(key, value)| Field {
                name: Cow::Borrowed(key.get_ref().as_ref()),
                item: None,
                key_span: key.span(),
                value,
                place: &self.place,
                document: self.document,
            })
            .collect();
        fields.sort_by_key(|field| field.key_span.start);
        fields
    }

    /// What `read` makes of the field of this name, where the table has one.
    ///
    /// # Errors
    /// What `read` finds.
    pub fn optional<T>(
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
        Span { start: self.span.start, end: self.span.end, line: self.document.line(self.span.start) }
    }

    fn in_place(&self) -> String {
        if self.place.is_empty() { String::new() } else { format!(" in {}", self.place) }
    }
}

impl<'a> Field<'a> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its line, from 1.
    pub(super) fn line(&self) -> usize {
        self.document.line(self.key_span.start)
    }

    /// An error about the value.
    pub fn invalid(&self, problem: impl fmt::Display) -> ConfigError {
        ConfigError::new(format!("{}: {problem}", self.subject("in")), self.value.span())
    }

    /// An error about the name.
    pub fn invalid_name(&self, message: impl AsRef<str>) -> ConfigError {
        ConfigError::new(message, self.key_span.clone())
    }

    pub(super) fn value_error(&self, error: ValueError) -> ConfigError {
        self.invalid(&error.message)
            .with_label(error.suggestion.map(|meant| format!("did you mean `{meant}`?")))
            .with_hint(error.hint)
    }

    /// Any text, of at most `most` characters.
    ///
    /// # Errors
    /// Not text, or longer.
    pub fn text(&self, most: usize) -> Result<String, ConfigError> {
        let text = self.str()?;
        let length = text.chars().count();
        if length > most {
            return Err(self.invalid(format_args!("{length} characters are too many, at most {most} are allowed")));
        }
        Ok(text.to_owned())
    }

    /// Text that is not empty and holds no NUL, such as a path, a command or a name.
    ///
    /// # Errors
    /// No such text.
    pub fn filled(&self, most: usize) -> Result<String, ConfigError> {
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
    ///
    /// # Errors
    /// No such number.
    pub fn count(&self, least: u32) -> Result<u32, ConfigError> {
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

    /// Whether it is text.
    pub fn is_text(&self) -> bool {
        self.value.get_ref().is_str()
    }

    /// Whether it is an array.
    pub fn is_list(&self) -> bool {
        self.value.get_ref().is_array()
    }

    pub(super) fn is_integer(&self) -> bool {
        self.value.get_ref().is_integer()
    }

    /// Text that is read as a `T`.
    ///
    /// # Errors
    /// No text, or none that a `T` is made of.
    pub fn parse<T: FromStr<Err = ValueError>>(&self) -> Result<T, ConfigError> {
        self.parse_expecting("a string")
    }

    /// Text that is read as a `T`; `expected` says what should stand here instead of what is no text.
    pub(super) fn parse_expecting<T: FromStr<Err = ValueError>>(&self, expected: &str) -> Result<T, ConfigError> {
        let text = self.value.get_ref().as_str().ok_or_else(|| self.wrong_type(expected))?;
        text.parse().map_err(|error| self.value_error(error))
    }

    /// The name, read as a `T`.
    ///
    /// # Errors
    /// No `T` is made of it.
    pub fn parse_name<T: FromStr<Err = ValueError>>(&self) -> Result<T, ConfigError> {
        self.name().parse().map_err(|error: ValueError| self.invalid_name(&error.message).with_hint(error.hint))
    }

    /// The value that is written as one of these words.
    ///
    /// # Errors
    /// None of them, with the one that was probably meant.
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, ConfigError> {
        let word = self.str()?;
        words.iter().find(|(known, _)| *known == word).map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
            self.value_error(ValueError::unknown_word(word, &words))
        })
    }

    /// A duration within `range`, written as `30s`.
    ///
    /// # Errors
    /// No such duration.
    pub fn duration(&self, range: RangeInclusive<TimeLimit>) -> Result<Duration, ConfigError> {
        let time: TimeLimit = self.parse_expecting("a duration such as `30s`")?;
        if !range.contains(&time) {
            return Err(self.invalid(format_args!("`{time}` is out of range")).with_hint(Some(format!(
                "use a duration from `{}` to `{}`",
                range.start(),
                range.end()
            ))));
        }
        Ok(time.duration())
    }

    /// Whatever it is, as JSON: dates and times become text.
    ///
    /// # Errors
    /// A number that JSON cannot hold, or nesting that is too deep to be read again.
    pub fn json(&self) -> Result<Value, ConfigError> {
        json::value(self.value)
            .map_err(|(problem, span)| ConfigError::new(format!("{}: {problem}", self.subject("in")), span))
    }

    /// An array of at most `most` items.
    ///
    /// # Errors
    /// No array, too many items, or what `read` finds.
    pub fn list<T>(
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
            document: self.document,
        };
        array.iter().enumerate().map(|indexed| read(&item(indexed))).collect()
    }

    /// A table, to be called `place` in messages.
    ///
    /// # Errors
    /// Not a table.
    pub fn table(&self, place: impl Into<String>) -> Result<Fields<'_>, ConfigError> {
        let table = self.value.get_ref().as_table().ok_or_else(|| self.wrong_type("a table"))?;
        Ok(Fields { table, span: self.value.span(), place: place.into(), document: self.document })
    }

    /// A table that is called by its name and the place it is in, as in "`limits` of `capabilities` of skill `exa`".
    ///
    /// # Errors
    /// Not a table.
    pub fn named_table(&self) -> Result<Fields<'_>, ConfigError> {
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

    /// An error about a value that is not `expected`, such as "a table".
    pub fn wrong_type(&self, expected: &str) -> ConfigError {
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
