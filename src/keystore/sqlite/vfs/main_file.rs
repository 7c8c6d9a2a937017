//! The store's main file as SQLite's pager uses it: reads, writes and locks.
//!
//! The locks are those of SQLite's own unix VFS, byte for byte, so that every other SQLite heeds them.

use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::descriptors::{Descriptor, Opening};
use super::shared_memory::SharedMemory;
use crate::platform::file_lock::{self, Lock, Range};

/// SQLite's lock bytes (`os.h`), a gigabyte into the file; no page is ever stored over them.
const PENDING_BYTE: i64 = 0x4000_0000;
const PENDING: Range = Range::new(PENDING_BYTE, 1);
const RESERVED: Range = Range::new(PENDING_BYTE + 1, 1);
const SHARED: Range = Range::new(PENDING_BYTE + 2, 510);
const PENDING_AND_RESERVED: Range = Range::new(PENDING_BYTE, 2);

/// What SQLite compares to see whether a file is as it left it: the change counter and three fields behind it (its file
/// format, §1.3). A commit changes it, in rollback mode.
pub(in super::super) type Version = [u8; VERSION_LEN];
const VERSION_LEN: usize = 16;
const VERSION_AT: u64 = 24;
/// The write and read format, a byte each.
const WRITE_FORMAT_AT: u64 = 18;
const ROLLBACK_JOURNAL: [u8; 2] = [1, 1];
const WRITE_FORMAT_TO_VERSION: usize = (VERSION_AT - WRITE_FORMAT_AT) as usize;

/// SQLite's lock levels, in their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Level {
    None,
    Shared,
    Reserved,
    Pending,
    Exclusive,
}

/// What a method of the VFS answers when it fails.
#[derive(Debug)]
pub(super) enum Failure {
    /// Somebody else holds a lock that this one cannot be had beside.
    Busy,
    /// The file is not the one at its path any more.
    Moved,
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(cause: io::Error) -> Failure {
        Failure::Io(cause)
    }
}

/// One connection's main file.
pub(super) struct MainFile {
    path: PathBuf,
    descriptor: Descriptor,
    level: Level,
    shared_memory: Option<SharedMemory>,
    writable: bool,
    /// As it was when SQLite last read or wrote it, under its lock.
    version: Option<Version>,
    pub(super) persist_wal: bool,
    pub(super) last_errno: i32,
}

impl MainFile {
    /// Opens the file at `path`; read-only where it cannot be written, unless it has to be.
    pub(super) fn open(path: &Path, writable: bool) -> io::Result<MainFile> {
        let open = |writable| Descriptor::open(path, &Opening { writable, create_like: None });
        let (descriptor, writable) = match open(writable) {
            Err(cause)
                if writable && matches!(cause.raw_os_error(), Some(libc::EACCES | libc::EROFS | libc::EPERM)) =>
            {
                (open(false)?, false)
            }
            answer => (answer?, writable),
        };
        Ok(MainFile {
            path: path.to_path_buf(),
            descriptor,
            level: Level::None,
            shared_memory: None,
            writable,
            version: None,
            persist_wal: false,
            last_errno: 0,
        })
    }

    /// Whether nothing can have been committed to the file since SQLite last read or wrote its version: two system calls, and no lock.
    /// Never so in WAL mode, where commits go elsewhere.
    pub(super) fn is_unchanged(&self) -> bool {
        let mut now = [0; WRITE_FORMAT_TO_VERSION + VERSION_LEN];
        // What a writer has not committed yet differs too, and makes this a no.
        self.version.is_some()
            && !self.has_moved()
            && matches!(self.read_at(&mut now, WRITE_FORMAT_AT), Ok(true))
            && now[..2] == ROLLBACK_JOURNAL
            && now[WRITE_FORMAT_TO_VERSION..] == self.version.unwrap_or_default()
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    pub(super) fn has_moved(&self) -> bool {
        self.descriptor.has_moved(&self.path)
    }

    /// The file's device and inode.
    pub(super) fn identity(&self) -> [u64; 2] {
        self.descriptor.identity()
    }

    /// [`MainFile::read_at`] for SQLite, which reads the version alone when it has got its lock.
    pub(super) fn read(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
        let whole = self.read_at(buffer, offset);
        if offset == VERSION_AT && self.level >= Level::Shared {
            self.version = Version::try_from(&*buffer).ok();
        }
        whole
    }

    /// Reads into `buffer` from `offset`, and fills with zeroes what lies behind the end. False: something did.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
        let file = self.descriptor.file()?;
        let mut done = 0;
        while done < buffer.len() {
            match file.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => {
                    buffer[done..].fill(0);
                    return Ok(false);
                }
                Ok(got) => done += got,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(true)
    }

    /// For SQLite, which writes the version together with the page that it is on.
    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if offset == 0 {
            self.version = None;
        }
        self.descriptor.file()?.write_all_at(bytes, offset)?;
        if offset == 0 {
            self.version = bytes.get(VERSION_AT as usize..).and_then(<[u8]>::first_chunk).copied();
        }
        Ok(())
    }

    pub(super) fn version(&self) -> Option<Version> {
        self.version
    }

    pub(super) fn truncate(&self, len: u64) -> io::Result<()> {
        self.descriptor.file()?.set_len(len)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.descriptor.file()?.sync_data()
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        // Nothing else moves or uses the offset, and to ask for more, as `metadata` does, takes three times as long.
        self.descriptor.file()?.seek(SeekFrom::End(0))
    }

    /// Raises the lock to `level`, never waiting: unixLock in SQLite's `os_unix.c` says why in this order.
    pub(super) fn lock(&mut self, level: Level) -> Result<(), Failure> {
        if self.level >= level {
            return Ok(());
        }
        let file = self.descriptor.file()?.as_fd();
        let take = |lock, range| match file_lock::try_lock(file, lock, range)? {
            true => Ok(()),
            false => Err(Failure::Busy),
        };
        match level {
            Level::Shared => {
                // unixLock takes PENDING for the moment, so that a writer who waits for readers to leave is not kept
                // waiting by new ones. To ask for it is enough for that, and a system call less.
                if file_lock::held(file, PENDING)? == Some(Lock::Write) {
                    return Err(Failure::Busy);
                }
                take(Lock::Read, SHARED)?;
            }
            Level::Reserved => take(Lock::Write, RESERVED)?,
            Level::Pending | Level::Exclusive => {
                // Nobody reads the WAL's index past this lock: a connection in WAL mode holds SHARED, and its switch.
                if let Some(shared_memory) = &self.shared_memory
                    && shared_memory.is_used_by_others()?
                {
                    return Err(Failure::Busy);
                }
                // PENDING keeps new readers out, and is taken only on the way from RESERVED: a hot journal is rolled
                // back straight from SHARED, and two that try this must not keep each other out.
                if self.level == Level::Reserved {
                    take(Lock::Write, PENDING)?;
                    self.level = Level::Pending;
                }
                take(Lock::Write, SHARED)?;
            }
            Level::None => {}
        }
        self.level = level;
        Ok(())
    }

    /// Lowers the lock to SHARED or none.
    pub(super) fn unlock(&mut self, level: Level) -> io::Result<()> {
        if self.level <= level {
            return Ok(());
        }
        let file = self.descriptor.file()?.as_fd();
        if level == Level::Shared {
            // Converting one's own write lock to a read lock cannot meet another's.
            file_lock::try_lock(file, Lock::Read, SHARED)?;
            file_lock::unlock(file, PENDING_AND_RESERVED)?;
        } else {
            file_lock::unlock(file, Range::WHOLE_FILE)?;
        }
        self.level = level;
        Ok(())
    }

    /// Whether anybody, this connection included, is about to write.
    pub(super) fn is_reserved(&self) -> io::Result<bool> {
        if self.level > Level::Shared {
            return Ok(true);
        }
        Ok(file_lock::held(self.descriptor.file()?.as_fd(), RESERVED)?.is_some())
    }

    /// The shared memory of the WAL's index, opened when it is first asked for.
    pub(super) fn shared_memory(&mut self) -> Result<&mut SharedMemory, Failure> {
        let file = self.descriptor.file()?;
        if self.shared_memory.is_none() {
            self.shared_memory = Some(SharedMemory::open(&self.path, &file.metadata()?)?);
        }
        self.shared_memory.as_mut().ok_or(Failure::Busy)
    }

    /// Ends the use of the shared memory, and with `delete` removes its file.
    pub(super) fn end_shared_memory(&mut self, delete: bool) {
        if let Some(shared_memory) = self.shared_memory.take() {
            shared_memory.end(delete);
        }
    }
}
