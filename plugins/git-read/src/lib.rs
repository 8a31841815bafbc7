//! The history of git repositories in the workspace: read from their files, without git, and without a way to change
//! anything.

mod changes;
mod delta;
mod history;
mod objects;
mod repository;
mod revision;

/// Reads git repositories: history, differences, files as they were.
#[perstack::skill(read = ["."])]
mod git {
    use perstack::ToolError;

    use crate::changes;
    use crate::history::{self, Commit, Entry};
    use crate::repository::{Reference, Repository};

    /// Lists commits from a revision backwards, the newest first.
    #[tool(title = "Show the history", read_only, idempotent)]
    fn log(
        /// Folder of the repository.
        #[arg(default = ".")]
        repository: String,
        /// Where to begin: a branch, a tag, a hash of 4 digits or more, `HEAD`; `~2` and `^2` after it lead to ancestors.
        #[arg(default = "HEAD")]
        revision: String,
        /// Only commits that changed this file or folder.
        path: Option<String>,
        /// The most commits to answer with.
        #[arg(default = 20, min = 1, max = 500)]
        limit: u32,
        /// How many of the newest to leave out.
        #[arg(default = 0, max = 100_000)]
        skip: u32,
    ) -> Result<Vec<Commit>, ToolError> {
        let repository = Repository::open(&repository)?;
        let from = repository.commit(&revision)?;
        history::log(&repository, from, path.as_deref(), skip as usize, limit as usize)
    }

    /// Shows a commit: who made it, its message, and what it changed from its first parent.
    #[tool(title = "Show a commit", read_only, idempotent)]
    fn show(
        /// Folder of the repository.
        #[arg(default = ".")]
        repository: String,
        /// The commit.
        #[arg(default = "HEAD")]
        revision: String,
        /// Only changes of this file or folder.
        path: Option<String>,
    ) -> Result<String, ToolError> {
        let repository = Repository::open(&repository)?;
        let commit = repository.commit(&revision)?;
        history::show(&repository, commit, path.as_deref())
    }

    /// Shows the differences between two revisions, as a unified diff.
    #[tool(title = "Compare revisions", read_only, idempotent)]
    fn diff(
        /// Folder of the repository.
        #[arg(default = ".")]
        repository: String,
        /// The older revision.
        from: String,
        /// The newer revision.
        #[arg(default = "HEAD")]
        to: String,
        /// Only changes of this file or folder.
        path: Option<String>,
    ) -> Result<String, ToolError> {
        let repository = Repository::open(&repository)?;
        let (from, to) = (repository.tree(&from)?, repository.tree(&to)?);
        changes::between(&repository, Some(from), to, path.as_deref())
    }

    /// Reads a text file as it was in a revision.
    #[tool(title = "Read a file of a revision", read_only, idempotent)]
    fn read(
        /// Folder of the repository.
        #[arg(default = ".")]
        repository: String,
        /// The revision.
        #[arg(default = "HEAD")]
        revision: String,
        /// The file, from the repository's root.
        path: String,
    ) -> Result<String, ToolError> {
        let repository = Repository::open(&repository)?;
        history::read(&repository, repository.tree(&revision)?, &path)
    }

    /// Lists a folder as it was in a revision.
    #[tool(title = "List a folder of a revision", read_only, idempotent)]
    fn list(
        /// Folder of the repository.
        #[arg(default = ".")]
        repository: String,
        /// The revision.
        #[arg(default = "HEAD")]
        revision: String,
        /// The folder, from the repository's root.
        #[arg(default = "")]
        path: String,
    ) -> Result<Vec<Entry>, ToolError> {
        let repository = Repository::open(&repository)?;
        history::list(&repository, repository.tree(&revision)?, &path)
    }

    /// Lists branches, tags and what else has a name, and where `HEAD` is.
    #[tool(title = "List branches and tags", read_only, idempotent)]
    fn references(
        /// Folder of the repository.
        #[arg(default = ".")]
        repository: String,
    ) -> Result<Vec<Reference>, ToolError> {
        Repository::open(&repository)?.references()
    }
}

#[cfg(test)]
mod tests;
