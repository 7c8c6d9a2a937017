//! The connections of an open store: one for each call under way, and some kept for the next.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::vfs;
use crate::error::{Cause, Error, Result};
use crate::keystore::Patience;
use crate::platform::process::{self, Section};
use crate::status::Status;

/// So many idle connections are kept.
const MOST_IDLE: usize = 4;
/// As good as for ever, and still a moment that can be computed.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long a call sleeps before it tries for a lock again; twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_micros(250);
/// The longest a call sleeps between two tries for a lock. Longer sleeps starve a writer beside a busy host.
const LONGEST_PAUSE: Duration = Duration::from_millis(8);

/// In `process`: the store was in use in another thread when this process was forked.
const CUT: u64 = 1 << 63;

pub(super) struct Connections {
    connect: Box<dyn Fn() -> Result<Connection> + Send + Sync>,
    busy_timeout: Duration,
    idle: Mutex<Vec<Kept>>,
    /// How often the store's file was seen replaced.
    replaced: AtomicU64,
    /// Whether there is only one connection, which can never be opened again: that of a store in memory.
    only_one: bool,
    /// Calls under way.
    in_use: AtomicUsize,
    /// The generation of the process that was last seen here.
    process: AtomicU64,
    /// Times that a call slept because others held a lock.
    waits: AtomicU64,
}

/// A connection, and what it was opened in and to.
struct Kept {
    process: u64,
    file: u64,
    connection: Connection,
}

impl Connections {
    pub(super) fn new(
        only_one: bool,
        busy_timeout: Duration,
        connect: impl Fn() -> Result<Connection> + Send + Sync + 'static,
    ) -> Connections {
        Connections {
            connect: Box::new(connect),
            busy_timeout,
            idle: Mutex::default(),
            replaced: AtomicU64::new(0),
            only_one,
            in_use: AtomicUsize::new(0),
            process: AtomicU64::new(process::generation()),
            waits: AtomicU64::new(0),
        }
    }

    /// How many times a call has waited for others.
    pub(super) fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }

    /// Runs `work` on a connection, with the moment until which it may wait, as [`Connections::patiently`] does.
    pub(super) fn with<T>(
        &self,
        patience: Patience,
        mut work: impl FnMut(&mut Connection, Instant) -> Result<T>,
    ) -> Result<T> {
        self.patiently(patience, |deadline| self.try_with(true, |connection| work(connection, deadline)))
    }

    /// [`Connections::with`], with a connection to the file that was the store when somebody last looked.
    pub(super) fn with_recent<T>(
        &self,
        patience: Patience,
        mut work: impl FnMut(&mut Connection, Instant) -> Result<T>,
    ) -> Result<T> {
        self.patiently(patience, |deadline| self.try_with(false, |connection| work(connection, deadline)))
    }

    /// Another file was seen in the store's place: no connection to the old one is used again.
    pub(super) fn forget(&self) {
        self.replaced.fetch_add(1, Ordering::AcqRel);
    }

    /// Runs `work` inside a section, in a process in which the store may be used. While it answers KC_E_BUSY, and the timeout
    /// allows, it is run again, from the start: between two tries no lock is held, no connection is in use, and a fork does
    /// not wait.
    pub(super) fn patiently<T>(&self, patience: Patience, mut work: impl FnMut(Instant) -> Result<T>) -> Result<T> {
        let deadline = match patience {
            Patience::None => Instant::now(),
            Patience::Timeout => Instant::now() + self.busy_timeout.min(LONGEST_TIMEOUT),
        };
        let mut pause = FIRST_PAUSE;
        loop {
            match self.inside(|| work(deadline)) {
                Err(error) if error.status() == Status::Busy && Instant::now() < deadline => {}
                outcome => return outcome,
            }
            self.waits.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(pause.min(deadline.saturating_duration_since(Instant::now())));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Runs `work` inside a section, in a process in which the store may be used: a child never finds what it locks locked.
    pub(super) fn inside<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let _section = Section::begin();
        self.check_process()?;
        let _use = InUse::begin(&self.in_use);
        work()
    }

    /// With `checked`, the connection's file is the one at the store's path now.
    fn try_with<T>(&self, checked: bool, work: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        if self.only_one {
            let mut idle = self.idle();
            if idle.is_empty() {
                idle.push(self.opened()?);
            }
            return work(&mut idle[0].connection);
        }
        let mut kept = match self.take_idle(checked) {
            Some(kept) => kept,
            None => self.opened()?,
        };
        let outcome = work(&mut kept.connection);
        // One that SQLite had trouble with is not kept: what was the matter ends with it.
        let sound =
            outcome.as_ref().err().is_none_or(|error| error.engine_error() == 0 || error.status() == Status::Busy);
        if sound && kept.connection.is_autocommit() {
            let mut idle = self.idle();
            if idle.len() < MOST_IDLE {
                idle.push(kept);
            }
        }
        outcome
    }

    fn opened(&self) -> Result<Kept> {
        let file = self.replaced.load(Ordering::Acquire);
        Ok(Kept { process: process::generation(), file, connection: self.connect()? })
    }

    /// A new connection, for the caller's own use.
    pub(super) fn connect(&self) -> Result<Connection> {
        (self.connect)()
    }

    /// An idle connection of this process. A parent's are dropped: that frees their memory; their descriptors were closed
    /// when this process began.
    fn take_idle(&self, checked: bool) -> Option<Kept> {
        let mut idle = self.idle();
        let (process, file) = (process::generation(), self.replaced.load(Ordering::Acquire));
        while let Some(kept) = idle.pop() {
            // One to a file that was replaced or removed would read what is no longer the store.
            if kept.process == process && kept.file == file && !(checked && vfs::has_moved(&kept.connection)) {
                return Some(kept);
            }
        }
        None
    }

    /// Closes what is idle, before the store itself goes.
    pub(super) fn close(&mut self) {
        self.idle.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In a forked child: goes on where no connection was in use at the fork. Else what it left half done cannot be known,
    /// and the store is refused.
    pub(super) fn check_process(&self) -> Result<()> {
        if process::is_unknown() {
            return Err(cut());
        }
        let here = process::generation();
        loop {
            match self.process.load(Ordering::Acquire) {
                seen if seen == here => return Ok(()),
                seen if seen == here | CUT => return Err(cut()),
                seen => {
                    let ready = seen & CUT == 0 && self.in_use.load(Ordering::Acquire) == 0 && !process::was_cut(seen);
                    let state = if ready { here } else { here | CUT };
                    // Whoever is first decides, before any call of this process counts as under way.
                    let _ = self.process.compare_exchange(seen, state, Ordering::AcqRel, Ordering::Acquire);
                }
            }
        }
    }
}

#[cold]
fn cut() -> Error {
    static CAUSE: Cause = Cause::new(
        Status::Unsupported,
        "this process was forked in the middle of another thread's call on the store, or by a bare clone: open it anew here",
    );
    Error::fixed(&CAUSE)
}

/// Counts a call while it is under way.
struct InUse<'a>(&'a AtomicUsize);

impl InUse<'_> {
    fn begin(count: &AtomicUsize) -> InUse<'_> {
        count.fetch_add(1, Ordering::AcqRel);
        InUse(count)
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
