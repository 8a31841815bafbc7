//! Opening database files.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use perstack::ToolError;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};

/// How SQLite locks a file where there are no locks of the system, as in a sandbox: by a folder beside it. The same is
/// used natively, so that unit tests show what components do.
const LOCKING: &str = "unix-dotfile";
/// How long a call waits for another one to be done with the file.
const PATIENCE: Duration = Duration::from_secs(5);
/// How old a lock is that was left by a call that was ended: no call takes that long.
const ABANDONED: Duration = Duration::from_secs(3600);
/// The longest value, statement or row, in bytes.
const MAX_LENGTH: i32 = 16 * 1024 * 1024;
/// How many other files a statement may attach.
const MAX_ATTACHED: i32 = 4;
/// What pages are kept in memory, in KiB; negative as SQLite tells it from a number of pages.
const CACHE: i64 = -8 * 1024;

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The file must be there, and is not changed.
    Read,
    /// The file is created where there is none.
    Write,
}

/// Opens a database file.
///
/// # Errors
/// [`ToolError::Failed`]: there is no file to read, or what SQLite says.
pub(crate) fn open(path: &Path, access: Access) -> Result<Connection, ToolError> {
    if access == Access::Read && !path.exists() {
        return Err(ToolError::Failed(format!("there is no database `{}`", path.display())));
    }
    remove_abandoned_lock(path);
    let connection = match connect(path, access, LOCKING) {
        // Where a folder is granted for reading no lock can be made. Who writes meanwhile is noticed by SQLite at most.
        Err(error) if access == Access::Read && cannot_lock(&error) => connect(path, access, "unix-none"),
        connection => connection,
    };
    connection.map_err(|error| explain(path, &error))
}

fn cannot_lock(error: &Error) -> bool {
    let refused = [ErrorCode::PermissionDenied, ErrorCode::ReadOnly, ErrorCode::SystemIoFailure];
    error.sqlite_error_code().is_some_and(|code| refused.contains(&code))
}

fn connect(path: &Path, access: Access, locking: &str) -> Result<Connection, Error> {
    let may = match access {
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    let connection = Connection::open_with_flags_and_vfs(path, may | OpenFlags::SQLITE_OPEN_NO_MUTEX, locking)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_LENGTH)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, MAX_ATTACHED)?;
    // A file of a stranger must not do more than hold data.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cache_size", CACHE)?;
    // There is no other folder for files that are only needed for a while.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Reads the file's first page, so that what is wrong with it is told as that.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// The folder that is there while somebody uses the file.
fn lock_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// A call that is ended in the middle leaves its lock behind, and with it the file could not be used ever again. What
/// it had begun is undone from the journal by the next one.
fn remove_abandoned_lock(path: &Path) {
    let lock = lock_of(path);
    let changed = fs::symlink_metadata(&lock).ok().filter(fs::Metadata::is_dir).and_then(|data| data.modified().ok());
    let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
    if age.is_some_and(|age| age > ABANDONED) {
        // Only an empty folder can be removed so, and if it stays the call will say that the file is locked.
        drop(fs::remove_dir(lock));
    }
}

/// What went wrong, for a model.
pub(crate) fn explain(path: &Path, error: &Error) -> ToolError {
    let path = path.display();
    let said = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => format!("`{path}` is no SQLite database"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => format!(
            "`{path}` is in use by another call, or was when one was ended in the middle: try again, and if nothing \
             else uses it, remove the folder `{path}.lock`"
        ),
        Some(ErrorCode::CannotOpen) => format!(
            "`{path}` cannot be opened: it is not granted, its folder does not exist, or it is in WAL mode, which \
             needs memory that processes share (`PRAGMA journal_mode = DELETE` elsewhere changes that)"
        ),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => format!("`{path}` can only be read"),
        _ => format!("`{path}`: {error}"),
    };
    ToolError::Failed(said)
}
