/// Counts words.
// What it needs at the most; `perstack.toml` says what of that it gets.
#[perstack::skill(read = ["."])]
mod my_skill {
    /// How long a text is.
    #[perstack::data]
    pub struct Length {
        /// Its words.
        pub words: usize,
        /// Its lines.
        pub lines: usize,
    }

    /// Counts the words and lines of a text.
    #[tool(read_only, idempotent)]
    fn count(
        /// The text.
        text: String,
    ) -> Length {
        Length {
            words: text.split_whitespace().count(),
            lines: text.lines().count(),
        }
    }

    /// Counts the words and lines of a file.
    #[tool(read_only)]
    fn count_file(
        /// Where the file is in the workspace.
        path: String,
    ) -> Result<Length, String> {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("`{path}` cannot be read: {error}"))?;
        Ok(count(text))
    }
}

#[cfg(test)]
mod tests {
    use super::my_skill;

    #[test]
    fn words_are_counted() {
        let length = my_skill::count("To be,\nor not to be".to_owned());
        assert_eq!((length.words, length.lines), (6, 2));
    }

    #[test]
    fn a_model_gets_what_was_counted() {
        let output =
            perstack::testing::call::<my_skill::Skill>("count", r#"{"text":"one two"}"#).unwrap();
        assert_eq!(
            output.structured.as_deref(),
            Some(r#"{"words":2,"lines":1}"#)
        );
    }

    #[test]
    fn a_model_is_told_which_file_is_missing() {
        let error = my_skill::count_file("missing.txt".to_owned())
            .err()
            .unwrap();
        assert!(error.starts_with("`missing.txt` cannot be read"), "{error}");
    }
}
