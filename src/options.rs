//! How a store is opened, and how one call behaves.

use std::time::Duration;

/// How a [`Store`](crate::Store) is opened. The default suits a service that creates and reads.
///
/// ```
/// let reader = keycask::Options::new().read_only(true).cache_users(1000);
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) read_only: bool,
    pub(crate) must_exist: bool,
    pub(crate) snapshots: bool,
    pub(crate) unlocked: bool,
    pub(crate) busy_timeout: Duration,
    pub(crate) cache_users: usize,
}

impl Options {
    /// The defaults: create what is missing, wait up to 5 seconds for others, keep up to 65,536 users' keys.
    #[must_use]
    pub fn new() -> Options {
        Options {
            read_only: false,
            must_exist: false,
            snapshots: false,
            unlocked: false,
            busy_timeout: Duration::from_millis(5000),
            cache_users: 65_536,
        }
    }

    /// Never write to the store, not even to roll back what a crashed program left.
    #[must_use]
    pub fn read_only(mut self, yes: bool) -> Options {
        self.read_only = yes;
        self
    }

    /// Fail with [`Status::NotFound`](crate::Status::NotFound) rather than make a store that is missing.
    #[must_use]
    pub fn must_exist(mut self, yes: bool) -> Options {
        self.must_exist = yes;
        self
    }

    /// This process will be snapshotted, and resumed more than once: from now on it takes every nonce by a system call of its
    /// own, whatever store or key it is for, so that nothing kept ahead is resumed twice.
    #[must_use]
    pub fn snapshots(mut self, yes: bool) -> Options {
        self.snapshots = yes;
        self
    }

    /// From now on this process locks no memory, whatever store or key it is for. Else keys lie in pages that are never swapped
    /// out, as far as half of what the process may lock (RLIMIT_MEMLOCK) reaches: master keys and pool keys first.
    #[must_use]
    pub fn unlocked(mut self, yes: bool) -> Options {
        self.unlocked = yes;
        self
    }

    /// How long a call waits for a store that others have locked.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Options {
        self.busy_timeout = timeout;
        self
    }

    /// How many users' keys are kept unwrapped; 0 keeps none.
    #[must_use]
    pub fn cache_users(mut self, users: usize) -> Options {
        self.cache_users = users;
        self
    }
}

impl Default for Options {
    fn default() -> Options {
        Options::new()
    }
}

/// How one call behaves, where it is not to behave plainly.
#[derive(Clone, Copy, Default, Debug)]
pub struct Call {
    /// Never make a key for an unknown user.
    pub existing: bool,
    /// Fail with [`Status::WouldBlock`](crate::Status::WouldBlock) rather than touch the store.
    pub cached_only: bool,
    /// Take tokens in canonical form alone.
    pub strict: bool,
}
