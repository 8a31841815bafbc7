//! SQL over database files of the workspace, with the real SQLite.
//!
//! What a database file is, and what may be done with it, is settled below this component: it sees what the project
//! granted, and a project that grants a folder for reading has a database that is only read.

mod database;
mod rows;

/// SQL over SQLite database files.
#[perstack::skill(write = ["."])]
mod sqlite {
    use std::path::Path;

    use perstack::ToolError;
    use perstack::json::Value;

    use crate::database::{self, Access};
    use crate::rows::{self, Answer, Changes, Table};

    /// Reads with one SQL statement: `SELECT`, `WITH`, `EXPLAIN` or a `PRAGMA` that reads. Changes nothing.
    #[tool(title = "Query a database", read_only, idempotent)]
    fn query(
        /// Path of the database file.
        #[arg(min = 1, max = 1024)]
        database: String,
        /// The statement, with `?1`, `?2` … or `:name` for values.
        #[arg(min = 1, max = 100_000)]
        sql: String,
        /// Values for the placeholders of the statement, in order: null, booleans, numbers or strings.
        #[arg(default = Vec::new(), max = 1000)]
        parameters: Vec<Value>,
        /// The most rows to answer with.
        #[arg(default = 100, min = 1, max = 5000)]
        limit: u32,
    ) -> Result<Answer, ToolError> {
        let connection = database::open(Path::new(&database), Access::Read)?;
        rows::query(&connection, &sql, &parameters, limit)
    }

    /// Changes the database, and creates the file if there is none. Several statements, separated by `;`, are done
    /// together or not at all; with `parameters` there can be only one.
    #[tool(title = "Change a database", destructive)]
    fn execute(
        /// Path of the database file; its folder must exist.
        #[arg(min = 1, max = 1024)]
        database: String,
        /// The statements.
        #[arg(min = 1, max = 1_000_000)]
        sql: String,
        /// Values for the placeholders of the statement, in order: null, booleans, numbers or strings.
        #[arg(default = Vec::new(), max = 1000)]
        parameters: Vec<Value>,
    ) -> Result<Changes, ToolError> {
        let mut connection = database::open(Path::new(&database), Access::Write)?;
        rows::execute(&mut connection, &sql, &parameters)
    }

    /// Lists the tables and views of a database with their columns and the statements that made them.
    #[tool(title = "Show the schema", read_only, idempotent)]
    fn schema(
        /// Path of the database file.
        #[arg(min = 1, max = 1024)]
        database: String,
    ) -> Result<Vec<Table>, ToolError> {
        rows::schema(&database::open(Path::new(&database), Access::Read)?)
    }
}

#[cfg(test)]
mod tests;
