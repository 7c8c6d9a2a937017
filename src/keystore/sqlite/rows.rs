//! A key store's rows as SQL.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, Transaction};

use super::{StoreName, errors, schema, vfs};
use crate::error::{Error, Result};
use crate::keystore::{
    Demands, Enough, KeptKey, KeptPlace, Layout, Mark, MasterKeyState, OwnKey, Place, Registered, Rows, StoredKey,
    Tables, UserRow, WritableRows, WritableTables,
};
use crate::master_key::{MasterKeyId, WrappedKey};
use crate::platform::random;
use crate::status::Status;
use crate::user::User;

/// `created_at` as the module writes it, from the seconds and microseconds since 1970: 2026-11-24T03:58:02.725746+00:00.
macro_rules! timestamp {
    () => {
        "strftime('%Y-%m-%dT%H:%M:%S', ?, 'unixepoch') || format('.%06d+00:00', ?)"
    };
}

/// The rows of one transaction.
pub(super) struct SqliteRows<'c> {
    transaction: &'c Transaction<'c>,
    store: &'c StoreName,
}

impl<'c> SqliteRows<'c> {
    pub(super) fn new(transaction: &'c Transaction<'c>, store: &'c StoreName) -> SqliteRows<'c> {
        SqliteRows { transaction, store }
    }

    fn read<T>(&self, answer: rusqlite::Result<T>) -> Result<T> {
        answer.map_err(|cause| errors::translate(&cause, self.store, "read"))
    }

    fn written<T>(&self, answer: rusqlite::Result<T>) -> Result<T> {
        answer.map_err(|cause| errors::translate(&cause, self.store, "write"))
    }

    fn has_table(&self, name: &str) -> Result<bool> {
        self.read(
            self.transaction
                .prepare_cached("SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?")
                .and_then(|mut query| query.exists([name])),
        )
    }

    fn meta_bits(&self, name: &str) -> Result<u64> {
        let value = self.read(
            self.transaction
                .prepare_cached("SELECT value FROM keycask_meta WHERE name = ?")
                .and_then(|mut query| query.query_row([name], |row| Ok(row.get_ref(0)?.as_i64().ok())).optional()),
        )?;
        value
            .flatten()
            .and_then(|value| u64::try_from(value).ok())
            .ok_or_else(|| self.damaged(&format!("its '{name}' in keycask_meta is missing or no set of bits")))
    }

    fn damaged(&self, found: &str) -> Error {
        Error::new(Status::Corrupt, format!("{} is damaged: {found}; restore it from a backup", self.store))
    }

    /// Whether the tables that operations use are there: the transaction that first sets a bit makes them.
    fn has_operation_tables(&self) -> Result<bool> {
        self.has_table("keycask_key")
    }

    fn count(&self, query: &str, values: impl rusqlite::Params) -> Result<u64> {
        let counted: i64 = self.read(
            self.transaction.prepare_cached(query).and_then(|mut query| query.query_row(values, |row| row.get(0))),
        )?;
        Ok(counted.cast_unsigned())
    }

    fn change(&self, statement: &str, values: impl rusqlite::Params) -> Result<()> {
        self.written(self.transaction.prepare_cached(statement).and_then(|mut change| change.execute(values)))
            .map(|_| ())
    }

    fn kept(&self, row: &Row<'_>) -> rusqlite::Result<Result<KeptKey>> {
        let (under, wrapped) = (row.get(0).ok(), row.get(1).ok());
        Ok(match (under, wrapped) {
            (Some(under), Some(wrapped)) => Ok(KeptKey { under: MasterKeyId(under), wrapped }),
            _ => Err(self.damaged("a row of a table of keycask's own is none that keycask wrote")),
        })
    }

    fn add_meta(&self, name: &str, value: impl rusqlite::ToSql) -> Result<()> {
        self.written(
            self.transaction.execute("INSERT OR IGNORE INTO keycask_meta(name, value) VALUES (?, ?)", (name, value)),
        )
        .map(|_| ())
    }
}

impl Rows for SqliteRows<'_> {
    fn store_name(&self) -> String {
        self.store.to_string()
    }

    fn user_key(&self, user: User<'_>) -> Result<Option<StoredKey>> {
        self.read(
            self.transaction
                .prepare_cached("SELECT encrypted_key FROM encryption_keys WHERE user_id = ? COLLATE BINARY")
                .and_then(|mut query| query.query_row([user.name()], stored_key).optional()),
        )
    }

    fn first_user_keys(&self, limit: u32, visit: &mut dyn FnMut(StoredKey) -> Enough) -> Result<()> {
        let visited = self
            .transaction
            .prepare_cached("SELECT encrypted_key FROM encryption_keys ORDER BY rowid LIMIT ?")
            .and_then(|mut query| {
                let mut rows = query.query([limit])?;
                while let Some(row) = rows.next()? {
                    if visit(stored_key(row)?) == Enough::Yes {
                        break;
                    }
                }
                Ok(())
            });
        self.read(visited)
    }

    fn master_keys(&self) -> Result<Vec<Registered>> {
        if !self.has_table("keycask_master")? {
            return Ok(Vec::new());
        }
        let found = self.read(
            self.transaction.prepare_cached("SELECT id, state FROM keycask_master ORDER BY rowid").and_then(
                |mut query| query.query_map((), |row| Ok((row.get(0).ok(), row.get::<_, String>(1).ok())))?.collect(),
            ),
        )?;
        let found: Vec<(Option<[u8; 16]>, Option<String>)> = found;
        found
            .into_iter()
            .map(|(id, state)| {
                let id = id.ok_or_else(|| self.damaged("a master key's id in keycask_master has not 16 bytes"))?;
                let state = state.as_deref().and_then(state_from_text).ok_or_else(|| {
                    self.damaged("a master key's state in keycask_master is none of active, retiring, retired")
                })?;
                Ok(Registered { id: MasterKeyId(id), state })
            })
            .collect()
    }

    fn demands(&self) -> Result<Demands> {
        if !self.has_table("keycask_meta")? {
            return Ok(Demands::default());
        }
        Ok(Demands { must_read: self.meta_bits("must_read")?, must_write: self.meta_bits("must_write")? })
    }
}

impl WritableRows for SqliteRows<'_> {
    fn make_own_tables(&self) -> Result<()> {
        if self.has_table("keycask_meta")? && self.has_table("keycask_master")? {
            return Ok(());
        }
        let mut store_id = [0; 16];
        random::fill(&mut store_id)?;
        self.written(self.transaction.execute_batch(schema::OWN_TABLES))?;
        self.add_meta("store_id", store_id)?;
        self.add_meta("must_read", 0)?;
        self.add_meta("must_write", 0)
    }

    fn add_user_key(&self, user: User<'_>, wrapped: &WrappedKey) -> Result<()> {
        let (seconds, microseconds) = now();
        self.written(
            self.transaction
                .prepare_cached(concat!(
                    "INSERT INTO encryption_keys(user_id, encrypted_key, created_at) VALUES (?, ?, ",
                    timestamp!(),
                    ")"
                ))
                .and_then(|mut insert| insert.execute((user.name(), wrapped, seconds, microseconds))),
        )
        .map(|_| ())
    }

    fn add_master_key(&self, id: MasterKeyId) -> Result<()> {
        let (seconds, microseconds) = now();
        self.written(self.transaction.execute(
            concat!("INSERT INTO keycask_master(id, state, created_at) VALUES (?, 'active', ", timestamp!(), ")"),
            (id.0, seconds, microseconds),
        ))
        .map(|_| ())
    }

    fn set_master_key_state(&self, id: MasterKeyId, state: MasterKeyState) -> Result<()> {
        self.change("UPDATE keycask_master SET state = ? WHERE id = ?", (state_text(state), id.0))
    }

    fn demand(&self, demands: Demands) -> Result<()> {
        let found = self.demands()?;
        if found.must_read & demands.must_read == demands.must_read
            && found.must_write & demands.must_write == demands.must_write
        {
            return Ok(());
        }
        self.written(self.transaction.execute_batch(schema::OPERATION_TABLES))?;
        for (name, bits) in
            [("must_read", found.must_read | demands.must_read), ("must_write", found.must_write | demands.must_write)]
        {
            self.change("UPDATE keycask_meta SET value = ? WHERE name = ?", (bits.cast_signed(), name))?;
        }
        Ok(())
    }
}

impl Tables for SqliteRows<'_> {
    fn walk(&self, after: Place, limit: u32, visit: &mut dyn FnMut(Place, &[u8]) -> Result<Enough>) -> Result<()> {
        let mut outcome = Ok(());
        let walked = self
            .transaction
            .prepare_cached("SELECT rowid, encrypted_key FROM encryption_keys WHERE rowid > ? ORDER BY rowid LIMIT ?")
            .and_then(|mut query| {
                let mut rows = query.query((after.0, limit))?;
                while let Some(row) = rows.next()? {
                    match visit(Place(row.get(0)?), row.get_ref(1)?.as_blob().unwrap_or_default()) {
                        Ok(Enough::No) => {}
                        Ok(Enough::Yes) => break,
                        Err(error) => {
                            outcome = Err(error);
                            break;
                        }
                    }
                }
                Ok(())
            });
        self.read(walked)?;
        outcome
    }

    fn next_row(&self, after: Place) -> Result<Option<UserRow>> {
        let found = self
            .transaction
            .prepare_cached(
                "SELECT rowid, user_id, created_at, encrypted_key FROM encryption_keys WHERE rowid > ? ORDER BY rowid",
            )
            .and_then(|mut query| {
                let row = query.query_row([after.0], |row| {
                    Ok(UserRow {
                        place: Place(row.get(0)?),
                        user: row.get(1).unwrap_or_default(),
                        created_at: row.get(2).unwrap_or_default(),
                        key: row.get(3).unwrap_or_default(),
                    })
                });
                row.optional()
            });
        self.read(found)
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
        self.read(
            self.transaction
                .prepare_cached("SELECT master, wrapped FROM keycask_key WHERE name = ?")
                .and_then(|mut query| query.query_row([own_key_name(name)], |row| self.kept(row)).optional()),
        )?
        .transpose()
    }

    fn versions(&self, user: User<'_>, visit: &mut dyn FnMut(KeptKey) -> Result<Enough>) -> Result<()> {
        if !self.has_operation_tables()? {
            return Ok(());
        }
        let mut outcome = Ok(());
        let walked = self
            .transaction
            .prepare_cached("SELECT master, wrapped FROM keycask_version WHERE user_id = ? ORDER BY version DESC")
            .and_then(|mut query| {
                let mut rows = query.query([user.name()])?;
                while let Some(row) = rows.next()? {
                    match self.kept(row)?.and_then(&mut *visit) {
                        Ok(Enough::No) => {}
                        Ok(Enough::Yes) => break,
                        Err(error) => {
                            outcome = Err(error);
                            break;
                        }
                    }
                }
                Ok(())
            });
        self.read(walked)?;
        outcome
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

    fn kept_under(&self, id: MasterKeyId, limit: u32) -> Result<Vec<(KeptPlace, Vec<u8>)>> {
        let mut found = Vec::new();
        if !self.has_operation_tables()? {
            return Ok(found);
        }
        for (query, place) in [
            (
                "SELECT rowid, wrapped FROM keycask_key WHERE master = ? LIMIT ?",
                KeptPlace::OwnKey as fn(i64) -> KeptPlace,
            ),
            ("SELECT rowid, wrapped FROM keycask_version WHERE master = ? LIMIT ?", KeptPlace::Version),
        ] {
            let left = i64::from(limit) - found.len() as i64;
            let rows = self.transaction.prepare_cached(query).and_then(|mut query| {
                query
                    .query_map((id.0, left), |row| Ok((place(row.get(0)?), row.get(1).unwrap_or_default())))?
                    .collect::<rusqlite::Result<Vec<_>>>()
            });
            found.extend(self.read(rows)?);
        }
        Ok(found)
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

    fn is_purge_due(&self) -> Result<bool> {
        if !self.has_operation_tables()? {
            return Ok(false);
        }
        self.read(
            self.transaction
                .prepare_cached("SELECT 1 FROM keycask_meta WHERE name = 'purge_due'")
                .and_then(|mut query| query.exists(())),
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

    fn set_purge_due(&self, due: bool) -> Result<()> {
        if due {
            self.change("INSERT OR IGNORE INTO keycask_meta(name, value) VALUES ('purge_due', 1)", ())
        } else {
            self.change("DELETE FROM keycask_meta WHERE name = 'purge_due'", ())
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

fn state_text(state: MasterKeyState) -> &'static str {
    match state {
        MasterKeyState::Active => "active",
        MasterKeyState::Retiring => "retiring",
        MasterKeyState::Retired => "retired",
    }
}

fn stored_key(row: &Row<'_>) -> rusqlite::Result<StoredKey> {
    Ok(match row.get_ref(0)? {
        ValueRef::Blob(blob) => StoredKey::from_blob(blob),
        ValueRef::Null => StoredKey::Damaged("is NULL".into()),
        ValueRef::Text(_) => StoredKey::Damaged("is a TEXT where a BLOB belongs".into()),
        ValueRef::Integer(_) | ValueRef::Real(_) => StoredKey::Damaged("is a number where a BLOB belongs".into()),
    })
}

fn state_from_text(text: &str) -> Option<MasterKeyState> {
    [MasterKeyState::Active, MasterKeyState::Retiring, MasterKeyState::Retired]
        .into_iter()
        .find(|state| state_text(*state) == text)
}

/// The time since 1970 in seconds and microseconds; a clock before that counts as 1970.
fn now() -> (i64, u32) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_micros())
}
