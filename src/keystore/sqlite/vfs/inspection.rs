//! What a connection's main file is, and what is in it, by the connection's own descriptor: to open the file by its path
//! would drop a host's locks when it is closed.

use std::ffi::c_void;
use std::io;
use std::ptr;

use rusqlite::{Connection, ffi};

use super::main_file::{MainFile, Version};
use super::{File, METHODS};
use crate::fallible;

/// So much of the file is looked through at a time.
const WINDOW: usize = 1 << 20;

/// Whether a connection's file is no longer the one at the store's path. A store in memory never moves.
pub(in super::super) fn has_moved(connection: &Connection) -> bool {
    main_file(connection).is_some_and(MainFile::has_moved)
}

/// Whether nothing can have been committed to a connection's file since the connection last took a lock. No: it has to be
/// looked at.
pub(in super::super) fn is_unchanged(connection: &Connection) -> bool {
    main_file(connection).is_some_and(MainFile::is_unchanged)
}

/// The version of a connection's file as the connection last read or wrote it; nothing for a store in memory.
pub(in super::super) fn version(connection: &Connection) -> Option<Version> {
    main_file(connection).and_then(MainFile::version)
}

/// The device and inode of a connection's file; zeroes for a store in memory.
pub(in super::super) fn file_identity(connection: &Connection) -> [u64; 2] {
    main_file(connection).map_or([0; 2], MainFile::identity)
}

/// Whether any of `needles`, each shorter than 64 KiB, is found anywhere in a connection's file.
pub(in super::super) fn contains(connection: &Connection, needles: &[Box<[u8]>]) -> io::Result<bool> {
    let Some(main) = main_file(connection) else { return Ok(false) };
    let longest = needles.iter().map(|needle| needle.len()).max().unwrap_or(0);
    let mut window = fallible::zeroes(WINDOW + longest).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let (mut offset, len) = (0, main.len()?);
    while longest > 0 && offset < len {
        let here = window.len().min((len - offset) as usize);
        main.read_at(&mut window[..here], offset)?;
        if needles.iter().any(|needle| find(&window[..here], needle)) {
            return Ok(true);
        }
        offset += WINDOW as u64;
    }
    Ok(false)
}

fn find(within: &[u8], needle: &[u8]) -> bool {
    // SAFETY: both are borrowed for the length that is said; memmem only reads.
    let found = unsafe { libc::memmem(within.as_ptr().cast(), within.len(), needle.as_ptr().cast(), needle.len()) };
    !found.is_null()
}

fn main_file(connection: &Connection) -> Option<&MainFile> {
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    let place: *mut c_void = (&raw mut file).cast();
    // SAFETY: the connection is open and borrowed, so that no other thread uses it; NULL means its main database, and the
    // operation writes a pointer.
    unsafe { ffi::sqlite3_file_control(connection.handle(), ptr::null(), ffi::SQLITE_FCNTL_FILE_POINTER, place) };
    // SAFETY: the pointer is NULL or an open file's of this connection's, which stays while the connection is borrowed. Only
    // ours have our methods, and are a `File` whose `main` is a box of its own; SQLite changes it in calls on the
    // connection alone.
    unsafe {
        let ours = file.as_ref()?.pMethods == &raw const METHODS;
        if ours { (*file.cast::<File>()).main.as_ref() } else { None }
    }
}
