//! Memory mapped from a file, and pages that a child does not inherit.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::process;

/// A part of a file, mapped shared and writable. A forked child does not have it: a mapping keeps its description, and with
/// it the locks, alive.
pub(crate) struct Mapping {
    start: *mut u8,
    len: usize,
    process: u64,
}

// SAFETY: a mapping belongs to the process, not to a thread. Reads and writes through its pointer are the business of
// those who share the memory.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `file` from `offset`, both whole pages.
    pub(crate) fn shared(file: BorrowedFd<'_>, offset: u64, len: usize) -> io::Result<Mapping> {
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: no address is asked for, so nothing that exists is replaced; the descriptor is borrowed, so open.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mapping = Mapping { start: start.cast(), len, process: process::generation() };
        // SAFETY: the range was just mapped, and is ours.
        if unsafe { libc::madvise(start, len, libc::MADV_DONTFORK) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(mapping)
    }

    pub(crate) fn start(&self) -> *mut u8 {
        self.start
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.process == process::generation() {
            // SAFETY: this process mapped the range and has not unmapped it; SQLite uses no pointer into it any more when
            // it ends the shared memory. A child never had it, and something else may lie there.
            unsafe { libc::munmap(self.start.cast(), self.len) };
        }
    }
}

/// The length of a page in bytes.
pub(crate) fn page_size() -> usize {
    // SAFETY: sysconf takes any number, and has this one on every Linux.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Whole pages of zeroes, mapped as mmap(2) takes it. They are never unmapped.
pub(crate) fn anonymous(len: usize, protection: c_int, flags: c_int) -> io::Result<*mut u8> {
    // SAFETY: no address is asked for, so nothing that exists is replaced.
    let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(start.cast())
}

/// A page that every child finds filled with zeroes, however it was made. It is never unmapped.
pub(crate) fn wiped_on_fork() -> io::Result<*mut u8> {
    let start = anonymous(page_size(), libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS)?;
    // SAFETY: the page was just mapped, and is ours.
    if unsafe { libc::madvise(start.cast(), page_size(), libc::MADV_WIPEONFORK) } != 0 {
        let cause = io::Error::last_os_error();
        // SAFETY: as above; the pointer goes nowhere.
        unsafe { libc::munmap(start.cast(), page_size()) };
        return Err(cause);
    }
    Ok(start)
}
