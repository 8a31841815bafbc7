use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use perstack::ToolError;
use perstack::json::{Value, json};
use perstack::testing::call;
use rusqlite::Connection;
use tempfile::TempDir;

use super::sqlite::Skill;
use crate::rows::{MAX_ANSWER, MAX_TEXT};

/// A folder with a database in it.
struct Notes {
    folder: TempDir,
}

impl Notes {
    fn new() -> Self {
        let notes = Self { folder: TempDir::new().unwrap() };
        notes.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL, weight REAL, data BLOB)");
        notes
    }

    fn path(&self) -> String {
        self.folder.path().join("notes.db").to_str().unwrap().to_owned()
    }

    fn call(&self, tool: &str, more: Value) -> Result<Value, ToolError> {
        let mut arguments = json!({ "database": self.path() });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let output = call::<Skill>(tool, &arguments.to_string())?;
        Ok(perstack::json::from_str(&output.structured.unwrap()).unwrap())
    }

    fn execute(&self, sql: &str) -> Value {
        self.call("execute", json!({ "sql": sql })).unwrap()
    }

    fn query(&self, sql: &str) -> Value {
        self.call("query", json!({ "sql": sql })).unwrap()
    }

    fn refused(&self, tool: &str, more: Value) -> String {
        self.call(tool, more).unwrap_err().to_string()
    }
}

#[test]
fn what_is_written_is_read() {
    let notes = Notes::new();
    let sql = "INSERT INTO note (text, weight, data) VALUES (?1, ?2, ?3), ('plain', NULL, x'00ff')";
    let inserted = notes.call("execute", json!({ "sql": sql, "parameters": ["it's", 1.5, null] })).unwrap();
    assert_eq!(inserted, json!({ "rows_changed": 2, "last_insert_id": 2 }));
    let sql = "SELECT * FROM note WHERE id <= ?1 ORDER BY id";
    let read = notes.call("query", json!({ "sql": sql, "parameters": [2] })).unwrap();
    let columns = json!(["id", "text", "weight", "data"]);
    let rows = json!([[1, "it's", 1.5, null], [2, "plain", null, "<2 bytes>"]]);
    assert_eq!(read, json!({ "columns": columns, "rows": rows, "truncated": false }));
}

#[test]
fn the_schema_tells_tables_and_views() {
    let notes = Notes::new();
    notes.execute("CREATE VIEW heavy AS SELECT text FROM note WHERE weight > 10");
    let tables = notes.call("schema", json!({})).unwrap();
    assert_eq!(tables[0]["name"], "heavy");
    assert_eq!(tables[0]["columns"], json!(["text TEXT"]));
    assert_eq!(tables[1]["columns"], json!(["id INTEGER", "text TEXT", "weight REAL", "data BLOB"]));
    assert!(tables[1]["sql"].as_str().unwrap().starts_with("CREATE TABLE note"));
}

#[test]
fn a_query_changes_nothing() {
    let notes = Notes::new();
    notes.execute("INSERT INTO note (text) VALUES ('kept')");
    for sql in ["DELETE FROM note", "DROP TABLE note", "WITH x AS (SELECT 1) DELETE FROM note"] {
        assert!(notes.refused("query", json!({ "sql": sql })).contains("use `execute`"), "{sql}");
    }
    // SQLite takes these for statements that read.
    let elsewhere = notes.folder.path().join("made.db");
    let attach = format!("ATTACH '{}' AS made", elsewhere.display());
    for sql in ["PRAGMA user_version = 7", "PRAGMA journal_mode = PERSIST", "BEGIN IMMEDIATE", &attach] {
        drop(notes.call("query", json!({ "sql": sql })));
    }
    assert_eq!(notes.query("SELECT text FROM note")["rows"], json!([["kept"]]));
    assert_eq!(notes.query("PRAGMA user_version")["rows"], json!([[0]]));
    assert!(!elsewhere.exists());
    let two = notes.refused("query", json!({ "sql": "SELECT 1; DELETE FROM note" }));
    assert!(two.contains("Multiple statements"), "{two}");
}

#[test]
fn statements_are_done_together_or_not_at_all() {
    let notes = Notes::new();
    let sql = "INSERT INTO note (text) VALUES ('a'); INSERT INTO note (text) VALUES (NULL)";
    assert!(notes.refused("execute", json!({ "sql": sql })).contains("NOT NULL constraint failed: note.text"));
    let sql = "INSERT INTO note (text) VALUES ('a'); SELECT nonsense";
    assert!(notes.refused("execute", json!({ "sql": sql })).contains("no such column: nonsense"));
    assert_eq!(notes.query("SELECT count(*) FROM note")["rows"], json!([[0]]));
    let ended = "INSERT INTO note (text) VALUES ('a'); COMMIT; INSERT INTO note (text) VALUES ('b')";
    assert!(notes.refused("execute", json!({ "sql": ended })).contains("no transaction is active"));
}

#[test]
fn answers_are_bounded_and_say_so() {
    let notes = Notes::new();
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, 'some text' FROM n";
    let read = notes.query(many);
    assert_eq!((read["rows"].as_array().unwrap().len(), &read["truncated"]), (100, &json!(true)));
    let read = notes.query("SELECT 1 UNION SELECT 2");
    assert_eq!(read["truncated"], false);
    let exactly = notes.call("query", json!({ "sql": "SELECT 1 UNION SELECT 2", "limit": 2 })).unwrap();
    assert_eq!(exactly["truncated"], false);
    let long = notes.query("SELECT replace(hex(zeroblob(100000)), '0', 'é')");
    let text = long["rows"][0][0].as_str().unwrap();
    assert!(text.ends_with('…') && text.len() <= MAX_TEXT + 4 && long["truncated"] == true, "{}", text.len());
    let wide = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT hex(zeroblob(9000)) FROM n";
    let wide = notes.call("query", json!({ "sql": wide, "limit": 5000 })).unwrap();
    assert!(wide["truncated"] == true && wide.to_string().len() < MAX_ANSWER + 2 * MAX_TEXT);
    let huge = notes.refused("query", json!({ "sql": "SELECT zeroblob(17000000)" }));
    assert!(huge.contains("string or blob too big"), "{huge}");
}

#[test]
fn mistakes_are_told_as_what_they_are() {
    let notes = Notes::new();
    let absent = call::<Skill>("query", r#"{"database":"none.db","sql":"SELECT 1"}"#).unwrap_err();
    assert_eq!(absent.to_string(), "there is no database `none.db`");
    assert!(!fs::exists("none.db").unwrap());
    let missing = notes.call("query", json!({ "sql": "SELECT ?1" })).unwrap_err();
    assert!(matches!(&missing, ToolError::InvalidArguments(text) if text.contains("Wrong number of parameters")));
    let nested = notes.call("query", json!({ "sql": "SELECT ?1", "parameters": [[1]] })).unwrap_err();
    assert!(matches!(&nested, ToolError::InvalidArguments(text) if text.contains("not an array")), "{nested}");
    let wrong = notes.call("query", json!({ "sql": "SELEC 1" })).unwrap_err();
    assert!(matches!(&wrong, ToolError::InvalidArguments(text) if text.contains("syntax error")), "{wrong}");
    fs::write(notes.path(), "This is a text of some length, and no database at all. ".repeat(40)).unwrap();
    assert!(notes.refused("schema", json!({})).ends_with("notes.db` is no SQLite database"));
}

#[test]
fn a_lock_is_waited_for_until_it_is_abandoned() {
    let notes = Notes::new();
    let lock = format!("{}.lock", notes.path());
    fs::create_dir(&lock).unwrap();
    let busy = notes.refused("execute", json!({ "sql": "DELETE FROM note" }));
    assert!(busy.contains("is in use by another call") && busy.contains("notes.db.lock"), "{busy}");
    let long_ago = SystemTime::now() - Duration::from_secs(3601);
    fs::File::open(&lock).unwrap().set_modified(long_ago).unwrap();
    assert_eq!(notes.execute("DELETE FROM note")["rows_changed"], 0);
    assert!(!fs::exists(&lock).unwrap());
}

#[test]
fn a_folder_that_is_only_read_has_databases_too() {
    let notes = Notes::new();
    notes.execute("INSERT INTO note (text) VALUES ('kept')");
    // As a folder is that is granted for reading; the owner of files is not bound if it is the superuser.
    fs::set_permissions(notes.folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    assert_eq!(notes.query("SELECT text FROM note")["rows"], json!([["kept"]]));
    fs::set_permissions(notes.folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn what_was_interrupted_is_undone() {
    let notes = Notes::new();
    notes.execute("INSERT INTO note (text) VALUES ('kept')");
    let connection =
        Connection::open_with_flags_and_vfs(notes.path(), rusqlite::OpenFlags::default(), "unix-dotfile").unwrap();
    // Pages are written before the end, and the call never comes to it.
    connection.execute_batch("PRAGMA cache_size = 1; BEGIN IMMEDIATE").unwrap();
    let more = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) \
                INSERT INTO note (text) SELECT hex(zeroblob(50)) FROM n";
    connection.execute_batch(more).unwrap();
    std::mem::forget(connection);
    let journal = format!("{}-journal", notes.path());
    assert!(fs::metadata(&journal).unwrap().len() > 0);
    fs::remove_dir(format!("{}.lock", notes.path())).unwrap();
    assert_eq!(notes.execute("DELETE FROM note WHERE text <> 'kept'")["rows_changed"], 0);
    assert_eq!(notes.query("SELECT text FROM note")["rows"], json!([["kept"]]));
}
