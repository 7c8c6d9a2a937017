//! What operations ask of a key store beyond its everyday rows: a walk over all users, and the tables of keycask's own.

use super::{Enough, Rows, WritableRows};
use crate::error::Result;
use crate::master_key::{MasterKeyId, WrappedKey};
use crate::user::User;

/// A key store's tables, as one transaction sees them.
pub(crate) trait Tables: Rows {
    /// The keys of up to `limit` rows behind the place `after`, in the order of their places, handed to `visit` until it
    /// answers that it has seen enough. Other programs write rows too: one whose key is no BLOB has nothing.
    fn walk(&self, after: Place, limit: u32, visit: &mut dyn FnMut(Place, &[u8]) -> Result<Enough>) -> Result<()>;

    /// The row behind the place `after`.
    fn next_row(&self, after: Place) -> Result<Option<UserRow>>;

    /// What places hold for: while it is the same, a row that was seen keeps its place, and a new one is behind all others.
    fn layout(&self) -> Result<Layout>;

    /// How many users have a row.
    fn count_users(&self) -> Result<u64>;

    /// A key of the store's own.
    fn own_key(&self, name: &OwnKey) -> Result<Option<KeptKey>>;

    /// The user's earlier keys, the latest first, handed to `visit` until it answers that it has seen enough.
    fn versions(&self, user: User<'_>, visit: &mut dyn FnMut(KeptKey) -> Result<Enough>) -> Result<()>;

    /// Whether the mark of an erased user stands.
    fn is_erased(&self, mark: &Mark) -> Result<bool>;

    /// Up to `limit` own keys and versions behind the place `after` that are wrapped by the master key `id`, in the order of
    /// their places, handed to `visit` until it answers that it has seen enough.
    fn kept_under(
        &self,
        id: MasterKeyId,
        after: KeptPlace,
        limit: u32,
        visit: &mut dyn FnMut(KeptPlace, &[u8]) -> Result<Enough>,
    ) -> Result<()>;

    /// How many own keys and versions are wrapped by the master key `id`.
    fn count_kept(&self, id: MasterKeyId) -> Result<u64>;

    /// The number that the last purge begun chose, while bytes of removed rows may still be in the store's files.
    fn purge_due(&self) -> Result<Option<i64>>;

    /// How many versions of users' keys are kept, and how many users are marked as erased.
    fn count_versions_and_erased(&self) -> Result<(u64, u64)>;
}

/// A key store's tables inside a writing transaction.
pub(crate) trait WritableTables: Tables + WritableRows {
    /// Changes the values of the rows at these places.
    fn set_user_keys(&self, keys: &[(Place, Vec<u8>)]) -> Result<()>;

    /// Gives a user who has a row another key.
    fn replace_user_key(&self, user: User<'_>, wrapped: &WrappedKey) -> Result<()>;

    /// Removes the user's row and versions.
    fn remove_user(&self, user: User<'_>) -> Result<()>;

    /// Keeps a key that was the user's.
    fn add_version(&self, user: User<'_>, version: &KeptKey) -> Result<()>;

    fn remove_versions(&self, user: User<'_>) -> Result<()>;

    fn add_mark(&self, mark: &Mark) -> Result<()>;

    fn remove_mark(&self, mark: &Mark) -> Result<()>;

    fn set_purge_due(&self, number: Option<i64>) -> Result<()>;

    /// Keeps a key of the store's own, in the place of what had this name.
    fn set_own_key(&self, name: &OwnKey, key: &KeptKey) -> Result<()>;

    /// Changes what is kept at `place`.
    fn set_kept(&self, place: KeptPlace, key: &KeptKey) -> Result<()>;
}

/// Where a user's row lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Place(pub i64);

impl Place {
    pub(crate) const BEFORE_ALL: Place = Place(i64::MIN);
}

/// See [`Rows::layout`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout(pub [u64; 3]);

/// A user's row as it is. Text that is none, and a key that is no BLOB, are empty.
pub(crate) struct UserRow {
    pub(crate) place: Place,
    pub(crate) user: String,
    pub(crate) created_at: String,
    pub(crate) key: Vec<u8>,
}

/// A key of the store's own, wrapped as users' keys are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OwnKey {
    /// Marks of erased users are made with it.
    Marking,
    /// The pool key of a master key that may not be given any more.
    PoolOf(MasterKeyId),
}

/// A wrapped key in a table of keycask's, and the master key that wraps it.
#[derive(Clone)]
pub(crate) struct KeptKey {
    pub(crate) under: MasterKeyId,
    pub(crate) wrapped: Vec<u8>,
}

/// Where a [`KeptKey`] lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeptPlace {
    OwnKey(i64),
    Version(i64),
}

impl KeptPlace {
    pub(crate) const BEFORE_ALL: KeptPlace = KeptPlace::OwnKey(i64::MIN);
}

/// What stands for an erased user: HMAC-SHA256 of the name under the store's marking key.
pub(crate) type Mark = [u8; 32];
