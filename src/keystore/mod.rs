//! Where wrapped keys lie. [`KeyStore`] is what the rest of keycask asks of such a place; each engine implements it in a
//! module of its own.

mod location;
mod sqlite;
mod tables;

use std::path::Path;

use crate::error::Result;
use crate::master_key::{MasterKeyId, WRAPPED_SIZE, WrappedKey};
use crate::options::Options;
use crate::user::User;

pub(crate) use location::Location;
pub(crate) use tables::{KeptKey, KeptPlace, Layout, Mark, OwnKey, Place, Tables, UserRow, WritableTables};

/// Opens the key store at `location`, and makes it where it is missing and `options` allow.
pub(crate) fn open(location: &Location, options: &Options) -> Result<Box<dyn KeyStore>> {
    Ok(Box::new(sqlite::SqliteStore::open(location, options)?))
}

/// A place that keeps wrapped keys. Its calls may wait for other processes, no longer than the busy timeout.
pub(crate) trait KeyStore: Send + Sync {
    /// The place as a message names it.
    fn name(&self) -> String;

    /// Whether this process may use the store: not one that was cloned, or forked in the middle of a call on it.
    fn is_usable(&self) -> bool;

    /// Whether the store has changed since the last call that found an answer. The first call says that it has.
    fn look(&self, patience: Patience) -> Result<Change>;

    /// Whether nothing has surely changed since that call; a yes waits for nobody. No: look.
    fn is_unchanged(&self) -> bool;

    /// Runs `work` on one unchanging state of the store; again from the start where others were in the way.
    fn read(&self, patience: Patience, work: &mut dyn FnMut(&dyn Tables) -> Result<()>) -> Result<()>;

    /// Runs `work` alone among all writers; again from the start where others were in the way. What it wrote is durable when
    /// this returns `Ok`, and undone when `work` fails. When this fails later, at a folder that could not be synced say, it
    /// may stand.
    fn write(&self, work: &mut dyn FnMut(&dyn WritableTables) -> Result<()>) -> Result<()>;

    /// [`KeyStore::write`] of what changes nothing for users who are there already: a look that comes later need not find it.
    fn add(&self, work: &mut dyn FnMut(&dyn WritableTables) -> Result<()>) -> Result<()>;

    /// Sees to it that none of `remains`, bytes of rows that were removed, is found in the store's files any more.
    fn purge(&self, remains: &[Box<[u8]>]) -> Result<()>;

    /// Writes the store anew, so that nothing but its rows is in its files.
    fn rebuild(&self) -> Result<()>;

    /// Writes a copy of one unchanging state of the store to `path`, where nothing is yet, and syncs it.
    fn copy_to(&self, path: &Path) -> Result<()>;

    /// What the engine itself finds wrong with the store; in its own words, at most `limit` findings.
    fn findings(&self, limit: u32) -> Result<Vec<String>>;

    /// What was counted since the store was opened.
    fn work_done(&self) -> WorkDone;
}

/// The rows of a key store, as one transaction sees them.
pub(crate) trait Rows {
    /// The place as a message names it.
    fn store_name(&self) -> String;

    /// The row of `user`.
    fn user_key(&self, user: User<'_>) -> Result<Option<StoredKey>>;

    /// The first `limit` rows, handed to `visit` until it answers that it has seen enough.
    fn first_user_keys(&self, limit: u32, visit: &mut dyn FnMut(StoredKey) -> Enough) -> Result<()>;

    /// The master keys that have been registered, in the order in which they were.
    fn master_keys(&self) -> Result<Vec<Registered>>;

    /// What a program must understand to read, and to write, this store.
    fn demands(&self) -> Result<Demands>;
}

/// The rows of a key store inside a writing transaction.
pub(crate) trait WritableRows: Rows {
    /// Makes keycask's own tables where they are missing.
    fn make_own_tables(&self) -> Result<()>;

    /// Adds the row of a user that has none.
    fn add_user_key(&self, user: User<'_>, wrapped: &WrappedKey) -> Result<()>;

    /// Registers a master key that is not registered, as active.
    fn add_master_key(&self, id: MasterKeyId) -> Result<()>;

    /// What may be done under a registered master key from now on.
    fn set_master_key_state(&self, id: MasterKeyId, state: MasterKeyState) -> Result<()>;

    /// Makes the tables that operations use, and adds to what programs must understand.
    fn demand(&self, demands: Demands) -> Result<()>;
}

/// What an engine counted.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct WorkDone {
    pub(crate) reads: u64,
    pub(crate) commits: u64,
    /// Times that a call waited because others held a lock.
    pub(crate) waits: u64,
}

/// How long a call waits for others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Patience {
    None,
    /// As the store's options say.
    Timeout,
}

/// What has changed in a store; more comes later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    None,
    /// Somebody has written to it.
    Rows,
    /// Another file lies in its place, such as a restored backup.
    File,
}

/// Whether a visitor of rows wants more of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enough {
    Yes,
    No,
}

/// What stands in a user's row. Other programs write rows too, so it may be anything.
pub(crate) enum StoredKey {
    Wrapped(WrappedKey),
    /// A value that is no wrapped key, as a message describes it.
    Damaged(String),
}

impl StoredKey {
    pub(crate) fn from_blob(blob: &[u8]) -> StoredKey {
        match blob.try_into() {
            Ok(wrapped) => StoredKey::Wrapped(wrapped),
            Err(_) => StoredKey::Damaged(format!("has {} bytes where {WRAPPED_SIZE} belong", blob.len())),
        }
    }
}

/// A master key that a store knows.
pub(crate) struct Registered {
    pub(crate) id: MasterKeyId,
    pub(crate) state: MasterKeyState,
}

/// What may still be done under a registered master key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MasterKeyState {
    /// Opens and creates.
    Active,
    /// Opens; its rows are being moved to another.
    Retiring,
    /// Opens nothing in this store any more.
    Retired,
}

/// Two sets of bits. One that a program does not know forbids it to read, or to write.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Demands {
    pub(crate) must_read: u64,
    pub(crate) must_write: u64,
}

impl Demands {
    /// In `must_write`: users may be marked as erased, and master keys be retired.
    pub(crate) const OPERATIONS: u64 = 1;
    /// In `must_read`: users may have earlier keys.
    pub(crate) const VERSIONS: u64 = 1;

    pub(crate) fn may_be_erased(self) -> bool {
        self.must_write & Demands::OPERATIONS != 0
    }

    pub(crate) fn may_have_versions(self) -> bool {
        self.must_read & Demands::VERSIONS != 0
    }
}
