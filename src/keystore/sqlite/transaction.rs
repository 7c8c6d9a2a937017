//! Transactions, whose statements a connection keeps compiled.

use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, Result};

/// What a transaction is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// On one unchanging state.
    Reading,
    /// With the write lock from the beginning, so that what it sees is what it changes.
    Writing,
    /// The same, and what it changes is nothing that anybody has read.
    Adding,
}

/// A transaction under way. Dropped before it is committed, it is rolled back.
pub(super) struct Transaction<'c>(&'c Connection);

impl<'c> Transaction<'c> {
    pub(super) fn begin(connection: &'c Connection, purpose: Purpose) -> Result<Transaction<'c>> {
        run(connection, if purpose == Purpose::Reading { "BEGIN" } else { "BEGIN IMMEDIATE" })?;
        Ok(Transaction(connection))
    }

    /// Commits. While readers are in the way, what was written waits for them in the open transaction.
    pub(super) fn commit(self, deadline: Instant) -> Result<()> {
        loop {
            match run(self.0, "COMMIT") {
                Err(cause)
                    if cause.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < deadline =>
                {
                    std::thread::sleep(Duration::from_millis(1));
                }
                outcome => return outcome,
            }
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // Where even this fails, the connection is not used again: see `Connections`.
            let _ = run(self.0, "ROLLBACK");
        }
    }
}

fn run(connection: &Connection, statement: &str) -> Result<()> {
    connection.prepare_cached(statement)?.execute(()).map(|_| ())
}
