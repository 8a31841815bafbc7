//! Answers with very many parts, each of which is empty.

use perstack::Output;

pub(crate) fn run(parts: usize) -> Output {
    (0..parts).fold(Output::default(), |output, _| output.with_text(""))
}
