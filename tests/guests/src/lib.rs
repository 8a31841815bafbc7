//! A skill whose tools are what guests might try: one file a case, named `SUITE_CASE`, wired here as the tool of that
//! name. `perstack-test-artifacts` makes sure that each has a test.

mod sandbox_change_file;
mod sandbox_clocks;
mod sandbox_connect;
mod sandbox_context;
mod sandbox_echo;
mod sandbox_env;
mod sandbox_exit;
mod sandbox_fetch;
mod sandbox_fill_disk;
mod sandbox_large_result;
mod sandbox_list_dir;
mod sandbox_many_handles;
mod sandbox_many_listings;
mod sandbox_many_parts;
mod sandbox_memory_bomb;
mod sandbox_name_file;
mod sandbox_panic;
mod sandbox_probe;
mod sandbox_progress;
mod sandbox_race;
mod sandbox_random;
mod sandbox_raw_file;
mod sandbox_read_file;
mod sandbox_recursion;
mod sandbox_sleep;
mod sandbox_spin;
mod sandbox_state;
mod sandbox_stderr_flood;
mod sandbox_stdin;
mod sandbox_stdout_flood;
mod sandbox_symlink;
mod sandbox_write_file;

/// What guests might try.
#[perstack::skill]
mod cases {
    use perstack::{Output, ToolError};

    /// Answers with its argument.
    #[tool(read_only, idempotent)]
    fn sandbox_echo(text: String) -> String {
        crate::sandbox_echo::run(text)
    }

    /// Computes without end, and without a call to the host.
    #[tool]
    fn sandbox_spin() {
        crate::sandbox_spin::run();
    }

    /// Waits in a call to the host.
    #[tool]
    fn sandbox_sleep(milliseconds: u64) {
        crate::sandbox_sleep::run(milliseconds);
    }

    /// Takes memory until there is no more.
    #[tool]
    fn sandbox_memory_bomb(careful: bool) -> String {
        crate::sandbox_memory_bomb::run(careful)
    }

    /// Answers at length.
    #[tool]
    fn sandbox_large_result(bytes: u32, kind: String) -> Result<Output, ToolError> {
        crate::sandbox_large_result::run(bytes as usize, &kind)
    }

    /// Answers with very many parts, each of which is empty.
    #[tool]
    fn sandbox_many_parts(parts: u32) -> Output {
        crate::sandbox_many_parts::run(parts as usize)
    }

    /// Writes far more to stdout than anyone wants to keep.
    #[tool]
    fn sandbox_stdout_flood(bytes: u32) -> Result<String, String> {
        crate::sandbox_stdout_flood::run(bytes as usize)
    }

    /// Writes far more to stderr than anyone wants to keep.
    #[tool]
    fn sandbox_stderr_flood(bytes: u32) -> Result<String, String> {
        crate::sandbox_stderr_flood::run(bytes as usize)
    }

    /// Reads what the host's user types.
    #[tool]
    fn sandbox_stdin() -> Result<String, String> {
        crate::sandbox_stdin::run()
    }

    /// Crashes, and says why.
    #[tool]
    fn sandbox_panic(message: String) {
        crate::sandbox_panic::run(&message);
    }

    /// Ends the process that it believes to be.
    #[tool]
    fn sandbox_exit(code: i32) {
        crate::sandbox_exit::run(code);
    }

    /// Runs out of stack.
    #[tool]
    fn sandbox_recursion() -> u64 {
        crate::sandbox_recursion::run(0)
    }

    /// Reads a file, wherever it is, so many times.
    #[tool]
    fn sandbox_read_file(path: String, #[arg(default = 1)] times: u32) -> Result<String, String> {
        crate::sandbox_read_file::run(&path, times)
    }

    /// Uses a file as the standard library does not, and says what worked.
    #[tool]
    fn sandbox_raw_file(path: String) -> Result<String, String> {
        crate::sandbox_raw_file::run(&path)
    }

    /// Names a file for the host to read, wherever it is.
    #[tool]
    fn sandbox_name_file(path: String, media_type: String, #[arg(default = 1)] times: usize) -> perstack::Output {
        crate::sandbox_name_file::run(&path, &media_type, times)
    }

    /// Writes a file, wherever it is.
    #[tool]
    fn sandbox_write_file(path: String, text: String) -> Result<(), String> {
        crate::sandbox_write_file::run(&path, &text)
    }

    /// Lists a directory, wherever it is.
    #[tool]
    fn sandbox_list_dir(path: String) -> Result<String, String> {
        crate::sandbox_list_dir::run(&path)
    }

    /// Changes a file or a directory, in each way that there is.
    #[tool]
    fn sandbox_change_file(how: String, path: String, #[arg(default = "")] to: String) -> Result<(), String> {
        crate::sandbox_change_file::run(&how, &path, &to)
    }

    /// Makes a link and reads, writes or lists through it.
    #[tool]
    fn sandbox_symlink(link: String, target: String, #[arg(default = "")] below: String) -> Result<String, String> {
        crate::sandbox_symlink::run(&link, &target, &below)
    }

    /// Tries everything that can be tried on a path, and says what worked.
    #[tool]
    fn sandbox_probe(path: String) -> String {
        crate::sandbox_probe::run(&path)
    }

    /// One guest swaps what a name stands for, another uses the name meanwhile.
    // A lie, without which two calls would take turns.
    #[tool(read_only)]
    fn sandbox_race(role: String, link: String, targets: Vec<String>, milliseconds: u64) -> Result<String, String> {
        crate::sandbox_race::run(&role, &link, &targets, milliseconds)
    }

    /// Begins to list a directory again and again, and ends none.
    #[tool]
    fn sandbox_many_listings(path: String) -> String {
        crate::sandbox_many_listings::run(&path)
    }

    /// Opens a file again and again, and closes none.
    #[tool]
    fn sandbox_many_handles(path: String) -> String {
        crate::sandbox_many_handles::run(&path)
    }

    /// All that a process is told by its environment.
    #[tool]
    fn sandbox_env() -> String {
        crate::sandbox_env::run()
    }

    /// Both clocks: milliseconds since 1970, and nanoseconds between two readings.
    #[tool]
    fn sandbox_clocks() -> Result<String, String> {
        crate::sandbox_clocks::run()
    }

    /// Random numbers, from both of WASI's sources.
    #[tool]
    fn sandbox_random() -> Result<String, String> {
        crate::sandbox_random::run()
    }

    /// Does what it is told to its state, step by step.
    #[tool]
    fn sandbox_state(steps: Vec<String>) -> Result<String, String> {
        crate::sandbox_state::run(&steps)
    }

    /// Reports progress, more often and at greater length than anyone can read.
    #[tool]
    fn sandbox_progress(reports: u32, characters: u32) {
        crate::sandbox_progress::run(reports, characters as usize);
    }

    /// Which call this is.
    #[tool]
    fn sandbox_context() -> String {
        crate::sandbox_context::run()
    }

    /// Fills the disk.
    #[tool]
    fn sandbox_fill_disk(folder: String, how: String) -> Result<String, String> {
        crate::sandbox_fill_disk::run(&folder, &how)
    }

    /// Sends a request so many times, all of them together or one after the other. Answers with the last response.
    // A lie, without which two calls would take turns.
    #[tool(read_only)]
    fn sandbox_fetch(
        method: String,
        url: String,
        headers: Vec<String>,
        body: String,
        times: u32,
        together: bool,
    ) -> Result<String, String> {
        crate::sandbox_fetch::run(&crate::sandbox_fetch::Request { method, url, headers, body }, times, together)
    }

    /// Talks to the network, in each way that the standard library has.
    #[tool]
    fn sandbox_connect(how: String, address: String) -> Result<String, String> {
        crate::sandbox_connect::run(&how, &address)
    }
}
