//! The tables that operations use, as SQL.

use rusqlite::OptionalExtension;
use rusqlite::types::ValueRef;
use rusqlite::{Params, Row};

use super::rows::{SqliteRows, now, timestamp};
use super::vfs;
use crate::error::Result;
use crate::fallible;
use crate::keystore::{Enough, KeptKey, KeptPlace, Layout, Mark, OwnKey, Place, Tables, UserRow, WritableTables};
use crate::master_key::{MasterKeyId, WrappedKey};
use crate::user::User;

impl SqliteRows<'_> {
    /// Whether the tables that operations use are there: the transaction that first sets a bit makes them.
    fn has_operation_tables(&self) -> Result<bool> {
        self.has_table("keycask_key")
    }

    fn count(&self, query: &str, values: impl Params) -> Result<u64> {
        let counted: i64 = self.read(
            self.transaction.prepare_cached(query).and_then(|mut query| query.query_row(values, |row| row.get(0))),
        )?;
        Ok(counted.cast_unsigned())
    }

    fn kept(&self, row: &Row<'_>) -> Result<KeptKey> {
        match (row.get(0), row.get(1)) {
            (Ok(under), Ok(wrapped)) => Ok(KeptKey { under: MasterKeyId(under), wrapped }),
            _ => Err(self.damaged("a row of a table of keycask's own is none that keycask wrote")),
        }
    }
}

/// What a text column holds; nothing where another program wrote something else.
fn text(value: ValueRef<'_>) -> Result<String> {
    fallible::text(value.as_str().unwrap_or_default())
}

impl Tables for SqliteRows<'_> {
    fn walk(&self, after: Place, limit: u32, visit: &mut dyn FnMut(Place, &[u8]) -> Result<Enough>) -> Result<()> {
        self.each(
            "SELECT rowid, encrypted_key FROM encryption_keys WHERE rowid > ? ORDER BY rowid LIMIT ?",
            (after.0, limit),
            &mut |row| {
                let (place, key) = (self.read(row.get(0))?, self.read(row.get_ref(1))?);
                visit(Place(place), key.as_blob().unwrap_or_default())
            },
        )
    }

    fn next_row(&self, after: Place) -> Result<Option<UserRow>> {
        let mut found = None;
        self.each(
            "SELECT rowid, user_id, created_at, encrypted_key FROM encryption_keys WHERE rowid > ? ORDER BY rowid LIMIT 1",
            [after.0],
            &mut |row| {
                found = Some(UserRow {
                    place: Place(self.read(row.get(0))?),
                    user: text(self.read(row.get_ref(1))?)?,
                    created_at: text(self.read(row.get_ref(2))?)?,
                    key: fallible::copied(self.read(row.get_ref(3))?.as_blob().unwrap_or_default())?,
                });
                Ok(Enough::Yes)
            },
        )?;
        Ok(found)
    }

    fn layout(&self) -> Result<Layout> {
        // VACUUM gives rows other places, and raises the schema's version.
        let schema = self.count("PRAGMA main.schema_version", ())?;
        let [device, inode] = vfs::file_identity(self.transaction);
        Ok(Layout([schema, device, inode]))
    }

    fn count_users(&self) -> Result<u64> {
        self.count("SELECT count(*) FROM encryption_keys", ())
    }

    fn own_key(&self, name: &OwnKey) -> Result<Option<KeptKey>> {
        if !self.has_operation_tables()? {
            return Ok(None);
        }
        let mut found = None;
        self.each("SELECT master, wrapped FROM keycask_key WHERE name = ?", [own_key_name(name)], &mut |row| {
            found = Some(self.kept(row)?);
            Ok(Enough::Yes)
        })?;
        Ok(found)
    }

    fn versions(&self, user: User<'_>, visit: &mut dyn FnMut(KeptKey) -> Result<Enough>) -> Result<()> {
        if !self.has_operation_tables()? {
            return Ok(());
        }
        self.each(
            "SELECT master, wrapped FROM keycask_version WHERE user_id = ? ORDER BY version DESC",
            [user.name()],
            &mut |row| visit(self.kept(row)?),
        )
    }

    fn is_erased(&self, mark: &Mark) -> Result<bool> {
        if !self.has_operation_tables()? {
            return Ok(false);
        }
        self.read(
            self.transaction
                .prepare_cached("SELECT 1 FROM keycask_erased WHERE mark = ?")
                .and_then(|mut query| query.exists([mark])),
        )
    }

    fn kept_under(
        &self,
        id: MasterKeyId,
        after: KeptPlace,
        limit: u32,
        visit: &mut dyn FnMut(KeptPlace, &[u8]) -> Result<Enough>,
    ) -> Result<()> {
        if !self.has_operation_tables()? {
            return Ok(());
        }
        const OWN_KEYS: &str =
            "SELECT rowid, wrapped FROM keycask_key WHERE master = ? AND rowid > ? ORDER BY rowid LIMIT ?";
        const VERSIONS: &str =
            "SELECT rowid, wrapped FROM keycask_version WHERE master = ? AND rowid > ? ORDER BY rowid LIMIT ?";
        let (mut left, mut enough) = (limit, Enough::No);
        let mut each = |query, place: fn(i64) -> KeptPlace, after: i64| {
            if enough == Enough::Yes {
                return Ok(());
            }
            self.each(query, (id.0, after, left), &mut |row| {
                let (at, wrapped) = (self.read(row.get(0))?, self.read(row.get_ref(1))?);
                left -= 1;
                enough = visit(place(at), wrapped.as_blob().unwrap_or_default())?;
                Ok(enough)
            })
        };
        match after {
            KeptPlace::OwnKey(after) => {
                each(OWN_KEYS, KeptPlace::OwnKey, after)?;
                each(VERSIONS, KeptPlace::Version, i64::MIN)
            }
            KeptPlace::Version(after) => each(VERSIONS, KeptPlace::Version, after),
        }
    }

    fn count_kept(&self, id: MasterKeyId) -> Result<u64> {
        if !self.has_operation_tables()? {
            return Ok(0);
        }
        self.count(
            "SELECT (SELECT count(*) FROM keycask_key WHERE master = ?1) +
                    (SELECT count(*) FROM keycask_version WHERE master = ?1)",
            [id.0],
        )
    }

    fn purge_due(&self) -> Result<Option<i64>> {
        if !self.has_operation_tables()? {
            return Ok(None);
        }
        self.read(
            self.transaction
                .prepare_cached("SELECT value FROM keycask_meta WHERE name = 'purge_due'")
                .and_then(|mut query| query.query_row((), |row| row.get(0)).optional()),
        )
    }

    fn count_versions_and_erased(&self) -> Result<(u64, u64)> {
        if !self.has_operation_tables()? {
            return Ok((0, 0));
        }
        Ok((
            self.count("SELECT count(*) FROM keycask_version", ())?,
            self.count("SELECT count(*) FROM keycask_erased", ())?,
        ))
    }
}

impl WritableTables for SqliteRows<'_> {
    fn set_user_keys(&self, keys: &[(Place, Vec<u8>)]) -> Result<()> {
        let changed = self
            .transaction
            .prepare_cached("UPDATE encryption_keys SET encrypted_key = ? WHERE rowid = ?")
            .and_then(|mut change| keys.iter().try_for_each(|(place, key)| change.execute((key, place.0)).map(|_| ())));
        self.written(changed)
    }

    fn replace_user_key(&self, user: User<'_>, wrapped: &WrappedKey) -> Result<()> {
        let (seconds, microseconds) = now();
        self.change(
            concat!(
                "UPDATE encryption_keys SET encrypted_key = ?, created_at = ",
                timestamp!(),
                " WHERE user_id = ? COLLATE BINARY"
            ),
            (wrapped, seconds, microseconds, user.name()),
        )
    }

    fn remove_user(&self, user: User<'_>) -> Result<()> {
        self.change("DELETE FROM encryption_keys WHERE user_id = ? COLLATE BINARY", [user.name()])?;
        self.remove_versions(user)
    }

    fn add_version(&self, user: User<'_>, version: &KeptKey) -> Result<()> {
        let (seconds, microseconds) = now();
        self.change(
            concat!(
                "INSERT INTO keycask_version(user_id, version, master, wrapped, created_at) VALUES (?1,
                 (SELECT coalesce(max(version), 0) + 1 FROM keycask_version WHERE user_id = ?1), ?2, ?3, ",
                timestamp!(),
                ")"
            ),
            (user.name(), version.under.0, &version.wrapped, seconds, microseconds),
        )
    }

    fn remove_versions(&self, user: User<'_>) -> Result<()> {
        if !self.has_operation_tables()? {
            return Ok(());
        }
        self.change("DELETE FROM keycask_version WHERE user_id = ?", [user.name()])
    }

    fn add_mark(&self, mark: &Mark) -> Result<()> {
        let (seconds, microseconds) = now();
        self.change(
            concat!("INSERT OR IGNORE INTO keycask_erased(mark, created_at) VALUES (?, ", timestamp!(), ")"),
            (mark, seconds, microseconds),
        )
    }

    fn remove_mark(&self, mark: &Mark) -> Result<()> {
        self.change("DELETE FROM keycask_erased WHERE mark = ?", [mark])
    }

    fn set_purge_due(&self, number: Option<i64>) -> Result<()> {
        match number {
            Some(number) => {
                self.change("INSERT OR REPLACE INTO keycask_meta(name, value) VALUES ('purge_due', ?)", [number])
            }
            None => self.change("DELETE FROM keycask_meta WHERE name = 'purge_due'", ()),
        }
    }

    fn set_own_key(&self, name: &OwnKey, key: &KeptKey) -> Result<()> {
        let (seconds, microseconds) = now();
        self.change(
            concat!(
                "INSERT OR REPLACE INTO keycask_key(name, master, wrapped, created_at) VALUES (?, ?, ?, ",
                timestamp!(),
                ")"
            ),
            (own_key_name(name), key.under.0, &key.wrapped, seconds, microseconds),
        )
    }

    fn set_kept(&self, place: KeptPlace, key: &KeptKey) -> Result<()> {
        let (statement, row) = match place {
            KeptPlace::OwnKey(row) => ("UPDATE keycask_key SET master = ?, wrapped = ? WHERE rowid = ?", row),
            KeptPlace::Version(row) => ("UPDATE keycask_version SET master = ?, wrapped = ? WHERE rowid = ?", row),
        };
        self.change(statement, (key.under.0, &key.wrapped, row))
    }
}

/// The name in `keycask_key`.
fn own_key_name(name: &OwnKey) -> String {
    match name {
        OwnKey::Marking => "marking".into(),
        OwnKey::PoolOf(id) => id.0.iter().fold("pool:".into(), |name, byte| format!("{name}{byte:02x}")),
    }
}
