//! Where Experts are defined: a `perstack.toml` with the components beside it, in a folder or in the program itself.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use perstack_core::config::{Config, Expert, Position, SkillKind, Span};
use perstack_sandbox::{ComponentBytes, LoadError};

use crate::error::ProjectError;

const FILE_NAME: &str = "perstack.toml";
/// The largest perstack.toml: a hundred Experts with the longest instructions.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// One file of a project that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct BundledFile {
    /// Relative to the project.
    pub path: &'static str,
    /// Its content.
    pub content: &'static [u8],
}

/// The Experts of one `perstack.toml`.
#[derive(Clone, Debug)]
pub struct Project {
    config: Config,
    /// What `config` was read from, and where that is.
    text: Arc<str>,
    path: String,
    files: Files,
}

/// The components that an Expert names.
fn components(expert: &Expert) -> impl Iterator<Item = &str> {
    let skills = expert.skills.iter().filter_map(|skill| match &skill.kind {
        SkillKind::Wasm(wasm) => Some(wasm.component.as_str()),
        SkillKind::Interactive(_) | SkillKind::McpStdio(_) | SkillKind::McpSse(_) => None,
    });
    expert.logic.iter().map(|logic| logic.component.as_str()).chain(skills)
}

#[derive(Clone, Debug)]
enum Files {
    /// With its `perstack.toml`, of whatever name.
    Folder {
        folder: PathBuf,
        config: PathBuf,
    },
    Bundled(&'static [BundledFile]),
}

impl Project {
    /// The project of a folder: its `perstack.toml`, or that of the nearest folder above. None where there is none.
    ///
    /// # Errors
    /// [`ProjectError`].
    pub fn discover(folder: &Path) -> Result<Option<Self>, ProjectError> {
        let unreadable = |source| ProjectError::Unreadable { path: folder.display().to_string(), source };
        let folder = folder.canonicalize().map_err(unreadable)?;
        let found = folder.ancestors().map(|folder| folder.join(FILE_NAME)).find(|path| path.is_file());
        found.map(|path| Self::read(&path)).transpose()
    }

    /// The project of a `perstack.toml` of whatever name.
    ///
    /// # Errors
    /// [`ProjectError`].
    pub fn read(path: &Path) -> Result<Self, ProjectError> {
        let shown = path.display().to_string();
        let unreadable = |source| ProjectError::Unreadable { path: shown.clone(), source };
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(unreadable(std::io::Error::other("it is not a regular file")));
        }
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_CONFIG_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_CONFIG_BYTES {
            return Err(ProjectError::TooLarge { path: shown, limit: MAX_CONFIG_BYTES });
        }
        let text = String::from_utf8(bytes).map_err(|_| ProjectError::NotText { path: shown.clone() })?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self::parse(shown, text, Files::Folder { folder: folder.to_owned(), config: path.to_owned() })
    }

    /// A project that is part of the program. One of the files is its `perstack.toml`.
    ///
    /// # Errors
    /// [`ProjectError`].
    pub fn bundled(files: &'static [BundledFile]) -> Result<Self, ProjectError> {
        let config = files.iter().find(|file| file.path == FILE_NAME).map_or(&[][..], |file| file.content);
        let text = String::from_utf8_lossy(config).into_owned();
        Self::parse(FILE_NAME.to_owned(), text, Files::Bundled(files))
    }

    /// A project that is nowhere written down, whose components are in a folder.
    ///
    /// # Errors
    /// [`ProjectError`].
    pub fn unwritten(text: String, folder: &Path) -> Result<Self, ProjectError> {
        let config = folder.join(FILE_NAME);
        Self::parse("(made up)".to_owned(), text, Files::Folder { folder: folder.to_owned(), config })
    }

    fn parse(path: String, text: String, files: Files) -> Result<Self, ProjectError> {
        match Config::parse(&text) {
            Ok(config) => Ok(Self { config, text: text.into(), path, files }),
            Err(error) => Err(ProjectError::Invalid { path, text, error: Box::new(error) }),
        }
    }

    /// The folder that its components are relative to; none for one that is part of the program.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.files {
            Files::Folder { folder, .. } => Some(folder),
            Files::Bundled(_) => None,
        }
    }

    /// Where its `perstack.toml` is, if somebody can change it.
    pub fn path(&self) -> Option<&str> {
        matches!(self.files, Files::Folder { .. }).then_some(&self.path)
    }

    /// The line of `perstack.toml` in which a part of it begins.
    pub(crate) fn line(&self, span: &Span) -> usize {
        Position::of(span.start, &self.text).line
    }

    /// What `perstack.toml` says.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// An Expert by its key.
    pub fn expert(&self, key: &str) -> Option<&Expert> {
        self.config.experts.iter().find(|expert| expert.key == key)
    }

    /// The keys of all Experts, in the order of the file.
    pub fn expert_keys(&self) -> Vec<String> {
        self.config.experts.iter().map(|expert| expert.key.clone()).collect()
    }

    /// The files that say what Experts are and what they may do: `perstack.toml`, and the components.
    pub fn own_files(&self) -> Vec<PathBuf> {
        let Files::Folder { folder, config } = &self.files else { return Vec::new() };
        let components = self.config.experts.iter().flat_map(components).map(|component| folder.join(component));
        [config.clone()].into_iter().chain(components).collect()
    }

    /// Reads a component, by its path relative to `perstack.toml`.
    ///
    /// # Errors
    /// [`LoadError`]: it is missing, unreadable or too large.
    pub fn component(&self, path: &str) -> Result<ComponentBytes, LoadError> {
        match &self.files {
            Files::Folder { folder, .. } => ComponentBytes::read(&folder.join(path)),
            Files::Bundled(files) => match files.iter().find(|file| file.path == path) {
                Some(file) => ComponentBytes::new(file.content),
                None => Err(LoadError::Missing { path: path.to_owned() }),
            },
        }
    }
}
