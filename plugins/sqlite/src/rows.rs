//! Statements and their answers.

use perstack::ToolError;
use perstack::json::{Number, Value};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Error, Rows, Statement, params_from_iter};

/// The longest answer, in bytes of its values. Below the default limit of 1 MiB, over which the host would end the call.
pub(crate) const MAX_ANSWER: usize = 400_000;
/// The longest text that is answered as a whole, in bytes.
pub(crate) const MAX_TEXT: usize = 20_000;
/// The most tables and views that a schema is told of.
const MAX_TABLES: u32 = 500;

/// Rows of a query.
#[perstack::data]
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    /// Names of the columns.
    pub(crate) columns: Vec<String>,
    /// The rows; bytes are told as `<12 bytes>`.
    pub(crate) rows: Vec<Vec<Value>>,
    /// Whether there are more rows, or longer texts, than were answered.
    pub(crate) truncated: bool,
}

/// What statements changed.
#[perstack::data]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Rows that were inserted, updated or deleted.
    pub(crate) rows_changed: u64,
    /// The id of the last row that was inserted, if any was.
    pub(crate) last_insert_id: Option<i64>,
}

/// A table or a view.
#[perstack::data]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// Its name.
    pub(crate) name: String,
    /// Its columns as `name type`.
    pub(crate) columns: Vec<String>,
    /// The statement that made it.
    pub(crate) sql: String,
}

/// A value for a placeholder.
struct Parameter<'a>(&'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self.0 {
            Value::Null => rusqlite::types::Value::Null,
            Value::Bool(value) => i64::from(*value).into(),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => number.into(),
                (None, Some(number)) if number.is_finite() => number.into(),
                _ => return Err(Error::ToSqlConversionFailure(format!("{number} is too large").into())),
            },
            Value::String(text) => return Ok(ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))),
            Value::Array(_) | Value::Object(_) => {
                let wrong = "a parameter is null, a boolean, a number or a string, not an array or an object";
                return Err(Error::ToSqlConversionFailure(wrong.into()));
            }
        };
        Ok(ToSqlOutput::Owned(value))
    }
}

/// Reads with one statement.
pub(crate) fn query(connection: &Connection, sql: &str, parameters: &[Value], limit: u32) -> Result<Answer, ToolError> {
    let mut statement = connection.prepare(sql).map_err(wrong)?;
    if !statement.readonly() {
        return Err(ToolError::InvalidArguments("the statement would change the database: use `execute`".to_owned()));
    }
    let columns = statement.column_names().map(str::to_owned).collect();
    let mut answer = Answer { columns, rows: Vec::new(), truncated: false };
    let mut left = MAX_ANSWER;
    let mut rows = bind(&mut statement, parameters)?;
    while let Some(row) = rows.next().map_err(wrong)? {
        let mut values = Vec::with_capacity(answer.columns.len());
        for column in 0..answer.columns.len() {
            let (value, whole) = told(row.get_ref(column).map_err(wrong)?);
            answer.truncated |= !whole;
            left = left.saturating_sub(size(&value));
            values.push(value);
        }
        if answer.rows.len() == limit as usize || left == 0 {
            answer.truncated = true;
            break;
        }
        answer.rows.push(values);
    }
    Ok(answer)
}

/// Changes with statements that are done together or not at all.
pub(crate) fn execute(connection: &mut Connection, sql: &str, parameters: &[Value]) -> Result<Changes, ToolError> {
    let before = connection.total_changes();
    let transaction = connection.transaction().map_err(wrong)?;
    if parameters.is_empty() {
        transaction.execute_batch(sql).map_err(wrong)?;
    } else {
        let mut statement = transaction.prepare(sql).map_err(wrong)?;
        let mut rows = bind(&mut statement, parameters)?;
        while rows.next().map_err(wrong)?.is_some() {}
    }
    let last_insert_id = Some(transaction.last_insert_rowid()).filter(|id| *id != 0);
    transaction.commit().map_err(wrong)?;
    Ok(Changes { rows_changed: connection.total_changes() - before, last_insert_id })
}

/// The tables and views.
pub(crate) fn schema(connection: &Connection) -> Result<Vec<Table>, ToolError> {
    let tables = "SELECT name, coalesce(sql, '') FROM sqlite_schema \
                  WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name LIMIT ?1";
    let mut statement = connection.prepare(tables).map_err(wrong)?;
    let found = statement.query_map([MAX_TABLES], |row| Ok((row.get(0)?, row.get(1)?))).map_err(wrong)?;
    let found: Vec<(String, String)> = found.collect::<Result<_, _>>().map_err(wrong)?;
    let mut left = MAX_ANSWER;
    let mut tables = Vec::with_capacity(found.len());
    for (name, sql) in found {
        let columns = columns(connection, &name).map_err(wrong)?;
        let length = name.len() + sql.len() + columns.iter().map(String::len).sum::<usize>();
        left = left.checked_sub(length).ok_or_else(|| {
            let advice = "query `sqlite_schema` and `pragma_table_info(…)` for parts of it";
            ToolError::Failed(format!("the schema is longer than {MAX_ANSWER} bytes: {advice}"))
        })?;
        tables.push(Table { name, columns, sql });
    }
    Ok(tables)
}

fn columns(connection: &Connection, table: &str) -> Result<Vec<String>, Error> {
    let mut statement = connection.prepare("SELECT name, type FROM pragma_table_xinfo(?1)")?;
    let told = |name: String, kind: String| format!("{name} {kind}").trim_end().to_owned();
    statement.query_map([table], |row| Ok(told(row.get(0)?, row.get(1)?)))?.collect()
}

fn bind<'a>(statement: &'a mut Statement<'_>, parameters: &[Value]) -> Result<Rows<'a>, ToolError> {
    statement.query(params_from_iter(parameters.iter().map(Parameter))).map_err(wrong)
}

/// A value as JSON, and whether it is all of it.
fn told(value: ValueRef<'_>) -> (Value, bool) {
    match value {
        ValueRef::Null => (Value::Null, true),
        ValueRef::Integer(number) => (number.into(), true),
        // What is no number in JSON, as SQLite writes it.
        ValueRef::Real(number) => {
            (Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number), true)
        }
        ValueRef::Text(text) => {
            let whole = text.len() <= MAX_TEXT;
            let mut told = String::from_utf8_lossy(&text[..text.len().min(MAX_TEXT)]).into_owned();
            if !whole {
                told.push('…');
            }
            (told.into(), whole)
        }
        ValueRef::Blob(bytes) => (format!("<{} bytes>", bytes.len()).into(), true),
    }
}

/// How much of an answer a value takes, about.
fn size(value: &Value) -> usize {
    value.as_str().map_or(8, str::len) + 4
}

fn wrong(error: Error) -> ToolError {
    let invalid = matches!(
        error,
        Error::SqlInputError { .. }
            | Error::InvalidParameterCount(..)
            | Error::MultipleStatement
            | Error::ToSqlConversionFailure(_)
    );
    if invalid { ToolError::InvalidArguments(error.to_string()) } else { ToolError::Failed(error.to_string()) }
}
