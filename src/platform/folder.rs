//! Folders that keep what was entered into them.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Has what was entered into `folder`, or taken out of it, survive a power cut.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        // A folder that may be written and not read cannot be synced.
        Err(cause) if cause.kind() == ErrorKind::PermissionDenied => Ok(()),
        Err(cause) => Err(cause),
    }
}
