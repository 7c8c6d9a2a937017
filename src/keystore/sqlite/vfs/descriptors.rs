//! The descriptors through which keycask uses stores' files, and when they may be closed.
//!
//! Closing any descriptor of a file drops all POSIX locks that the process has on it, a host's own SQLite's included. So a
//! descriptor that is done with is unlocked and parked, and closed only while a guard, the last of the parked ones, has the
//! whole file locked exclusively, so that nobody holds a lock there. Else the next opening takes it.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::platform::file_lock::{self, Lock, Range};
use crate::platform::process::{self, PerProcess};

/// The number of the user who may give files to others.
const ROOT: u32 = 0;

/// What a file is, by whatever name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(metadata: &Metadata) -> FileId {
        FileId { device: metadata.dev(), inode: metadata.ino() }
    }

    /// The file that is at `path` now.
    pub(super) fn at(path: &Path) -> io::Result<FileId> {
        std::fs::metadata(path).map(|metadata| FileId::of(&metadata))
    }
}

/// An open descriptor of a store's file. It is parked when it is dropped, unless this process did not open it: then it was
/// closed when the process began.
pub(super) struct Descriptor {
    file: Option<Open>,
    process: u64,
}

struct Open {
    file: File,
    id: FileId,
    writable: bool,
}

/// Descriptors that are not in use. A forked child begins with none: it closed them.
static PARKED: PerProcess<Mutex<Vec<Open>>> = PerProcess::new(Mutex::default);

fn parked() -> MutexGuard<'static, Vec<Open>> {
    PARKED.get().lock().unwrap_or_else(PoisonError::into_inner)
}

impl Descriptor {
    /// Opens `path`, which is no symbolic link, or takes a parked descriptor of the file that is there.
    pub(super) fn open(path: &Path, options: &Opening) -> io::Result<Descriptor> {
        process::occupy_standard_descriptors();
        let open = match take_parked(path, options.writable) {
            Some(open) => open,
            None => open_new(path, options)?,
        };
        sweep();
        Ok(Descriptor { file: Some(open), process: process::generation() })
    }

    /// Keeps a descriptor of a file that was just made, for the opening to come.
    pub(super) fn park_new(file: File) -> io::Result<()> {
        let open = adopt(file, true)?;
        parked().push(open);
        Ok(())
    }

    /// The descriptor, unless this process did not open it.
    pub(super) fn file(&self) -> io::Result<&File> {
        match &self.file {
            Some(open) if self.process == process::generation() => Ok(&open.file),
            _ => Err(io::Error::from_raw_os_error(libc::EBADF)),
        }
    }

    /// The file's device and inode.
    pub(super) fn identity(&self) -> [u64; 2] {
        self.file.as_ref().map_or([0; 2], |open| [open.id.device, open.id.inode])
    }

    /// Whether the file is no longer the one at `path`.
    pub(super) fn has_moved(&self, path: &Path) -> bool {
        match &self.file {
            Some(open) => FileId::at(path).ok() != Some(open.id),
            None => true,
        }
    }
}

/// How a file is opened.
pub(super) struct Opening<'a> {
    pub(super) writable: bool,
    /// Makes the file where it is missing, with the mode of this one whatever the umask; where root makes it, with the owner
    /// of this one too.
    pub(super) create_like: Option<&'a Metadata>,
}

fn take_parked(path: &Path, writable: bool) -> Option<Open> {
    let id = FileId::at(path).ok()?;
    let mut parked = parked();
    let at = parked.iter().position(|open| open.id == id && open.writable == writable)?;
    Some(parked.swap_remove(at))
}

fn open_new(path: &Path, options: &Opening) -> io::Result<Open> {
    let mut flags = OpenOptions::new();
    flags.read(true).write(options.writable).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    if let Some(like) = options.create_like {
        let mode = like.mode() & 0o777;
        match flags.clone().create_new(true).mode(mode).open(path) {
            Ok(file) => {
                file.set_permissions(Permissions::from_mode(mode))?;
                if file.metadata()?.uid() == ROOT {
                    // As SQLite does for every file beside a database. Where that is forbidden, the mode has to do.
                    let _ = fchown(&file, Some(like.uid()), Some(like.gid()));
                }
                return adopt(file, options.writable);
            }
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(cause),
        }
    }
    adopt(flags.open(path)?, options.writable)
}

fn adopt(file: File, writable: bool) -> io::Result<Open> {
    let id = FileId::of(&file.metadata()?);
    process::close_in_children(file.as_fd())?;
    Ok(Open { file, id, writable })
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let Some(open) = self.file.take() else { return };
        if self.process != process::generation() {
            // Its number may be another file's by now.
            std::mem::forget(open.file);
            return;
        }
        // Should this fail, the locks end when the descriptor is closed.
        let _ = file_lock::unlock(open.file.as_fd(), Range::WHOLE_FILE);
        parked().push(open);
        sweep();
    }
}

/// Closes what is parked of every file that nobody has a lock on. To be called inside a section: a child must not inherit a
/// guard with its lock.
fn sweep() {
    let mut parked = parked();
    let mut left = Vec::new();
    while let Some(open) = parked.pop() {
        let id = open.id;
        let mut of_file: Vec<Open> = parked.extract_if(.., |other| other.id == id).chain([open]).collect();
        close_under_guard(&mut of_file);
        left.append(&mut of_file);
    }
    *parked = left;
}

/// Closes all of a file's parked descriptors, or none.
fn close_under_guard(of_file: &mut Vec<Open>) {
    let Some(at) = guard_among(of_file) else { return };
    let guard = of_file.swap_remove(at);
    if !matches!(file_lock::try_lock(guard.file.as_fd(), Lock::Write, Range::WHOLE_FILE), Ok(true)) {
        of_file.push(guard);
        return;
    }
    for open in of_file.drain(..).chain([guard]) {
        process::forget_in_children(open.file.as_fd());
        // The guard goes last. Its lock ends with its description, after the closing has dropped the process's POSIX
        // locks on the file, of which there is none while the guard is locked.
        drop(open.file);
    }
}

/// A parked descriptor that can be write-locked. Where all are read-only, one more is opened, and stays if it must.
fn guard_among(of_file: &mut Vec<Open>) -> Option<usize> {
    if let Some(at) = of_file.iter().position(|open| open.writable) {
        return Some(at);
    }
    let number = of_file.first()?.file.as_raw_fd();
    // The same file, also when it has no name any more.
    let file = OpenOptions::new().read(true).write(true).open(format!("/proc/self/fd/{number}")).ok()?;
    of_file.push(adopt(file, true).ok()?);
    Some(of_file.len() - 1)
}
