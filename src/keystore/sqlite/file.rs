//! The store's file: found through links, made where it is missing, refused where it is no file.

use std::fs::{self, File, FileType};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::vfs;
use crate::error::{Error, Result, Shortened};
use crate::options::Options;
use crate::platform::folder;
use crate::status::Status;

/// The longest path, in bytes, that SQLite opens: its own limit is 512, the name of the journal included.
const LONGEST_PATH: usize = 504;

/// As many links are followed as Linux follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// The real path of the store's file at the absolute path `path`, which exists when this returns.
pub(super) fn prepare(path: &Path, options: &Options) -> Result<PathBuf> {
    let target = follow_links(path)?;
    check_length(&target)?;
    match fs::symlink_metadata(&target) {
        Ok(found) => check_type(&target, found.file_type())?,
        Err(cause) if missing(&cause) && (options.must_exist || options.read_only) => {
            return Err(Error::new(
                Status::NotFound,
                format!(
                    "there is no key store at {}: check the location, or open it without KC_OPEN_MUST_EXIST and KC_OPEN_READ_ONLY to make one",
                    Shortened(path)
                ),
            ));
        }
        Err(cause) if missing(&cause) => make(&target)?,
        Err(cause) => return Err(Error::io("look at", &target, &cause)),
    }
    let real = fs::canonicalize(&target).map_err(|cause| Error::io("resolve", &target, &cause))?;
    check_length(&real)?;
    // Once more: what another process made meanwhile may be no file.
    check_type(&real, fs::symlink_metadata(&real).map_err(|cause| Error::io("look at", &real, &cause))?.file_type())?;
    Ok(real)
}

fn check_length(path: &Path) -> Result<()> {
    let len = path.as_os_str().len();
    if len <= LONGEST_PATH {
        return Ok(());
    }
    Err(Error::new(
        Status::Limit,
        format!(
            "{} has {len} bytes as an absolute path, and SQLite opens {LONGEST_PATH}: keep the store in a folder nearer to the root",
            Shortened(path)
        ),
    ))
}

/// Follows the symbolic links that `path` itself is, to a path that is none, which may be missing.
fn follow_links(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(target) => {
                path.pop();
                path.push(target);
            }
            Err(_) => return Ok(path),
        }
    }
    Err(Error::io("resolve", &path, &io::Error::from_raw_os_error(libc::ELOOP)))
}

fn missing(cause: &io::Error) -> bool {
    cause.kind() == ErrorKind::NotFound
}

fn check_type(path: &Path, found: FileType) -> Result<()> {
    if found.is_file() {
        return Ok(());
    }
    if found.is_dir() {
        return Err(directory(path));
    }
    let what = if found.is_fifo() {
        "a FIFO"
    } else if found.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(Error::new(
        Status::Unsupported,
        format!("{} is {what}, and a key store is a regular file: check the location", Shortened(path)),
    ))
}

fn directory(path: &Path) -> Error {
    Error::new(Status::Io, format!("{} is a directory: pass the path of a file in it", Shortened(path)))
        .with_os_error(libc::EISDIR)
}

/// Makes an empty file that only its owner may use, whatever the umask, and the folders on the way to it.
fn make(path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        make_folders(folder)?;
    }
    let made = File::options().read(true).write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(file) => file
            .set_permissions(fs::Permissions::from_mode(0o600))
            // Closing it could drop a host's locks on it: the connection that comes next takes it.
            .and_then(|()| vfs::keep(file))
            .map_err(|cause| Error::io("make the key store", path, &cause)),
        // Another process was faster; the file is its, mode and all.
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(Error::io("make the key store", path, &cause)),
    }
}

/// Makes the folders that are missing, each entered durably into the one above.
fn make_folders(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let Some(above) = folder.parent() else { return Ok(()) };
    make_folders(above)?;
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
            .and_then(|()| folder::sync(above))
            .map_err(|cause| Error::io("make the folder", folder, &cause)),
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(cause) => Err(Error::io("make the folder", folder, &cause)),
    }
}
