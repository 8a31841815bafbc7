//! Enumerations that are written as one word, and what was probably meant by a word that is none of them.

/// Defines an enumeration whose variants are written as given words, with `as_str`, `Display` and `FromStr`.
macro_rules! words {
    ($(#[$about:meta])* $visibility:vis enum $name:ident { $($(#[$variant_about:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $name { $($(#[$variant_about])* $variant,)+ }

        impl $name {
            /// All of them as written, in the order of their definition.
            $visibility const WORDS: &[&str] = &[$($word),+];

            /// As written in `perstack.toml`.
            $visibility const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::config::ValueError;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::config::ValueError::unknown_word(word, Self::WORDS)),
                }
            }
        }
    };
}
pub(super) use words;

/// Names longer than this are compared with nothing: no word is as long, and the comparison is quadratic.
const MAX_COMPARED_BYTES: usize = 64;

/// The one of `words` that was probably meant by `written`.
pub fn nearest<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > MAX_COMPARED_BYTES {
        return None;
    }
    // `max_steps`, `max-steps` and `MaxSteps` all mean `maxSteps`.
    let plain = |word: &str| word.replace(['_', '-'], "").to_lowercase();
    let written = plain(written);
    words
        .into_iter()
        .map(|word| {
            let word_plain = plain(word);
            let longest = written.chars().count().max(word_plain.chars().count());
            (strsim::osa_distance(&written, &word_plain), longest, word)
        })
        // A third of the letters wrong still looks alike; more is another word.
        .filter(|(distance, longest, _)| distance * 3 <= *longest)
        .min_by_key(|(distance, _, _)| *distance)
        .map(|(_, _, word)| word)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_near_word_is_found_and_a_far_one_is_not() {
        let words = ["capabilities", "component", "maxSteps", "env"];
        assert_eq!(nearest("capabilites", words), Some("capabilities"));
        assert_eq!(nearest("max_steps", words), Some("maxSteps"));
        assert_eq!(nearest("evn", words), Some("env"));
        assert_eq!(nearest("colour", words), None);
        assert_eq!(nearest(&"c".repeat(100_000), words), None);
    }
}
