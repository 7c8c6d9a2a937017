//! SQLite's own static mutexes, held over a fork.
//!
//! A host that uses the same copy of SQLite may have them locked in other threads at that moment, and its children would
//! wait for ever.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::{Duration, Instant};

use rusqlite::ffi;

use crate::platform::process::EngineLocks;

/// In the order in which SQLite nests them; that of the memory allocator last.
const MUTEXES: [i32; 6] = [
    ffi::SQLITE_MUTEX_STATIC_MAIN,
    ffi::SQLITE_MUTEX_STATIC_VFS1,
    ffi::SQLITE_MUTEX_STATIC_LRU,
    ffi::SQLITE_MUTEX_STATIC_PMEM,
    ffi::SQLITE_MUTEX_STATIC_PRNG,
    ffi::SQLITE_MUTEX_STATIC_MEM,
];

static HELD: [AtomicPtr<ffi::sqlite3_mutex>; MUTEXES.len()] =
    [const { AtomicPtr::new(ptr::null_mut()) }; MUTEXES.len()];

pub(super) static ENGINE_LOCKS: EngineLocks = EngineLocks { hold, release };

/// How long a fork tries for all of them.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long it sleeps between two tries.
const PAUSE: Duration = Duration::from_micros(50);

/// Tries for a moment: what stays locked is left, rather than a fork that hangs.
fn hold() {
    let started = Instant::now();
    for (number, held) in MUTEXES.into_iter().zip(&HELD) {
        // SAFETY: these numbers name static mutexes, which exist as long as SQLite is initialised; `register` did that.
        let mutex = unsafe { ffi::sqlite3_mutex_alloc(number) };
        if mutex.is_null() {
            continue;
        }
        loop {
            // SAFETY: a static mutex of SQLite's, see above.
            if unsafe { ffi::sqlite3_mutex_try(mutex) } == ffi::SQLITE_OK {
                held.store(mutex, Ordering::Relaxed);
                break;
            }
            if started.elapsed() > PATIENCE {
                break;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// Runs in the parent and in the child, in the thread that forked.
fn release() {
    for held in HELD.iter().rev() {
        let mutex = held.swap(ptr::null_mut(), Ordering::Relaxed);
        if !mutex.is_null() {
            // SAFETY: `hold` entered it, in this thread.
            unsafe { ffi::sqlite3_mutex_leave(mutex) };
        }
    }
}
