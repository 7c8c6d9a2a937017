//! The key store in an SQLite file.

mod connections;
mod errors;
mod file;
mod rows;
mod schema;
mod tables;
mod transaction;
#[allow(unsafe_code)]
mod vfs;
mod watch;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{Change, KeyStore, Location, Patience, Tables, WorkDone, WritableTables};
use crate::error::{Error, Result, Shortened};
use crate::forced_panic;
use crate::options::Options;
use crate::platform::process::Section;
use crate::status::Status;
use connections::Connections;
use transaction::{Purpose, Transaction};
use watch::Watch;

/// A key store in one SQLite database.
pub(super) struct SqliteStore {
    name: StoreName,
    access: Access,
    connections: Connections,
    watch: Watch,
    reads: AtomicU64,
    commits: AtomicU64,
}

/// What an opening allows.
#[derive(Clone, Copy)]
struct Access {
    read_only: bool,
    must_exist: bool,
}

impl Access {
    /// Whether an empty database becomes a store.
    fn may_make(self) -> bool {
        !self.read_only && !self.must_exist
    }
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
        let access = Access { read_only: options.read_only, must_exist: options.must_exist };
        let only_one = name.0.is_none();
        let connections = {
            let name = name.clone();
            Connections::new(only_one, options.busy_timeout, move || connect(&name, access.read_only))
        };
        let (reads, commits) = (AtomicU64::new(0), AtomicU64::new(0));
        let store = SqliteStore { name, access, connections, watch: Watch::new(), reads, commits };
        store.look(Patience::Timeout)?;
        Ok(store)
    }

    fn transact(
        &self,
        patience: Patience,
        purpose: Purpose,
        mut work: impl FnMut(&rows::SqliteRows<'_>) -> Result<()>,
    ) -> Result<()> {
        let run = |connection: &mut Connection, deadline| {
            let transaction = Transaction::begin(connection, purpose)
                .map_err(|cause| errors::translate(&cause, &self.name, "begin a transaction in"))?;
            let before = vfs::version(connection);
            work(&rows::SqliteRows::new(connection, &self.name))?;
            forced_panic::here("transaction");
            transaction.commit(deadline).map_err(|cause| errors::translate(&cause, &self.name, "commit to"))?;
            // What was committed to a file that is no longer the store was not committed.
            if purpose != Purpose::Reading && vfs::has_moved(connection) {
                return Err(errors::moved(&self.name));
            }
            if purpose == Purpose::Adding {
                self.watch.expect(before, vfs::version(connection));
            }
            Ok(())
        };
        match purpose {
            Purpose::Reading => self.connections.with_recent(patience, run),
            Purpose::Writing | Purpose::Adding => self.connections.with(patience, run),
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // A child that is forked amid the closing would keep a lock.
        let _section = Section::begin();
        self.connections.close();
        self.watch.close();
    }
}

impl KeyStore for SqliteStore {
    fn name(&self) -> String {
        self.name.to_string()
    }

    fn is_usable(&self) -> bool {
        self.connections.check_process().is_ok()
    }

    fn look(&self, patience: Patience) -> Result<Change> {
        if self.name.0.is_none() {
            // Nobody else has it; its first connection makes its table.
            return self.connections.with(patience, |connection, _| {
                schema::ensure(connection, &self.name, self.access)?;
                Ok(Change::None)
            });
        }
        let change = self.connections.patiently(patience, |_| {
            self.watch.look(&self.name, patience, || {
                let connection = self.connections.connect()?;
                schema::ensure(&connection, &self.name, self.access)?;
                Ok(connection)
            })
        })?;
        if change == Change::File {
            self.connections.forget();
        }
        Ok(change)
    }

    fn is_unchanged(&self) -> bool {
        self.connections.inside(|| Ok(self.watch.is_unchanged())).unwrap_or(false)
    }

    fn read(&self, patience: Patience, work: &mut dyn FnMut(&dyn Tables) -> Result<()>) -> Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.transact(patience, Purpose::Reading, |rows| work(rows))
    }

    fn write(&self, work: &mut dyn FnMut(&dyn WritableTables) -> Result<()>) -> Result<()> {
        self.commit(Purpose::Writing, work)
    }

    fn add(&self, work: &mut dyn FnMut(&dyn WritableTables) -> Result<()>) -> Result<()> {
        self.commit(Purpose::Adding, work)
    }

    fn purge(&self, remains: &[Box<[u8]>]) -> Result<()> {
        self.check_writable()?;
        self.connections.with(Patience::Timeout, |connection, _| {
            self.empty_wal(connection)?;
            if self.contains(connection, remains)? {
                self.vacuum(connection)?;
            }
            Ok(())
        })
    }

    fn rebuild(&self) -> Result<()> {
        self.check_writable()?;
        self.connections.with(Patience::Timeout, |connection, _| self.vacuum(connection))
    }

    fn copy_to(&self, path: &Path) -> Result<()> {
        let failed = |cause: rusqlite::Error| errors::translate(&cause, &self.name, "copy");
        let target = path.to_str().ok_or_else(|| {
            Error::new(Status::Argument, format!("{} is not UTF-8: back up to another path", Shortened(path)))
        })?;
        self.connections.with(Patience::Timeout, |connection, _| {
            // What is written is another file.
            connection.execute_batch("PRAGMA query_only = OFF").map_err(failed)?;
            let copied = connection.execute("VACUUM INTO ?", [target]).map_err(failed);
            if self.access.read_only {
                connection.execute_batch("PRAGMA query_only = ON").map_err(failed)?;
            }
            copied.map(|_| ())
        })
    }

    fn findings(&self, limit: u32) -> Result<Vec<String>> {
        let failed = |cause: rusqlite::Error| errors::translate(&cause, &self.name, "check");
        self.connections.with(Patience::Timeout, |connection, _| {
            let mut query = connection.prepare(&format!("PRAGMA main.integrity_check({limit})")).map_err(failed)?;
            let mut look = || -> Result<Vec<String>> {
                let found: Vec<String> =
                    query.query_map((), |row| row.get(0)).and_then(Iterator::collect).map_err(failed)?;
                Ok(found.into_iter().filter(|finding| finding != "ok").collect())
            };
            let found = look()?;
            // A page that could not be read for want of memory is told as one that is damaged: found is what is found twice.
            if found.is_empty() { Ok(found) } else { look() }
        })
    }

    fn work_done(&self) -> WorkDone {
        WorkDone {
            reads: self.reads.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
            waits: self.connections.waits(),
        }
    }
}

impl SqliteStore {
    fn commit(&self, purpose: Purpose, work: &mut dyn FnMut(&dyn WritableTables) -> Result<()>) -> Result<()> {
        self.check_writable()?;
        self.transact(Patience::Timeout, purpose, |rows| work(rows))?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn check_writable(&self) -> Result<()> {
        if self.access.read_only {
            return Err(errors::opened_read_only(&self.name));
        }
        Ok(())
    }

    /// Writes what is in the WAL to the file, and empties it. Without a WAL there is nothing to do.
    fn empty_wal(&self, connection: &Connection) -> Result<()> {
        let busy: bool = connection
            .query_row("PRAGMA main.wal_checkpoint(TRUNCATE)", (), |row| row.get(0))
            .map_err(|cause| errors::translate(&cause, &self.name, "empty the WAL of"))?;
        if busy {
            return Err(Error::new(
                Status::Busy,
                format!(
                    "a reader keeps the WAL of {} from being emptied: end its transaction, and call again",
                    self.name
                ),
            ));
        }
        Ok(())
    }

    fn vacuum(&self, connection: &Connection) -> Result<()> {
        connection.execute_batch("VACUUM").map_err(|cause| errors::translate(&cause, &self.name, "rebuild"))?;
        self.empty_wal(connection)
    }

    fn contains(&self, connection: &Connection, remains: &[Box<[u8]>]) -> Result<bool> {
        vfs::contains(connection, remains).map_err(|cause| match cause.kind() {
            ErrorKind::OutOfMemory => Error::memory(),
            _ => Error::new(Status::Io, format!("cannot read {}: {cause}", self.name))
                .with_os_error(cause.raw_os_error().unwrap_or(0)),
        })
    }
}

/// Opens a connection that trusts neither the file nor what other programs put into it.
fn connect(name: &StoreName, read_only: bool) -> Result<Connection> {
    let access = if read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
    let flags = access
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let failed = |cause: rusqlite::Error| errors::translate(&cause, name, "open");
    let connection = match &name.0 {
        Some(path) => Connection::open_with_flags_and_vfs(path, flags, vfs::name()),
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
    // Waiting is the business of `Connections`.
    connection.busy_timeout(Duration::ZERO).map_err(failed)?;
    // EXTRA syncs the folder too when the journal is gone: a commit survives a power cut.
    connection
        .execute_batch(
            "PRAGMA synchronous = EXTRA; PRAGMA secure_delete = ON; PRAGMA cell_size_check = ON; \
             PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;",
        )
        .map_err(failed)?;
    if read_only {
        connection.execute_batch("PRAGMA query_only = ON").map_err(failed)?;
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_durable_and_trusts_nothing_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.db");
        std::fs::write(&path, "").unwrap();
        let connection = connect(&StoreName(Some(path)), false).unwrap();
        let number =
            |pragma: &str| -> i64 { connection.query_row(&format!("PRAGMA {pragma}"), (), |row| row.get(0)).unwrap() };
        assert_eq!(number("synchronous"), 3, "EXTRA");
        assert_eq!(number("secure_delete"), 1);
        assert_eq!(number("cell_size_check"), 1);
        assert_eq!(number("trusted_schema"), 0);
        for (config, on) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        ] {
            assert_eq!(connection.db_config(config).unwrap(), on);
        }
    }
}
