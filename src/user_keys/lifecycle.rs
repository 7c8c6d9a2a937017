//! What may happen to a user beyond the everyday: erased, allowed to begin anew, given another key.

use super::UserKeys;
use crate::error::Result;
use crate::keystore::{Demands, KeptKey, Patience, StoredKey, WritableTables};
use crate::marking;
use crate::platform::random;
use crate::registry;
use crate::user::User;
use crate::versions;

/// What has to be gone from a store's files.
enum Remains {
    Nothing,
    /// These wrapped keys, which were removed.
    Of(Vec<Box<[u8]>>),
    /// More than can be named.
    Unknown,
}

/// Removed keys are looked for in pieces of so many bytes: SQLite may have put a row's end on another page.
const PIECE: usize = 20;

impl UserKeys {
    /// Erases the user: their keys, current and earlier, are gone from the store's files when this returns, and none is made
    /// for them again.
    pub(crate) fn erase(&self, user: User<'_>) -> Result<()> {
        self.remove(user, &mut |rows| {
            rows.make_own_tables()?;
            rows.demand(Demands { must_write: Demands::OPERATIONS, must_read: 0 })?;
            let mut wrapped_keys = versions::wrapped_keys(rows, user)?;
            let remains = match rows.user_key(user)? {
                Some(StoredKey::Damaged(_)) => Remains::Unknown,
                Some(StoredKey::Wrapped(wrapped)) => {
                    wrapped_keys.push(wrapped.into());
                    Remains::Of(wrapped_keys)
                }
                None => Remains::Of(wrapped_keys),
            };
            rows.add_mark(&marking::mark_of(rows, &self.master_keys, user)?)?;
            rows.remove_user(user)?;
            Ok(remains)
        })
    }

    /// Drops the user's earlier keys: tokens made under them open no more.
    pub(crate) fn forget_versions(&self, user: User<'_>) -> Result<()> {
        self.remove(user, &mut |rows| {
            if !registry::check_writing(rows)?.may_have_versions() {
                return Ok(Remains::Nothing);
            }
            let wrapped_keys = versions::wrapped_keys(rows, user)?;
            rows.remove_versions(user)?;
            Ok(Remains::Of(wrapped_keys))
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
        let mut remains = Remains::Nothing;
        let mut own = [0; 8];
        random::fill(&mut own)?;
        let own = i64::from_ne_bytes(own);
        self.keystore.write(&mut |rows| {
            registry::check_writing(rows)?;
            remains = match work(rows)? {
                Remains::Of(wrapped_keys) if wrapped_keys.is_empty() => Remains::Nothing,
                // While a rotation is under way the same keys may lie there wrapped under the earlier master key too.
                Remains::Of(_) if registry::is_rotating(rows)? => Remains::Unknown,
                named => named,
            };
            if rows.purge_due()?.is_some() {
                remains = Remains::Unknown;
            }
            if !matches!(remains, Remains::Nothing) {
                rows.set_purge_due(Some(own))?;
            }
            Ok(())
        })?;
        self.changed(user)?;
        match remains {
            Remains::Nothing => return Ok(()),
            Remains::Of(wrapped_keys) => {
                let pieces: Vec<_> = wrapped_keys.iter().flat_map(|key| key.chunks(PIECE).map(Box::from)).collect();
                self.keystore.purge(&pieces)?;
            }
            Remains::Unknown => self.keystore.rebuild()?,
        }
        self.keystore.write(&mut |rows| {
            // Of what others have removed meanwhile, they find out themselves what is left.
            if rows.purge_due()? == Some(own) { rows.set_purge_due(None) } else { Ok(()) }
        })
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
