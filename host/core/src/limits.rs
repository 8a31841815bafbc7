//! What one guest call may use.

use std::time::Duration;

/// What one call of a guest may use. Passing a limit ends the call with an error that names the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, initial and grown, over all memories.
    pub memory: u64,
    /// Wall-clock time of a skill's call, host calls included. For an Expert's logic: time in which the guest itself is
    /// busy or asleep; waiting for tools, models and people does not count.
    pub timeout: Duration,
    /// Bytes of a result, and, separately, of what is captured from stdout and stderr.
    pub output: u64,
    /// Bytes of all bodies that a call sends over the network.
    pub upload: u64,
    /// Bytes of all bodies that a call receives over the network.
    pub download: u64,
}

impl Limits {
    /// Memory: enough for a garbage-collected language's runtime and some work, and a hundred at once fit a small host.
    pub const DEFAULT_MEMORY: u64 = 128 << 20;
    /// Time: longer than any healthy request to a network service takes.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
    /// Output: about 250,000 tokens, more than any model reads at once.
    pub const DEFAULT_OUTPUT: u64 = 1 << 20;
    /// What is sent: a document with images.
    pub const DEFAULT_UPLOAD: u64 = 16 << 20;
    /// What is received: half of the memory that a guest has by default.
    pub const DEFAULT_DOWNLOAD: u64 = 64 << 20;
    /// The most memory that can be asked for: what one slot of the engine's pool can hold.
    pub const MAX_MEMORY: u64 = 1 << 30;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Self::DEFAULT_MEMORY,
            timeout: Self::DEFAULT_TIMEOUT,
            output: Self::DEFAULT_OUTPUT,
            upload: Self::DEFAULT_UPLOAD,
            download: Self::DEFAULT_DOWNLOAD,
        }
    }
}
