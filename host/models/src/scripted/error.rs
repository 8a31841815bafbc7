//! Why a script could not be read.

use perstack_core::config::ConfigError;

/// Why a script could not be read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it is")]
pub enum ScriptError {
    #[error("the script `{path}` cannot be read: {source}")]
    Unreadable { path: String, source: std::io::Error },
    #[error("the script `{path}` has more than {limit} bytes")]
    TooLarge { path: String, limit: usize },
    #[error("the script `{path}` is not UTF-8 text")]
    NotText { path: String },
    #[error("{}", .error.message)]
    Invalid { path: String, text: String, error: Box<ConfigError> },
}

impl ScriptError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { .. } => Some("check the path given with `--model`, and the file's permissions".into()),
            Self::TooLarge { .. } | Self::NotText { .. } => Some("check that this is the right file".into()),
            Self::Invalid { error, .. } => error.hint.clone(),
        }
    }
}
