//! What may happen to a user beyond the everyday: erased, allowed to begin anew, given another key.

use super::UserKeys;
use crate::error::Result;
use crate::keystore::{Demands, KeptKey, Patience, StoredKey, WritableTables};
use crate::marking;
use crate::registry;
use crate::user::User;
use crate::versions;

/// Wrapped keys that were removed.
type Remains = Vec<Box<[u8]>>;

/// Removed keys are looked for in pieces of so many bytes: SQLite may have put a row's end on another page.
const PIECE: usize = 20;

impl UserKeys {
    /// Erases the user: their keys, current and earlier, are gone from the store's files when this returns, and none is made
    /// for them again.
    pub(crate) fn erase(&self, user: User<'_>) -> Result<()> {
        self.remove(user, &mut |rows| {
            rows.make_own_tables()?;
            rows.demand(Demands { must_write: Demands::OPERATIONS, must_read: 0 })?;
            let mut remains = versions::remains(rows, user)?;
            if let Some(StoredKey::Wrapped(wrapped)) = rows.user_key(user)? {
                remains.push(wrapped.into());
            }
            rows.add_mark(&marking::mark_of(rows, &self.master_keys, user)?)?;
            rows.remove_user(user)?;
            Ok(remains)
        })
    }

    /// Drops the user's earlier keys: tokens made under them open no more.
    pub(crate) fn forget_versions(&self, user: User<'_>) -> Result<()> {
        self.remove(user, &mut |rows| {
            if !registry::check_writing(rows)?.may_have_versions() {
                return Ok(Vec::new());
            }
            let remains = versions::remains(rows, user)?;
            rows.remove_versions(user)?;
            Ok(remains)
        })
    }

    /// Lifts the mark of an erased user, whose next use makes a new key. Of a user who was not erased, nothing changes.
    pub(crate) fn restore(&self, user: User<'_>) -> Result<()> {
        self.keystore.write(&mut |rows| {
            registry::check_writing(rows)?;
            if marking::is_erased(rows, &self.master_keys, user)? {
                rows.remove_mark(&marking::mark_of(rows, &self.master_keys, user)?)?;
                // Another program, which knows nothing of the mark, may have made one.
                rows.remove_user(user)?;
            }
            Ok(())
        })?;
        self.changed(user)
    }

    /// Gives the user another key, and keeps the one that they have for reading.
    pub(crate) fn rotate(&self, user: User<'_>) -> Result<()> {
        self.keystore.write(&mut |rows| {
            registry::check_writing(rows)?;
            marking::check_not_erased(rows, &self.master_keys, user)?;
            let stored = rows.user_key(user)?.ok_or_else(|| self.unknown(user))?;
            let (wrapped, _, under) = self.unwrap(rows, user, stored)?;
            versions::rotate(rows, &self.master_keys, user, &KeptKey { under, wrapped: wrapped.to_vec() })
        })?;
        self.changed(user)
    }

    /// Runs `work`, which removes keys and names what it removed, and sees to it that nothing of that remains in the store's
    /// files; nor, where that failed before, of what was removed then.
    fn remove(&self, user: User<'_>, work: &mut dyn FnMut(&dyn WritableTables) -> Result<Remains>) -> Result<()> {
        let (mut remains, mut overdue) = (Vec::new(), false);
        self.keystore.write(&mut |rows| {
            registry::check_writing(rows)?;
            overdue = rows.is_purge_due()?;
            remains = work(rows)?;
            if !remains.is_empty() {
                rows.set_purge_due(true)?;
            }
            Ok(())
        })?;
        self.changed(user)?;
        if overdue {
            self.keystore.rebuild()?;
        } else if remains.is_empty() {
            return Ok(());
        } else {
            let pieces: Vec<Box<[u8]>> = remains.iter().flat_map(|bytes| bytes.chunks(PIECE).map(Box::from)).collect();
            self.keystore.purge(&pieces)?;
        }
        self.keystore.write(&mut |rows| rows.set_purge_due(false))
    }

    /// What this process has of the user is no longer what the store holds.
    fn changed(&self, user: User<'_>) -> Result<()> {
        self.freshness.changed();
        self.cache.remove(user.name());
        self.keystore.read(Patience::Timeout, &mut |rows| {
            self.demands.set(rows.demands()?);
            Ok(())
        })
    }
}
