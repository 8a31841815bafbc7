//! What one guest call may use.

use std::time::Duration;

/// What one call of a guest may use. Passing a limit ends the call, or what it does just then, with an error that names
/// the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, initial and grown, over all memories.
    pub memory: u64,
    /// Wall-clock time of a skill's call, host calls included. For an Expert's logic: time in which the guest itself is
    /// busy or asleep; waiting for tools, models and people does not count.
    pub timeout: Duration,
    /// Bytes of a result, and, separately, of what is captured from stdout and stderr.
    pub output: u64,
    /// Elements of all tables.
    pub table_elements: u64,
    /// Core instances.
    pub instances: u64,
    /// Handles that are open at the same time: files, streams, requests and whatever else the host keeps for a guest.
    pub handles: u64,
    /// Bytes that the host copies out of a guest at once.
    pub buffers: u64,
    /// Bytes of keys and values of each scope of a skill's state.
    pub state: u64,
    /// Bytes that a call may add to the disk. A new file, directory or link counts as [`Limits::DISK_ENTRY`].
    pub disk: u64,
    /// Bytes of all bodies that a call sends over the network.
    pub upload: u64,
    /// Bytes of all bodies that a call receives over the network.
    pub download: u64,
    /// Requests that a call makes over the network. Each is on record as an event.
    pub requests: u64,
    /// Requests of a call that are under way at the same time.
    pub connections: u64,
    /// Bytes of the component.
    pub component: u64,
    /// Wall-clock time in which the component is compiled, where it was not compiled before.
    pub compile: Duration,
    /// Which of them are the operator's, because the project's are higher.
    pub by_policy: ByPolicy,
}

/// Which limits are those of the host policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as the limit is")]
pub struct ByPolicy {
    pub memory: bool,
    pub timeout: bool,
    pub output: bool,
}

impl Limits {
    /// Memory: enough for a garbage-collected language's runtime and some work, and a hundred at once fit a small host.
    pub const DEFAULT_MEMORY: u64 = 128 << 20;
    /// Time: longer than any healthy request to a network service takes.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
    /// Output: about 250,000 tokens, more than any model reads at once.
    pub const DEFAULT_OUTPUT: u64 = 1 << 20;
    /// Table elements: QuickJS and CPython stay below 60,000 functions.
    pub const DEFAULT_TABLE_ELEMENTS: u64 = 60_000;
    /// Core instances: a Python component has up to 38.
    pub const DEFAULT_INSTANCES: u64 = 100;
    /// Handles: as many open files as a Unix process may have by default.
    pub const DEFAULT_HANDLES: u64 = 1024;
    /// Buffers: several times the largest result that can be allowed.
    pub const DEFAULT_BUFFERS: u64 = 64 << 20;
    /// State: it is for what a skill must remember, not for its data.
    pub const DEFAULT_STATE: u64 = 1 << 20;
    /// Disk: more than an agent writes by hand, and a hundred of them fit a small disk.
    pub const DEFAULT_DISK: u64 = 256 << 20;
    /// What is sent: a document with images.
    pub const DEFAULT_UPLOAD: u64 = 16 << 20;
    /// What is received: half of the memory that a guest has by default.
    pub const DEFAULT_DOWNLOAD: u64 = 64 << 20;
    /// Requests: a crawl through a large site.
    pub const DEFAULT_REQUESTS: u64 = 1000;
    /// Requests under way: more than browsers make to one host.
    pub const DEFAULT_CONNECTIONS: u64 = 16;
    /// Component: a Python interpreter with a fair set of libraries has 18 MB. Compiling takes twenty times as much memory.
    pub const DEFAULT_COMPONENT: u64 = 64 << 20;
    /// Compile: CPython, the largest we know, takes 7 s on one slow core.
    pub const DEFAULT_COMPILE: Duration = Duration::from_secs(120);

    /// The most memory that can be asked for: what one slot of the engine's pool can hold.
    pub const MAX_MEMORY: u64 = 1 << 30;
    /// The most handles: all guests together have the process's own open files.
    pub const MAX_HANDLES: u64 = 16 << 10;
    /// The most state. It is read whole at the first access.
    pub const MAX_STATE: u64 = 16 << 20;
    /// The most requests under way: what all guests together may have.
    pub const MAX_CONNECTIONS: u64 = 256;
    /// The largest component: what is compiled in the memory of a large host.
    pub const MAX_COMPONENT: u64 = 256 << 20;

    /// What a new entry of a directory takes: a block of most file systems.
    pub const DISK_ENTRY: u64 = 4 << 10;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Self::DEFAULT_MEMORY,
            timeout: Self::DEFAULT_TIMEOUT,
            output: Self::DEFAULT_OUTPUT,
            table_elements: Self::DEFAULT_TABLE_ELEMENTS,
            instances: Self::DEFAULT_INSTANCES,
            handles: Self::DEFAULT_HANDLES,
            buffers: Self::DEFAULT_BUFFERS,
            state: Self::DEFAULT_STATE,
            disk: Self::DEFAULT_DISK,
            upload: Self::DEFAULT_UPLOAD,
            download: Self::DEFAULT_DOWNLOAD,
            requests: Self::DEFAULT_REQUESTS,
            connections: Self::DEFAULT_CONNECTIONS,
            component: Self::DEFAULT_COMPONENT,
            compile: Self::DEFAULT_COMPILE,
            by_policy: ByPolicy::default(),
        }
    }
}
