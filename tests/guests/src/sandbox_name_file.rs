//! Names files for the host to read.

use perstack::Output;

pub(crate) fn run(path: &str, media_type: &str, times: usize) -> Output {
    (0..times).fold(Output::default(), |output, _| output.with_workspace_file(path, media_type))
}
