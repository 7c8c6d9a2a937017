//! A key store's everyday rows as SQL.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::{StoreName, errors, schema};
use crate::error::{Error, Result};
use crate::fallible;
use crate::keystore::{Demands, Enough, MasterKeyState, Registered, Rows, StoredKey, WritableRows};
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
pub(super) use timestamp;

/// The rows of one transaction.
pub(super) struct SqliteRows<'c> {
    pub(super) transaction: &'c Connection,
    store: &'c StoreName,
}

impl<'c> SqliteRows<'c> {
    pub(super) fn new(transaction: &'c Connection, store: &'c StoreName) -> SqliteRows<'c> {
        SqliteRows { transaction, store }
    }

    pub(super) fn read<T>(&self, answer: rusqlite::Result<T>) -> Result<T> {
        answer.map_err(|cause| errors::translate(&cause, self.store, "read"))
    }

    pub(super) fn written<T>(&self, answer: rusqlite::Result<T>) -> Result<T> {
        answer.map_err(|cause| errors::translate(&cause, self.store, "write"))
    }

    pub(super) fn has_table(&self, name: &str) -> Result<bool> {
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

    pub(super) fn damaged(&self, found: &str) -> Error {
        Error::new(Status::Corrupt, format!("{} is damaged: {found}; restore it from a backup", self.store))
    }

    /// Hands the rows of a query to `visit` until it has seen enough.
    pub(super) fn each(
        &self,
        query: &str,
        values: impl Params,
        visit: &mut dyn FnMut(&Row<'_>) -> Result<Enough>,
    ) -> Result<()> {
        let mut query = self.read(self.transaction.prepare_cached(query))?;
        let mut rows = self.read(query.query(values))?;
        while let Some(row) = self.read(rows.next())? {
            if visit(row)? == Enough::Yes {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn change(&self, statement: &str, values: impl Params) -> Result<()> {
        self.written(self.transaction.prepare_cached(statement).and_then(|mut change| change.execute(values)))
            .map(|_| ())
    }

    fn add_meta(&self, name: &str, value: impl rusqlite::ToSql) -> Result<()> {
        self.change("INSERT OR IGNORE INTO keycask_meta(name, value) VALUES (?, ?)", (name, value))
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
        self.each("SELECT encrypted_key FROM encryption_keys ORDER BY rowid LIMIT ?", [limit], &mut |row| {
            Ok(visit(self.read(stored_key(row))?))
        })
    }

    fn master_keys(&self) -> Result<Vec<Registered>> {
        if !self.has_table("keycask_master")? {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        self.each("SELECT id, state FROM keycask_master ORDER BY rowid", (), &mut |row| {
            let id = row.get(0).map_err(|_| self.damaged("a master key's id in keycask_master has not 16 bytes"))?;
            let state = self.read(row.get_ref(1))?.as_str().ok().and_then(state_from_text).ok_or_else(|| {
                self.damaged("a master key's state in keycask_master is none of active, retiring, retired")
            })?;
            fallible::push(&mut found, Registered { id: MasterKeyId(id), state })?;
            Ok(Enough::No)
        })?;
        Ok(found)
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
        self.change(
            concat!(
                "INSERT INTO encryption_keys(user_id, encrypted_key, created_at) VALUES (?, ?, ",
                timestamp!(),
                ")"
            ),
            (user.name(), wrapped, seconds, microseconds),
        )
    }

    fn add_master_key(&self, id: MasterKeyId) -> Result<()> {
        let (seconds, microseconds) = now();
        self.change(
            concat!("INSERT INTO keycask_master(id, state, created_at) VALUES (?, 'active', ", timestamp!(), ")"),
            (id.0, seconds, microseconds),
        )
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
pub(super) fn now() -> (i64, u32) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_micros())
}
