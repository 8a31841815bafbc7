//! A model that plays replies from a file, in order, to each Expert its own.
//!
//! It keeps no state: which reply is due follows from the prompt, so a killed process resumes at the right place.

mod error;
mod read;
mod reply;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use perstack_core::config::{ConfigError, nearest};
use perstack_core::{Deltas, Generation, Model, ModelError, Prompt};

use reply::Reply;

pub use error::ScriptError;
pub use read::{DEFAULT_CONTEXT_WINDOW, MAX_PIECES, MAX_REPLIES, MAX_SCRIPT_BYTES};

/// Plays replies from a file. `docs/testing-experts.md` says how they are written.
#[derive(Clone, Debug)]
pub struct ScriptedModel {
    name: String,
    context_window: u64,
    experts: BTreeMap<String, Vec<Reply>>,
}

impl ScriptedModel {
    /// Reads the script at `path`, which is also the model's name.
    ///
    /// # Errors
    /// The file cannot be read, or is no script.
    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        let name = path.display().to_string();
        let text = read_text(path, &name)?;
        Self::parse(&text, &name).map_err(|error| ScriptError::Invalid { path: name, text, error: Box::new(error) })
    }

    /// Makes a model called `name` of the text of a script.
    ///
    /// # Errors
    /// The first mistake: in the syntax, an unknown or missing field, or a value that cannot be.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        let script = read::script(text)?;
        Ok(Self { name: name.to_owned(), context_window: script.context_window, experts: script.experts })
    }

    /// The reply that is due.
    fn choose(&self, prompt: &Prompt<'_>) -> Result<&Reply, ModelError> {
        let replies = self.experts.get(prompt.expert_key).ok_or_else(|| self.unknown_expert(prompt.expert_key))?;
        let fitting: Vec<&Reply> = replies.iter().filter(|reply| reply.fits(prompt.messages)).collect();
        let due = usize::try_from(prompt.turn).ok().and_then(|turn| fitting.get(turn));
        due.copied().ok_or_else(|| {
            let Prompt { expert_key: expert, turn, .. } = prompt;
            let found = if fitting.len() == replies.len() {
                format!("it has {}", replies.len())
            } else {
                format!("it has {} for this query, {} in all", fitting.len(), replies.len())
            };
            let message = format!(
                "the script `{}` has no reply {} for Expert `{expert}`: {found}; add another \
                 `[[experts.\"{expert}\".replies]]`",
                self.name,
                turn.saturating_add(1),
            );
            ModelError::NotAsked { message }
        })
    }

    fn unknown_expert(&self, expert: &str) -> ModelError {
        let advice = match nearest(expert, self.experts.keys().map(String::as_str)) {
            Some(near) => format!("is `{near}` meant to be it?"),
            None => format!("add `[[experts.\"{expert}\".replies]]`"),
        };
        let message = format!("the script `{}` has no replies for Expert `{expert}`: {advice}", self.name);
        ModelError::NotAsked { message }
    }
}

#[async_trait::async_trait]
impl Model for ScriptedModel {
    fn name(&self) -> &str {
        &self.name
    }

    fn context_window(&self) -> Option<u64> {
        Some(self.context_window)
    }

    fn stands_in(&self) -> bool {
        true
    }

    async fn generate(&self, prompt: Prompt<'_>, deltas: &dyn Deltas) -> Result<Generation, ModelError> {
        let reply = self.choose(&prompt)?;
        tokio::time::timeout(prompt.timeout, reply.play(deltas)).await.unwrap_or_else(|_| {
            let message = format!("no reply within {} s", prompt.timeout.as_secs_f64());
            Err(ModelError::Transient { message, retry_after: None })
        })
    }
}

fn read_text(path: &Path, name: &str) -> Result<String, ScriptError> {
    let unreadable = |source| ScriptError::Unreadable { path: name.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One more, by which a larger file is known.
    file.take(MAX_SCRIPT_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_SCRIPT_BYTES {
        return Err(ScriptError::TooLarge { path: name.to_owned(), limit: MAX_SCRIPT_BYTES });
    }
    String::from_utf8(bytes).map_err(|_| ScriptError::NotText { path: name.to_owned() })
}
