//! From TOML values to JSON.

use std::ops::Range;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::DeValue;

use super::error::quote;

/// Deepest nesting of a value. It is kept in files with some nesting of their own, and serde_json reads at most 128
/// levels.
const MAX_DEPTH: usize = 64;

/// `value` as JSON; or what is in the way, and where.
pub(super) fn value(value: &Spanned<DeValue<'_>>) -> Result<Value, (String, Range<usize>)> {
    within(value, MAX_DEPTH)
}

fn within(value: &Spanned<DeValue<'_>>, depth: usize) -> Result<Value, (String, Range<usize>)> {
    let at = |problem: String| (problem, value.span());
    let deeper =
        || depth.checked_sub(1).ok_or_else(|| at(format!("more than {MAX_DEPTH} levels of nesting are too many")));
    Ok(match value.get_ref() {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Boolean(boolean) => (*boolean).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Integer(written) => {
            let (digits, radix) = (written.as_str(), written.radix());
            let number = i64::from_str_radix(digits, radix).map(Number::from);
            number
                .or_else(|_| u64::from_str_radix(digits, radix).map(Number::from))
                .map_err(|_| at(format!("{} is out of range", quote(&written.to_string()))))?
                .into()
        }
        DeValue::Float(written) => {
            let number = written.as_str().parse().ok().and_then(Number::from_f64);
            number.ok_or_else(|| at(format!("{} is no number of JSON", quote(written.as_str()))))?.into()
        }
        DeValue::Array(items) => {
            let depth = deeper()?;
            items.iter().map(|item| within(item, depth)).collect::<Result<_, _>>()?
        }
        DeValue::Table(table) => {
            let depth = deeper()?;
            // In the order of the file.
            let mut fields: Vec<_> = table.iter().collect();
            fields.sort_by_key(|(name, _)| name.span().start);
            let mut object = Map::new();
            for (name, value) in fields {
                object.insert(name.get_ref().to_string(), within(value, depth)?);
            }
            object.into()
        }
    })
}
