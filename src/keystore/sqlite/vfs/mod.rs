//! keycask's own way for SQLite to use the store's file: a VFS beside the default one, which stays as it is.
//!
//! The main file and the WAL's index are used here, under locks that belong to the connection and not to the process
//! ([`file_lock`](crate::platform::file_lock)). All else, journals, the WAL, temporary files, names, time, is the default
//! VFS's. This file holds the C side; what the methods do is in the safe modules below.

mod descriptors;
mod engine_locks;
mod inspection;
mod main_file;
mod shared_memory;

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;

use rusqlite::ffi;

pub(super) use inspection::{contains, file_identity, has_moved, is_unchanged, version};
pub(super) use main_file::Version;
use main_file::{Failure, Level, MainFile};
use shared_memory::SharedMemory;

use crate::platform::file_lock::Lock;
use crate::platform::process;

/// The name under which this copy of keycask has registered its VFS; NULL-free, for `sqlite3_open_v2`.
pub(super) fn name() -> &'static CStr {
    static NAME: OnceLock<CString> = OnceLock::new();
    NAME.get_or_init(register)
}

/// Keeps the descriptor of a file that was just made for the connection that comes next.
pub(super) fn keep(file: std::fs::File) -> io::Result<()> {
    descriptors::Descriptor::park_new(file)
}

/// What lies in the memory that SQLite gives us for a main file. Other files are the default VFS's, in its own layout.
#[repr(C)]
struct File {
    /// SQLite's part, which has to come first.
    base: ffi::sqlite3_file,
    main: *mut MainFile,
}

/// Registers the VFS under a name that no other copy of keycask in this SQLite has.
fn register() -> CString {
    static UNIQUE: u8 = 0;
    let name = CString::new(format!("keycask-{:x}", (&raw const UNIQUE).addr())).unwrap_or_default();
    // SAFETY: sqlite3_vfs_find initialises SQLite; the OnceLock of the caller makes it the first of our calls into it,
    // and one thread's. NULL asks for the default VFS, which lives for ever; it is NULL where SQLite found no memory for
    // itself: then nothing is registered, and no store is opened. What is registered is leaked, so it and its
    // name do too. Of the default's methods those that stay are called with a VFS that is not theirs, and do not look at
    // it: they tell the time, sleep, and make random bytes. One byte fits into a byte.
    unsafe {
        let default = ffi::sqlite3_vfs_find(ptr::null());
        let Some(mut vfs) = default.as_ref().copied() else { return name };
        vfs.zName = name.clone().into_raw();
        vfs.szOsFile = vfs.szOsFile.max(size_of::<File>() as c_int);
        vfs.pNext = ptr::null_mut();
        vfs.pAppData = default.cast();
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        vfs.xAccess = Some(access);
        vfs.xFullPathname = Some(full_path_name);
        ffi::sqlite3_vfs_register(Box::into_raw(Box::new(vfs)), 0);
        // The first to ask for random bytes notes the process, and each opening looks at that note without a lock.
        let mut byte = 0_u8;
        ffi::sqlite3_randomness(1, (&raw mut byte).cast());
    }
    process::hold_over_forks(&engine_locks::ENGINE_LOCKS);
    name
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Version 2 has shared memory, and no mapping of the main file.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// The default VFS, which one of our VFS's methods was called on.
///
/// # Safety
///
/// `vfs` is what `register` registered.
unsafe fn default(vfs: *mut ffi::sqlite3_vfs) -> *mut ffi::sqlite3_vfs {
    // SAFETY: by the caller's promise; `register` put the default VFS there.
    unsafe { (*vfs).pAppData.cast() }
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls with our VFS, `file` of szOsFile bytes for us to fill, and for a main file a name that ends in a
    // NUL. pMethods has to be NULL where nothing is to be closed.
    unsafe {
        if flags & ffi::SQLITE_OPEN_MAIN_DB == 0 {
            let default = default(vfs);
            let code =
                (*default).xOpen.map_or(ffi::SQLITE_CANTOPEN, |open| open(default, name, file, flags, out_flags));
            if code == ffi::SQLITE_OK && !(*file).pMethods.is_null() {
                read_as_journal(file);
            }
            return code;
        }
        (*file).pMethods = ptr::null();
        if name.is_null() {
            return ffi::SQLITE_CANTOPEN;
        }
        let path = Path::new(OsStr::from_bytes(CStr::from_ptr(name).to_bytes()));
        let Ok(main) = MainFile::open(path, flags & ffi::SQLITE_OPEN_READWRITE != 0) else {
            return ffi::SQLITE_CANTOPEN;
        };
        if !out_flags.is_null() {
            let access = if main.is_writable() { ffi::SQLITE_OPEN_READWRITE } else { ffi::SQLITE_OPEN_READONLY };
            *out_flags = access | ffi::SQLITE_OPEN_MAIN_DB;
        }
        file.cast::<File>().write(File {
            base: ffi::sqlite3_file { pMethods: &raw const METHODS },
            main: Box::into_raw(Box::new(main)),
        });
        ffi::SQLITE_OK
    }
}

/// The default VFS's methods for journals and WALs, and the same but for reading.
struct JournalMethods {
    original: ffi::sqlite3_io_methods,
    /// Where the default VFS keeps them.
    place: usize,
    ours: ffi::sqlite3_io_methods,
}

static JOURNAL: OnceLock<JournalMethods> = OnceLock::new();

/// Has a journal or WAL, which the default VFS has opened, read by [`read_journal`].
///
/// # Safety
///
/// `file` is open, and nobody else uses it yet.
unsafe fn read_as_journal(file: *mut ffi::sqlite3_file) {
    // SAFETY: an open file's methods are a table that lives for ever; in the default VFS all files but the main one have
    // the same. Its methods do not look at where they were called from.
    unsafe {
        let methods = JOURNAL.get_or_init(|| {
            let original = *(*file).pMethods;
            let ours = ffi::sqlite3_io_methods { xRead: Some(read_journal), ..original };
            JournalMethods { original, place: (*file).pMethods.addr(), ours }
        });
        if (*file).pMethods.addr() == methods.place {
            (*file).pMethods = &raw const methods.ours;
        }
    }
}

/// A system's error is not a damaged database, which the default VFS takes it for where it reads.
unsafe extern "C" fn read_journal(file: *mut ffi::sqlite3_file, buffer: *mut c_void, len: c_int, offset: i64) -> c_int {
    let original = JOURNAL.get().and_then(|methods| methods.original.xRead);
    // SAFETY: the arguments are passed on as they are, to the method that the file was opened with.
    match original.map_or(ffi::SQLITE_IOERR_READ, |read| unsafe { read(file, buffer, len, offset) }) {
        ffi::SQLITE_IOERR_CORRUPTFS => ffi::SQLITE_IOERR_READ,
        code => code,
    }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: SQLite calls with our VFS; the arguments are passed on as they are.
    unsafe {
        let default = default(vfs);
        (*default).xDelete.map_or(ffi::SQLITE_IOERR_DELETE, |delete| delete(default, name, sync_folder))
    }
}

unsafe extern "C" fn access(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    // SAFETY: as in `delete`.
    unsafe {
        let default = default(vfs);
        (*default).xAccess.map_or(ffi::SQLITE_IOERR_ACCESS, |access| access(default, name, flags, out))
    }
}

unsafe extern "C" fn full_path_name(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    capacity: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: as in `delete`.
    unsafe {
        let default = default(vfs);
        (*default).xFullPathname.map_or(ffi::SQLITE_CANTOPEN, |full| full(default, name, capacity, out))
    }
}

/// The main file behind SQLite's pointer.
///
/// # Safety
///
/// `file` was filled by `open` and has not been closed; nobody else uses it during the call: a connection of ours is one
/// thread's at a time.
unsafe fn main_file<'a>(file: *mut ffi::sqlite3_file) -> &'a mut MainFile {
    // SAFETY: by the caller's promise; `open` leaked the MainFile that `close` takes back.
    unsafe { &mut *(*file.cast::<File>()).main }
}

impl MainFile {
    /// Keeps the number of a system's error for SQLite to ask for, and answers `code`.
    fn failed(&mut self, cause: &io::Error, code: c_int) -> c_int {
        self.last_errno = cause.raw_os_error().unwrap_or(0);
        if self.last_errno == libc::ENOSPC { ffi::SQLITE_FULL } else { code }
    }

    fn answer(&mut self, outcome: Result<(), Failure>, code: c_int) -> c_int {
        match outcome {
            Ok(()) => ffi::SQLITE_OK,
            Err(Failure::Busy) => ffi::SQLITE_BUSY,
            Err(Failure::Moved) => ffi::SQLITE_READONLY_DBMOVED,
            Err(Failure::Io(cause)) => self.failed(&cause, code),
        }
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes once what `open` filled; its own code then forgets the pointer.
    unsafe {
        drop(Box::from_raw((*file.cast::<File>()).main));
        (*file).pMethods = ptr::null();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, buffer: *mut c_void, len: c_int, offset: i64) -> c_int {
    // SAFETY: see `main_file`; SQLite gives `len` bytes to be written, from an offset that is not negative.
    let (main, buffer) = unsafe { (main_file(file), std::slice::from_raw_parts_mut(buffer.cast(), len as usize)) };
    match main.read(buffer, offset as u64) {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(cause) => main.failed(&cause, ffi::SQLITE_IOERR_READ),
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, bytes: *const c_void, len: c_int, offset: i64) -> c_int {
    // SAFETY: see `main_file`; SQLite gives `len` bytes to be read, and an offset that is not negative.
    let (main, bytes) = unsafe { (main_file(file), std::slice::from_raw_parts(bytes.cast(), len as usize)) };
    let outcome = main.write(bytes, offset as u64);
    main.answer(outcome.map_err(Failure::Io), ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, len: i64) -> c_int {
    // SAFETY: see `main_file`.
    let main = unsafe { main_file(file) };
    let outcome = main.truncate(len as u64);
    main.answer(outcome.map_err(Failure::Io), ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: see `main_file`.
    let main = unsafe { main_file(file) };
    let outcome = main.sync();
    main.answer(outcome.map_err(Failure::Io), ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, len: *mut i64) -> c_int {
    // SAFETY: see `main_file`; SQLite gives a place for the length.
    let (main, len) = unsafe { (main_file(file), &mut *len) };
    let outcome = main.len().map(|found| *len = found as i64);
    main.answer(outcome.map_err(Failure::Io), ffi::SQLITE_IOERR_FSTAT)
}

fn level(number: c_int) -> Level {
    match number {
        ffi::SQLITE_LOCK_NONE => Level::None,
        ffi::SQLITE_LOCK_SHARED => Level::Shared,
        ffi::SQLITE_LOCK_RESERVED => Level::Reserved,
        ffi::SQLITE_LOCK_PENDING => Level::Pending,
        _ => Level::Exclusive,
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, number: c_int) -> c_int {
    // SAFETY: see `main_file`.
    let main = unsafe { main_file(file) };
    let outcome = main.lock(level(number));
    main.answer(outcome, ffi::SQLITE_IOERR_LOCK)
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, number: c_int) -> c_int {
    // SAFETY: see `main_file`.
    let main = unsafe { main_file(file) };
    let outcome = main.unlock(level(number));
    main.answer(outcome.map_err(Failure::Io), ffi::SQLITE_IOERR_UNLOCK)
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: see `main_file`; SQLite gives a place for the answer.
    let (main, out) = unsafe { (main_file(file), &mut *out) };
    let outcome = main.is_reserved().map(|reserved| *out = reserved.into());
    main.answer(outcome.map_err(Failure::Io), ffi::SQLITE_IOERR_CHECKRESERVEDLOCK)
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, operation: c_int, argument: *mut c_void) -> c_int {
    // SAFETY: see `main_file`; what `argument` points to is fixed by the operation (sqlite3.h, SQLITE_FCNTL_...): an int,
    // or for VFSNAME a char * that SQLite frees.
    unsafe {
        let main = main_file(file);
        let number = argument.cast::<c_int>();
        match operation {
            ffi::SQLITE_FCNTL_LOCKSTATE => *number = main.level() as c_int,
            ffi::SQLITE_FCNTL_LAST_ERRNO => *number = main.last_errno,
            ffi::SQLITE_FCNTL_HAS_MOVED => *number = main.has_moved().into(),
            ffi::SQLITE_FCNTL_PERSIST_WAL if *number < 0 => *number = main.persist_wal.into(),
            ffi::SQLITE_FCNTL_PERSIST_WAL => main.persist_wal = *number != 0,
            ffi::SQLITE_FCNTL_VFSNAME => {
                *argument.cast::<*mut c_char>() = ffi::sqlite3_mprintf(c"%s".as_ptr(), name().as_ptr());
            }
            _ => return ffi::SQLITE_NOTFOUND,
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    4096
}

/// Nothing is promised of the device beyond what SQLite takes for granted: not even that a write interrupted by a power cut
/// leaves its neighbours alone.
unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    0
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: see `main_file`; SQLite gives a place for the answer.
    let (main, out) = unsafe { (main_file(file), &mut *out) };
    *out = ptr::null_mut();
    let found = main
        .shared_memory()
        .and_then(|memory| memory.region(region as usize, size as usize, extend != 0).map_err(Failure::Io));
    let outcome = found.map(|start| *out = start.map_or(ptr::null_mut(), <*mut u8>::cast));
    main.answer(outcome, ffi::SQLITE_IOERR_SHMMAP)
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, first: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: see `main_file`.
    let main = unsafe { main_file(file) };
    let (first, count) = (first as u32, count as u32);
    let lock = if flags & ffi::SQLITE_SHM_SHARED != 0 { Lock::Read } else { Lock::Write };
    let outcome = if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        main.shared_memory().and_then(|memory| memory.unlock(first, count).map_err(Failure::Io))
    } else if SharedMemory::begins_a_write(first, lock) && main.has_moved() {
        // In WAL mode SQLite does not ask, and would write keys into a file that is gone.
        Err(Failure::Moved)
    } else {
        main.shared_memory().and_then(|memory| memory.lock(first, count, lock))
    };
    main.answer(outcome, ffi::SQLITE_IOERR_SHMLOCK)
}

unsafe extern "C" fn shm_barrier(_file: *mut ffi::sqlite3_file) {
    SharedMemory::barrier();
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    // SAFETY: see `main_file`.
    unsafe { main_file(file) }.end_shared_memory(delete != 0);
    ffi::SQLITE_OK
}
