//! `@perstack/base`, the skill that every Expert has: files of the workspace, a list of todos, and the end of a run.
//!
//! Names of tools and arguments, and the JSON of answers, are Perstack's. What a file is and where it may be is the
//! sandbox's matter: this component sees what it was granted and nothing else.

mod answer;
mod files;
mod folders;
mod info;
mod media;
mod path;
mod text;
mod time;
mod todo;

/// Files of the workspace, a list of todos, and the end of a run.
#[perstack::skill(write = ["."])]
mod base {
    use std::collections::BTreeMap;
    use std::path::Path;

    use perstack::{Output, ToolError};

    use crate::answer::{Empty, json};
    use crate::{files, folders, info, media, text, todo};

    /// The workspace, as a component sees it.
    const ROOT: &str = ".";

    fn root() -> &'static Path {
        Path::new(ROOT)
    }

    /// Ends your work. Call it alone, once everything is done. If todos remain it answers with them and the work goes
    /// on: complete them, or clear the list.
    #[tool(name = "attemptCompletion", title = "Attempt completion")]
    fn attempt_completion() -> Result<Output, ToolError> {
        match todo::remaining()? {
            Some(remaining) => json(&remaining),
            None => json(&Empty {}),
        }
    }

    /// Keeps your list of todos for this run: adds new ones, marks others as completed, and answers with the whole
    /// list. Call it without arguments to read the list.
    #[tool(name = "todo", title = "Todo")]
    fn update_todos(
        /// Titles of todos to add.
        #[arg(name = "newTodos")]
        new_todos: Option<Vec<String>>,
        /// Ids of todos that are done.
        #[arg(name = "completedTodos")]
        completed_todos: Option<Vec<u32>>,
    ) -> Result<Output, ToolError> {
        json(&todo::update(new_todos.unwrap_or_default(), &completed_todos.unwrap_or_default())?)
    }

    /// Empties your list of todos.
    #[tool(name = "clearTodo", title = "Clear todos", idempotent)]
    fn clear_todo() -> Result<Output, ToolError> {
        json(&todo::clear()?)
    }

    /// Says whether the tools of this skill work.
    #[tool(name = "healthCheck", title = "Health check", read_only, idempotent)]
    fn health_check() -> Result<Output, ToolError> {
        json(&info::Health { status: "ok", workspace: ROOT })
    }

    /// Would run a program, and always fails: no program can be started here. Use the other tools.
    #[tool(name = "exec", title = "Execute a command", destructive, open_world)]
    fn exec(
        /// The program.
        command: String,
        /// Its arguments.
        #[arg(default = Vec::new())]
        args: Vec<String>,
        /// Its environment variables.
        #[arg(default = BTreeMap::new())]
        env: BTreeMap<String, String>,
        /// The folder that it would run in.
        #[arg(default = ".")]
        cwd: String,
        /// Whether its output would be answered.
        #[arg(default = true)]
        stdout: bool,
        /// Whether its errors would be answered.
        #[arg(default = true)]
        stderr: bool,
        /// Milliseconds after which it would be ended.
        timeout: Option<f64>,
    ) -> Result<Output, ToolError> {
        let _ = (args, env, cwd, stdout, stderr, timeout);
        Err(ToolError::Failed(format!(
            "`{command}` was not run: the base skill is a component and cannot start programs; native programs will \
             come from the host"
        )))
    }

    /// Reads a text file, or lines of it. A file too long for one answer is refused with the lines that fit.
    #[tool(name = "readTextFile", title = "Read a text file", read_only, idempotent)]
    fn read_text_file(
        /// Path in the workspace.
        path: String,
        /// The first line, counted from 0.
        from: Option<u64>,
        /// The line before which to stop.
        to: Option<u64>,
    ) -> Result<Output, ToolError> {
        text::read(root(), &path, from, to)
    }

    /// Shows you an image: PNG, JPEG, GIF or WebP, at most 15 MB.
    #[tool(name = "readImageFile", title = "Read an image", read_only, idempotent)]
    fn read_image_file(
        /// Path in the workspace.
        path: String,
    ) -> Result<Output, ToolError> {
        media::image(root(), &path)
    }

    /// Shows you a PDF, at most 30 MB.
    #[tool(name = "readPdfFile", title = "Read a PDF", read_only, idempotent)]
    fn read_pdf_file(
        /// Path in the workspace.
        path: String,
    ) -> Result<Output, ToolError> {
        media::pdf(root(), &path)
    }

    /// Writes a text file, in place of what was there, and makes the folders that lead to it. Write longer texts in
    /// parts: the first with this tool, the others with appendTextFile.
    #[tool(name = "writeTextFile", title = "Write a text file", destructive, idempotent)]
    fn write_text_file(
        /// Path in the workspace.
        path: String,
        /// All of the file's text.
        #[arg(max = 10_000)]
        text: String,
    ) -> Result<Output, ToolError> {
        json(&text::write(root(), &path, text)?)
    }

    /// Adds text to the end of a file that exists. Starts no new line by itself.
    #[tool(name = "appendTextFile", title = "Append to a text file")]
    fn append_text_file(
        /// Path in the workspace.
        path: String,
        /// What to add.
        #[arg(max = 2_000)]
        text: String,
    ) -> Result<Output, ToolError> {
        json(&text::append(root(), &path, text)?)
    }

    /// Replaces a piece of a text file: the first place where it occurs exactly. Line ends become line feeds.
    #[tool(name = "editTextFile", title = "Edit a text file", destructive)]
    fn edit_text_file(
        /// Path in the workspace.
        path: String,
        /// What to put there.
        #[arg(name = "newText", max = 2_000)]
        new_text: String,
        /// What is there, with enough around it to occur once.
        #[arg(name = "oldText", min = 1, max = 2_000)]
        old_text: String,
    ) -> Result<Output, ToolError> {
        json(&text::edit(root(), &path, new_text, old_text)?)
    }

    /// Moves or renames a file or folder, and makes the folders that lead to its destination, where nothing may be yet.
    #[tool(name = "moveFile", title = "Move a file")]
    fn move_file(
        /// Where it is.
        source: String,
        /// Where it is to be.
        destination: String,
    ) -> Result<Output, ToolError> {
        json(&files::move_file(root(), &source, &destination)?)
    }

    /// Deletes a file.
    #[tool(name = "deleteFile", title = "Delete a file", destructive)]
    fn delete_file(
        /// Path in the workspace.
        path: String,
    ) -> Result<Output, ToolError> {
        json(&files::delete(root(), &path)?)
    }

    /// Tells a file's or folder's type, size and times.
    #[tool(name = "getFileInfo", title = "Get file info", read_only, idempotent)]
    fn get_file_info(
        /// Path in the workspace.
        path: String,
    ) -> Result<Output, ToolError> {
        json(&info::get(root(), &path)?)
    }

    /// Lists what is in a folder, sorted by name, with type, size and time of the last change.
    #[tool(name = "listDirectory", title = "List a folder", read_only, idempotent)]
    fn list_directory(
        /// Path in the workspace, whose root is `.`.
        #[arg(default = ".")]
        path: String,
    ) -> Result<Output, ToolError> {
        json(&folders::list(root(), &path)?)
    }

    /// Makes a folder, and those that lead to it.
    #[tool(name = "createDirectory", title = "Create a folder")]
    fn create_directory(
        /// Path in the workspace.
        path: String,
    ) -> Result<Output, ToolError> {
        json(&folders::create(root(), &path)?)
    }

    /// Deletes a folder, which must be empty unless `recursive` is set.
    #[tool(name = "deleteDirectory", title = "Delete a folder", destructive)]
    fn delete_directory(
        /// Path in the workspace.
        path: String,
        /// Whether to delete all that is in it.
        recursive: Option<bool>,
    ) -> Result<Output, ToolError> {
        json(&folders::delete(root(), &path, recursive.unwrap_or(false))?)
    }
}

#[cfg(test)]
mod tests;
