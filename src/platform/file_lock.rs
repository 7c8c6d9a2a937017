//! Open-file-description locks (fcntl(2), `F_OFD_SETLK`).
//!
//! A POSIX record lock belongs to the process: whichever of two SQLites in it closes a descriptor drops the other's
//! locks. These belong to the description that was opened, and end with it.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What a lock lets others do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lock {
    /// Others may read-lock too.
    Read,
    /// Nobody else.
    Write,
}

/// A range of bytes of a file. Locks need not lie over anything that the file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Range {
    start: i64,
    /// 0: to the end of the file, however far that moves.
    len: i64,
}

impl Range {
    pub(crate) const WHOLE_FILE: Range = Range { start: 0, len: 0 };

    pub(crate) const fn new(start: i64, len: i64) -> Range {
        Range { start, len }
    }

    fn flock(self, kind: libc::c_int) -> libc::flock {
        libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: self.start,
            l_len: self.len,
            // What the kernel asks for with these locks.
            l_pid: 0,
        }
    }
}

impl Lock {
    fn kind(self) -> libc::c_int {
        match self {
            Lock::Read => libc::F_RDLCK,
            Lock::Write => libc::F_WRLCK,
        }
    }
}

/// Locks `range` without waiting; the description's own locks there are converted. False: somebody else holds it.
pub(crate) fn try_lock(file: BorrowedFd<'_>, lock: Lock, range: Range) -> io::Result<bool> {
    match set(file, lock.kind(), range) {
        Ok(()) => Ok(true),
        Err(cause) => match cause.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES | libc::ENOLCK) => Ok(false),
            _ => Err(cause),
        },
    }
}

/// Unlocks `range`, of which nothing needs to be locked.
pub(crate) fn unlock(file: BorrowedFd<'_>, range: Range) -> io::Result<()> {
    set(file, libc::F_UNLCK, range)
}

/// What another description, or a process by POSIX locks, holds in `range`, if that forbids to write-lock it.
pub(crate) fn held(file: BorrowedFd<'_>, range: Range) -> io::Result<Option<Lock>> {
    let mut flock = range.flock(libc::F_WRLCK);
    // SAFETY: the descriptor is borrowed, so open; `flock` is initialised and exclusively ours, and the kernel writes
    // no more than it.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut flock) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(match libc::c_int::from(flock.l_type) {
        libc::F_UNLCK => None,
        libc::F_RDLCK => Some(Lock::Read),
        _ => Some(Lock::Write),
    })
}

fn set(file: BorrowedFd<'_>, kind: libc::c_int, range: Range) -> io::Result<()> {
    let flock = range.flock(kind);
    loop {
        // SAFETY: the descriptor is borrowed, so open; `flock` is initialised and only read.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const flock) } == 0 {
            return Ok(());
        }
        let cause = io::Error::last_os_error();
        if cause.kind() != io::ErrorKind::Interrupted {
            return Err(cause);
        }
    }
}
