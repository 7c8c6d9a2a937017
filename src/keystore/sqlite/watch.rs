//! Whether a store has changed since somebody looked last.

use std::sync::{Mutex, PoisonError, TryLockError};

use rusqlite::Connection;

use super::vfs::Version;
use super::{StoreName, errors, vfs};
use crate::error::{Error, Result};
use crate::keystore::{Change, Patience};
use crate::platform::process;
use crate::status::Status;

/// A connection that does nothing but look.
pub(super) struct Watch(Mutex<State>);

struct State {
    watching: Option<Watching>,
    /// The file at the path is another than the one that was watched, and this has not been said yet.
    replaced: bool,
}

struct Watching {
    /// The generation of the process that opened the connection.
    process: u64,
    connection: Connection,
    data_version: i64,
    /// The file's version in which nothing has changed for anybody since the last look: as that found it, or as additions of
    /// our own have left it.
    expected: Option<Version>,
}

impl Watch {
    pub(super) fn new() -> Watch {
        Watch(Mutex::new(State { watching: None, replaced: false }))
    }

    /// Closes the connection, before the store itself goes.
    pub(super) fn close(&mut self) {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).watching = None;
    }

    /// Looks; what it finds counts from the last look, in this process, that found an answer. `connect` opens a connection
    /// to what is at the store's path now.
    pub(super) fn look(
        &self,
        store: &StoreName,
        patience: Patience,
        connect: impl FnOnce() -> Result<Connection>,
    ) -> Result<Change> {
        let mut state = match (self.0.try_lock(), patience) {
            (Ok(state), _) => state,
            (Err(TryLockError::Poisoned(state)), _) => PoisonError::into_inner(state),
            // A look is short, and waits for nobody.
            (Err(TryLockError::WouldBlock), Patience::Timeout) => self.0.lock().unwrap_or_else(PoisonError::into_inner),
            (Err(TryLockError::WouldBlock), Patience::None) => {
                return Err(Error::new(Status::Busy, "another thread is looking at the store right now: try again"));
            }
        };
        if let Some(watching) = &mut state.watching {
            if watching.process == process::generation() && !vfs::has_moved(&watching.connection) {
                let data_version = data_version(&watching.connection, store)?;
                let version = vfs::version(&watching.connection);
                // Whoever else commits, or begins or ends WAL mode, changes the version; within WAL mode nothing tells.
                let ours = version.is_some() && version == watching.expected && vfs::is_unchanged(&watching.connection);
                let same = watching.data_version == data_version || ours;
                (watching.data_version, watching.expected) = (data_version, version);
                return Ok(if same { Change::None } else { Change::Rows });
            }
            state.replaced |= watching.process == process::generation();
            state.watching = None;
        }
        let connection = connect()?;
        let data_version = data_version(&connection, store)?;
        let expected = vfs::version(&connection);
        state.watching = Some(Watching { process: process::generation(), connection, data_version, expected });
        let replaced = std::mem::take(&mut state.replaced);
        Ok(if replaced { Change::File } else { Change::Rows })
    }

    /// An addition of our own took the file from the version `before` to the version `after`.
    pub(super) fn expect(&self, before: Option<Version>, after: Option<Version>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watching) =
            state.watching.as_mut().filter(|watching| before.is_some() && watching.expected == before)
        {
            watching.expected = after;
        }
    }

    /// Whether the store is surely as the last look found it. It waits for no lock; no: look.
    pub(super) fn is_unchanged(&self) -> bool {
        self.0.try_lock().is_ok_and(|state| {
            state.watching.as_ref().is_some_and(|watching| {
                watching.process == process::generation() && vfs::is_unchanged(&watching.connection)
            })
        })
    }
}

/// A number that differs after every commit of another connection, in any process. It takes a lock for a moment.
fn data_version(connection: &Connection, store: &StoreName) -> Result<i64> {
    connection
        .prepare_cached("PRAGMA data_version")
        .and_then(|mut query| query.query_row((), |row| row.get(0)))
        .map_err(|cause| errors::translate(&cause, store, "look at"))
}
