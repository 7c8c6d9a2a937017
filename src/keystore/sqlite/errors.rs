//! What SQLite's errors mean for a key store.

use rusqlite::ErrorCode;
use rusqlite::ffi;

use super::StoreName;
use crate::error::{Error, shortened};
use crate::status::Status;

/// Says in keycask's terms what SQLite answered while it was to `action` ("open", "read", "begin a transaction in").
#[cold]
pub(super) fn translate(cause: &rusqlite::Error, store: &StoreName, action: &str) -> Error {
    let rusqlite::Error::SqliteFailure(failure, text) = cause else {
        return Error::new(Status::Corrupt, format!("cannot {action} {store}: {cause}"));
    };
    let engine = shortened(&text.clone().unwrap_or_else(|| failure.to_string()));
    let (status, errno, advice) = match (failure.code, failure.extended_code) {
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed, _) => (
            Status::Busy,
            0,
            "other programs held its lock beyond the timeout: try again, or open with a longer busy_timeout_ms",
        ),
        (ErrorCode::ReadOnly, ffi::SQLITE_READONLY_DBMOVED) => {
            (Status::Io, 0, "the file was moved or removed while open: put it back, or open the store anew")
        }
        (ErrorCode::ReadOnly, ffi::SQLITE_READONLY_ROLLBACK) => {
            (Status::ReadOnly, 0, "a crashed program left work to undo, which takes a writer: open it once for writing")
        }
        (ErrorCode::ReadOnly, ffi::SQLITE_READONLY_DIRECTORY) => {
            (Status::ReadOnly, 0, "SQLite makes files beside it: give this process the right to write its folder")
        }
        (ErrorCode::ReadOnly, _) => {
            (Status::ReadOnly, 0, "give this process the right to write the file and its folder, or open it read-only")
        }
        (ErrorCode::NotADatabase, _) => (Status::Corrupt, 0, "the file is no SQLite database: check the location"),
        (ErrorCode::DatabaseCorrupt, _) => (Status::Corrupt, 0, "the file is damaged: restore it from a backup"),
        (ErrorCode::OutOfMemory, _) => (Status::Memory, 0, "free memory and try again"),
        (ErrorCode::DiskFull, _) => (Status::Io, libc::ENOSPC, "the disk is full: make room and try again"),
        (
            ErrorCode::SystemIoFailure,
            ffi::SQLITE_IOERR_LOCK | ffi::SQLITE_IOERR_RDLOCK | ffi::SQLITE_IOERR_CHECKRESERVEDLOCK,
        ) if matches!(last_errno(), libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP) => {
            (Status::Io, last_errno(), "its file system has no open-file-description locks: keep it on a local one")
        }
        (ErrorCode::SystemIoFailure | ErrorCode::CannotOpen, _) => {
            (Status::Io, last_errno(), "check that the file and its folder are there and may be used by this process")
        }
        // The statements are ours and sound, so the tables under them are not what they were at opening.
        (
            ErrorCode::Unknown | ErrorCode::SchemaChanged | ErrorCode::TypeMismatch | ErrorCode::ConstraintViolation,
            _,
        ) => (Status::Corrupt, 0, "its tables are not those of a key store: another program changed them"),
        _ => (Status::Internal, 0, "this is a defect of keycask: please report it"),
    };
    // The system's own words say more than SQLite's, which also repeat the path.
    let found = if errno == 0 { engine } else { std::io::Error::from_raw_os_error(errno).to_string() };
    Error::new(status, format!("cannot {action} {store}: {found}; {advice}"))
        .with_os_error(errno)
        .with_engine_error(failure.extended_code)
}

/// A write to a store that was opened read-only.
#[cold]
pub(super) fn opened_read_only(store: &StoreName) -> Error {
    Error::new(Status::ReadOnly, format!("{store} was opened read-only: open it for writing to change it"))
}

/// The number that the failed system call left behind; SQLite's last call before it reports such an error.
fn last_errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// What was written went to a file that another took the place of meanwhile.
#[cold]
pub(super) fn moved(store: &StoreName) -> Error {
    Error::new(
        Status::Io,
        format!("{store} was moved, removed or replaced while it was written to; nothing was handed out: call again"),
    )
}
