//! The tables of a key store.

use std::time::Instant;

use rusqlite::{Connection, OptionalExtension};

use super::transaction::{Purpose, Transaction};
use super::{Access, StoreName, errors};
use crate::error::{Error, Result};
use crate::status::Status;

/// The Python module's table, letter for letter.
const KEY_TABLE: &str = "CREATE TABLE IF NOT EXISTS encryption_keys (
user_id TEXT PRIMARY KEY,
encrypted_key BLOB NOT NULL,
created_at TEXT NOT NULL
)";

/// keycask's own tables; the module never looks at them.
pub(super) const OWN_TABLES: &str = "
CREATE TABLE IF NOT EXISTS keycask_meta(name TEXT PRIMARY KEY, value);
CREATE TABLE IF NOT EXISTS keycask_master(id BLOB PRIMARY KEY, state TEXT, created_at TEXT);
";

/// The tables that operations use.
pub(super) const OPERATION_TABLES: &str = "
CREATE TABLE IF NOT EXISTS keycask_key(name TEXT PRIMARY KEY, master BLOB, wrapped BLOB, created_at TEXT);
CREATE INDEX IF NOT EXISTS keycask_key_master ON keycask_key(master);
CREATE TABLE IF NOT EXISTS keycask_version(user_id TEXT, version INTEGER, master BLOB, wrapped BLOB, created_at TEXT,
    PRIMARY KEY(user_id, version));
CREATE INDEX IF NOT EXISTS keycask_version_master ON keycask_version(master);
CREATE TABLE IF NOT EXISTS keycask_erased(mark BLOB PRIMARY KEY, created_at TEXT);
";

/// What is found where a key table belongs.
enum Found {
    KeyTable,
    /// A database without a single table.
    Nothing,
    SomethingElse(&'static str),
}

/// Checks that the database is a key store, and makes one of an empty database. A key store is not written to.
pub(super) fn ensure(connection: &Connection, store: &StoreName, access: Access) -> Result<()> {
    let mut found =
        in_transaction(connection, Purpose::Reading, look).map_err(|cause| errors::translate(&cause, store, "open"))?;
    if matches!(found, Found::Nothing) && access.may_make() {
        check_writable(connection, store, access)?;
        // Looked at again under the write lock: another program may have been faster.
        found = in_transaction(connection, Purpose::Writing, |connection| {
            Ok(match look(connection)? {
                Found::Nothing => {
                    connection.execute_batch(KEY_TABLE)?;
                    Found::KeyTable
                }
                found => found,
            })
        })
        .map_err(|cause| errors::translate(&cause, store, "make the tables of"))?;
    }
    match found {
        Found::KeyTable => check_writable(connection, store, access),
        Found::SomethingElse(found) => Err(Error::new(
            Status::Unsupported,
            format!("{store} is an SQLite database of something else: it has {found}; check the location"),
        )),
        Found::Nothing if access.must_exist => Err(Error::new(
            Status::NotFound,
            format!(
                "{store} is still empty: check the location, or open it without KC_OPEN_MUST_EXIST to make one of it"
            ),
        )),
        Found::Nothing => Err(Error::new(
            Status::ReadOnly,
            format!("{store} is still empty, and a read-only opening makes no tables: open it once for writing"),
        )),
    }
}

/// Runs `work` on one unchanging state of the database.
fn in_transaction<T>(
    connection: &Connection,
    purpose: Purpose,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = Transaction::begin(connection, purpose)?;
    let outcome = work(connection)?;
    transaction.commit(Instant::now())?;
    Ok(outcome)
}

fn look(connection: &Connection) -> rusqlite::Result<Found> {
    let objects: i64 = connection.query_row("SELECT count(*) FROM main.sqlite_schema", (), |row| row.get(0))?;
    if objects == 0 {
        return Ok(Found::Nothing);
    }
    let ordinary: Option<bool> = connection
        .query_row(
            "SELECT type = 'table' AND NOT wr FROM pragma_table_list WHERE schema = 'main' AND name = 'encryption_keys'",
            (),
            |row| row.get(0),
        )
        .optional()?;
    let another = Found::SomethingElse("an 'encryption_keys' of another shape");
    match ordinary {
        None => return Ok(Found::SomethingElse("tables, but no 'encryption_keys'")),
        // Of a virtual table, whose module may not be here, nothing more can be asked.
        Some(false) => return Ok(another),
        Some(true) => (),
    }
    let columns = connection
        .prepare(
            "SELECT name, upper(type), pk, hidden FROM pragma_table_xinfo('encryption_keys', 'main') ORDER BY name",
        )?
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<Vec<(String, String, i64, i64)>>>()?;
    // The last number is other than 0 for a column that SQLite computes.
    let expected = [("created_at", "TEXT", 0, 0), ("encrypted_key", "BLOB", 0, 0), ("user_id", "TEXT", 1, 0)];
    let same = columns.iter().map(|(name, of, pk, hidden)| (name.as_str(), of.as_str(), *pk, *hidden)).eq(expected);
    // Another collation would make one user of two, "Alice" and "alice".
    let bytewise: bool = connection.query_row(
        "SELECT count(*) FROM pragma_index_list('encryption_keys', 'main') AS list, pragma_index_xinfo(list.name) AS of
         WHERE list.origin = 'pk' AND of.name = 'user_id' AND of.coll = 'BINARY'",
        (),
        |row| row.get(0),
    )?;
    Ok(if same && bytewise { Found::KeyTable } else { another })
}

/// SQLite opens a file that it may not write as a read-only one, without a word.
fn check_writable(connection: &Connection, store: &StoreName, access: Access) -> Result<()> {
    let refused = connection.is_readonly("main").map_err(|cause| errors::translate(&cause, store, "open"))?;
    if refused && !access.read_only {
        return Err(Error::new(
            Status::ReadOnly,
            format!("{store} cannot be written by this process: give it the right to, or open with KC_OPEN_READ_ONLY"),
        ));
    }
    Ok(())
}
