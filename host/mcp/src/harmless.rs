//! Text of a stranger, without what a terminal or a reader would obey.

/// Text in which every control character and every mark that changes the direction of writing is a space, but for tabs and
/// line ends.
pub fn harmless(text: &str) -> String {
    let shown = |character: char| match character {
        '\n' | '\t' => character,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}' => ' ',
        // Letters that cannot be seen, with which text can be hidden from people.
        '\u{e0000}'..='\u{e007f}' => ' ',
        character if character.is_control() => ' ',
        character => character,
    };
    text.replace("\r\n", "\n").chars().map(shown).collect()
}

/// The beginning of a text, harmless; what is left out is said.
pub(crate) fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => harmless(text),
        Some((end, _)) => format!("{} [cut off here: {} more bytes]", harmless(&text[..end]), text.len() - end),
    }
}

/// The same in one line.
pub(crate) fn in_one_line(text: &str, characters: usize) -> String {
    shortened(text, characters).replace(['\n', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_obey() {
        assert_eq!(harmless("a\x1b[31mb\r\nc\td\u{202e}e\u{9b}f\0"), "a [31mb\nc\td e f ");
        assert_eq!(harmless("hidden\u{e0041}"), "hidden ");
        assert_eq!(harmless("ä 漢 🙂"), "ä 漢 🙂");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöü!", 2), "äö [cut off here: 3 more bytes]");
        assert_eq!(in_one_line("a\nb\tc", 10), "a b c");
    }
}
