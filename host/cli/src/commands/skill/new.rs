//! `perstack skill new`: a folder that builds, with a test, and an Expert that uses the skill.

use std::fs;
use std::io::{self, ErrorKind, Write, stdout};
use std::path::{Path, PathBuf};
use std::process;
use std::str::FromStr;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{File, Kit};
use crate::args::NewArgs;
use crate::failure::{Exit, Failure};

/// The skill's name in templates, as it is and as an identifier.
const NAME: &str = "my-skill";
const IDENTIFIER: &str = "my_skill";
/// Characters of a name: it is part of the names of files.
const MAX_NAME: usize = 64;

/// A skill's name: `weather`, `word-count`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SkillName(String);

impl FromStr for SkillName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let words = text.split('-').all(|word| !word.is_empty() && is_word(word));
        if words && text.starts_with(|first: char| first.is_ascii_lowercase()) && text.len() <= MAX_NAME {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "a skill's name is of small letters, digits and single `-`, such as `word-count`, and has at most {MAX_NAME}"
            ))
        }
    }
}

/// `perstack skill new`.
pub(crate) fn new(args: &NewArgs) -> Result<Exit, Failure> {
    let (name, kit) = (args.name.0.as_str(), args.lang.kit());
    if kit.reserved.contains(&name) {
        let hint = format!("choose another name, such as `{name}-skill`");
        return Err(Failure::new(Exit::NotStarted, format_args!("`{name}` means something else there"), Some(hint)));
    }
    let folder = Path::new(name);
    write_folder(folder, &files(name, kit)).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            let hint = "choose another name, or another folder to be in".to_owned();
            Failure::new(Exit::NotStarted, format_args!("`{name}` is there already"), Some(hint))
        }
        _ => Failure::new(Exit::Failed, format_args!("`{name}` cannot be written: {error}"), None),
    })?;
    let next = format!("{name}: a skill, with a test and an Expert that uses it\n  cd {name} && perstack skill build");
    // Who reads nothing has the folder all the same.
    drop(writeln!(stdout(), "{next}"));
    Ok(Exit::Done)
}

/// All files of a new skill.
fn files(name: &str, kit: &Kit) -> Vec<(PathBuf, String)> {
    let identifier = name.replace('-', "_");
    let named = |(path, text): &File| (path.into(), text.replace(NAME, name).replace(IDENTIFIER, &identifier));
    let (vendor, sdk) = kit.sdk;
    let vendored = |(path, text): &File| (Path::new(vendor).join(path), (*text).to_owned());
    kit.template.iter().map(named).chain(sdk.iter().map(vendored)).collect()
}

/// Writes a folder as a whole, and never over another.
fn write_folder(folder: &Path, files: &[(PathBuf, String)]) -> io::Result<()> {
    if folder.symlink_metadata().is_ok() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    let unfinished = PathBuf::from(format!(".{}.{}", folder.display(), process::id()));
    fs::create_dir(&unfinished)?;
    let written = files.iter().try_for_each(|(path, text)| {
        let path = unfinished.join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text)
    });
    // Somebody may have made one meanwhile.
    let done = written.and_then(|()| Ok(renameat_with(CWD, &unfinished, CWD, folder, RenameFlags::NOREPLACE)?));
    if done.is_err() {
        // There is nothing more that can be done about it.
        drop(fs::remove_dir_all(&unfinished));
    }
    done
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::commands::skill::Lang;

    #[test]
    fn names_are_those_of_folders_crates_and_experts() {
        let long = "a".repeat(MAX_NAME + 1);
        for good in ["weather", "word-count", "a1-b2", &long[1..]] {
            assert_eq!(good.parse(), Ok(SkillName(good.to_owned())));
        }
        for bad in ["", "Weather", "-a", "a-", "a--b", "1a", "a_b", "../a", "a/b", ".", "a b", "ä", "a\n", &long] {
            assert!(bad.parse::<SkillName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn templates_have_the_new_name_everywhere() {
        for lang in Lang::value_variants() {
            for (path, text) in files("word-count", lang.kit()) {
                assert!(!text.contains(NAME) && !text.contains(IDENTIFIER), "{}", path.display());
            }
        }
    }
}
