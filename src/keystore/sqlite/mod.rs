//! The key store in an SQLite file.

mod errors;
mod file;
mod rows;
mod schema;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{KeyStore, Location, Rows, WritableRows};
use crate::error::{Error, Result, Shortened};
use crate::options::Options;
use crate::status::Status;

/// A key store in one SQLite database.
pub(super) struct SqliteStore {
    name: StoreName,
    read_only: bool,
    connection: Mutex<Connection>,
}

/// The store as messages name it.
#[derive(Clone)]
struct StoreName(Option<PathBuf>);

impl std::fmt::Display for StoreName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(path) => write!(f, "the key store {}", Shortened(path)),
            None => f.write_str("the key store in memory"),
        }
    }
}

impl SqliteStore {
    pub(super) fn open(location: &Location, options: &Options) -> Result<SqliteStore> {
        let path = match location {
            Location::File(path) => Some(file::prepare(path, options)?),
            Location::Memory if options.must_exist || options.read_only => {
                return Err(Error::new(
                    Status::NotFound,
                    "a store in memory never exists before it is opened: open it without KC_OPEN_MUST_EXIST and KC_OPEN_READ_ONLY",
                ));
            }
            Location::Memory => None,
        };
        let name = StoreName(path);
        let mut connection = connect(&name, options)?;
        schema::ensure(&mut connection, &name, options.read_only)?;
        Ok(SqliteStore { name, read_only: options.read_only, connection: Mutex::new(connection) })
    }

    fn transact<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&rows::SqliteRows<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection
            .transaction_with_behavior(behavior)
            .map_err(|cause| errors::translate(&cause, &self.name, "begin a transaction in"))?;
        let answer = work(&rows::SqliteRows::new(&transaction, &self.name))?;
        transaction.commit().map_err(|cause| errors::translate(&cause, &self.name, "commit to"))?;
        Ok(answer)
    }
}

impl KeyStore for SqliteStore {
    fn name(&self) -> String {
        self.name.to_string()
    }

    fn read(&self, work: &mut dyn FnMut(&dyn Rows) -> Result<()>) -> Result<()> {
        self.transact(TransactionBehavior::Deferred, |rows| work(rows))
    }

    fn write(&self, work: &mut dyn FnMut(&dyn WritableRows) -> Result<()>) -> Result<()> {
        if self.read_only {
            return Err(errors::opened_read_only(&self.name));
        }
        // IMMEDIATE takes the write lock before the first look, so that what `work` sees is what it changes.
        self.transact(TransactionBehavior::Immediate, |rows| work(rows))
    }
}

/// Opens a connection that trusts neither the file nor what other programs put into it.
fn connect(name: &StoreName, options: &Options) -> Result<Connection> {
    let access = if options.read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
    let flags = access
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let failed = |cause: rusqlite::Error| errors::translate(&cause, name, "open");
    let connection = match &name.0 {
        Some(path) => Connection::open_with_flags(path, flags),
        None => Connection::open_with_flags(":memory:", flags | OpenFlags::SQLITE_OPEN_CREATE),
    }
    .map_err(failed)?;

    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        connection.set_db_config(config, on).map_err(failed)?;
    }
    connection.busy_timeout(options.busy_timeout.min(errors::LONGEST_WAIT)).map_err(failed)?;
    // EXTRA syncs the folder too when the journal is gone: a commit survives a power cut.
    connection
        .execute_batch(
            "PRAGMA synchronous = EXTRA; PRAGMA secure_delete = ON; PRAGMA cell_size_check = ON; \
             PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;",
        )
        .map_err(failed)?;
    if options.read_only {
        connection.execute_batch("PRAGMA query_only = ON").map_err(failed)?;
    }
    Ok(connection)
}
