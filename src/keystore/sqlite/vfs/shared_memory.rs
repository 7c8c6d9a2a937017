//! The WAL's index: memory that all connections of a store share, by a mapping of its `-shm` file, and the locks on it.
//!
//! A connection has a descriptor and mappings of its own: descriptions are what its locks belong to.

use std::fs::Metadata;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{Ordering, fence};

use super::descriptors::{Descriptor, Opening};
use super::main_file::Failure;
use crate::platform::file_lock::{self, Lock, Range};
use crate::platform::mapping::{self, Mapping};

/// The first of SQLite's lock bytes in the file (`UNIX_SHM_BASE` in `os_unix.c`), and how many there are.
const FIRST_LOCK: i64 = 120;
const LOCKS: u32 = 8;
/// Held shared by every connection: the "dead man's switch". Where nobody holds it, what the file says is nobody's.
const SWITCH: Range = Range::new(FIRST_LOCK + LOCKS as i64, 1);
/// The lock of the WAL's one writer.
const WRITER: u32 = 0;
/// What an orphaned file is cut to, as SQLite does: shorter than its header, and odd enough to be recognised.
const CUT_TO: u64 = 3;

/// One connection's part in the shared memory.
pub(super) struct SharedMemory {
    path: PathBuf,
    descriptor: Descriptor,
    regions: Vec<Mapping>,
    /// The locks held, a bit each. A description silently converts its own locks, so the kernel cannot be asked.
    shared: u32,
    exclusive: u32,
}

impl SharedMemory {
    /// Opens the shared memory of the store at `main`, makes its file where it is missing, as the store's is, and turns
    /// this connection's switch on.
    pub(super) fn open(main: &Path, of_main: &Metadata) -> Result<SharedMemory, Failure> {
        let mut path = main.as_os_str().to_owned();
        path.push("-shm");
        let path = PathBuf::from(path);
        let opening = Opening { writable: true, create_like: Some(of_main) };
        let descriptor = Descriptor::open(&path, &opening)?;
        let file = descriptor.file()?;
        match file_lock::held(file.as_fd(), SWITCH)? {
            None => {
                if !file_lock::try_lock(file.as_fd(), Lock::Write, SWITCH)? {
                    return Err(Failure::Busy);
                }
                file.set_len(CUT_TO)?;
            }
            Some(Lock::Read) => {}
            // Somebody is cutting the file: what it says must not be read meanwhile.
            Some(Lock::Write) => return Err(Failure::Busy),
        }
        if !file_lock::try_lock(file.as_fd(), Lock::Read, SWITCH)? {
            return Err(Failure::Busy);
        }
        Ok(SharedMemory { path, descriptor, regions: Vec::new(), shared: 0, exclusive: 0 })
    }

    /// The start of a region of `size` bytes; nothing where nobody has made it yet, and it is not to be made.
    pub(super) fn region(&mut self, index: usize, size: usize, make: bool) -> io::Result<Option<*mut u8>> {
        let file = self.descriptor.file()?;
        // A mapping covers whole pages: where these are larger than a region, several regions.
        let mapped = size.max(mapping::page_size());
        let per_mapping = mapped / size;
        while self.regions.len() * per_mapping <= index {
            let from = (self.regions.len() * mapped) as u64;
            let needed = from + mapped as u64;
            let len = file.metadata()?.len();
            if len < needed {
                if !make {
                    return Ok(None);
                }
                // A byte into each new page makes the file system find room for it now, not at a SIGBUS later.
                for page in len / 4096..needed / 4096 {
                    file.write_all_at(&[0], page * 4096 + 4095)?;
                }
            }
            self.regions.push(Mapping::shared(file.as_fd(), from, mapped)?);
        }
        let region = &self.regions[index / per_mapping];
        Ok(Some(region.start().wrapping_add(index % per_mapping * size)))
    }

    /// Takes `count` locks from `first` on, all or none.
    pub(super) fn lock(&mut self, first: u32, count: u32, lock: Lock) -> Result<(), Failure> {
        let mask = mask(first, count);
        let held = if lock == Lock::Read { &mut self.shared } else { &mut self.exclusive };
        if *held & mask == mask {
            return Ok(());
        }
        if (self.shared | self.exclusive) & mask != 0 {
            return Err(Failure::Busy);
        }
        let file = self.descriptor.file()?.as_fd();
        if !file_lock::try_lock(file, lock, range(first, count))? {
            return Err(Failure::Busy);
        }
        let held = if lock == Lock::Read { &mut self.shared } else { &mut self.exclusive };
        *held |= mask;
        Ok(())
    }

    /// Gives `count` locks back from `first` on, those of them that are held.
    pub(super) fn unlock(&mut self, first: u32, count: u32) -> io::Result<()> {
        let mask = mask(first, count);
        if (self.shared | self.exclusive) & mask != 0 {
            file_lock::unlock(self.descriptor.file()?.as_fd(), range(first, count))?;
            self.shared &= !mask;
            self.exclusive &= !mask;
        }
        Ok(())
    }

    /// Whether `first` is the lock that a writer begins with.
    pub(super) fn begins_a_write(first: u32, lock: Lock) -> bool {
        first == WRITER && lock == Lock::Write
    }

    /// Whether another connection's switch is on.
    pub(super) fn is_used_by_others(&self) -> io::Result<bool> {
        Ok(file_lock::held(self.descriptor.file()?.as_fd(), SWITCH)?.is_some())
    }

    /// Ends this connection's part, and with `delete`, when nobody else has one, the file.
    pub(super) fn end(mut self, delete: bool) {
        // Mappings go first: once the switch is off, others may cut the file under them.
        self.regions.clear();
        if delete && self.descriptor.file().is_ok() {
            // A file that stays is cut by whoever comes next.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Nothing that was written to the memory before is seen after what is written to it later, and so for reads.
    pub(super) fn barrier() {
        fence(Ordering::SeqCst);
    }
}

fn mask(first: u32, count: u32) -> u32 {
    ((1 << count) - 1) << first
}

fn range(first: u32, count: u32) -> Range {
    Range::new(FIRST_LOCK + i64::from(first), i64::from(count))
}
