//! Text from elsewhere, made fit for a terminal.

/// Removes what a terminal would obey: control characters, and those that change the direction of writing. Lines and
/// tabs stay.
pub(crate) fn harmless(text: &str) -> String {
    let harmful = |character: char| {
        let control = character.is_control() && !matches!(character, '\n' | '\t');
        let direction = matches!(character, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        control || direction
    };
    text.chars().filter(|character| !harmful(*character)).collect()
}

/// A size to one digit: `61 KB`, `1.6 MB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// `9.8k`.
pub(crate) fn count(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        1000..1_000_000 => format!("{}.{}k", number / 1000, number / 100 % 10),
        _ => format!("{}.{}M", number / 1_000_000, number / 100_000 % 10),
    }
}

/// `9.8k tokens`.
fn tokens(number: u64) -> String {
    format!("{} {}", count(number), if number == 1 { "token" } else { "tokens" })
}

/// `4 steps · 9.8k tokens`
pub(crate) fn used(steps: u64, total_tokens: u64) -> String {
    let steps = if steps == 1 { "1 step".to_owned() } else { format!("{steps} steps") };
    if total_tokens == 0 { steps } else { format!("{steps} · {}", tokens(total_tokens)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_removed() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{9b}c\u{202e}d\r\n\te\u{7}"), "a[2Jbcd\n\te");
        assert_eq!(harmless("│ ✓ ›"), "│ ✓ ›");
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!([999, 60_001, 1_600_000].map(size), ["999 B", "61 KB", "1.6 MB"]);
    }
}
