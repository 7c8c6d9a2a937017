//! A copy of a store while it is in use.

use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, Shortened};
use crate::keystore::{self, KeyStore, Location, Patience};
use crate::master_key::MasterKeys;
use crate::options::Options;
use crate::platform::{folder, random};
use crate::registry;
use crate::status::Status;

/// Copies the store to `location`, a file that must not exist. What is there when this returns is whole and durable.
pub(crate) fn write(keystore: &dyn KeyStore, master_keys: &MasterKeys, location: &str) -> Result<()> {
    let Location::File(target) = Location::parse(location)? else {
        return Err(Error::new(Status::Argument, "a backup is a file: pass its path, not ':memory:'"));
    };
    // Looked at first, so that nothing is copied in vain; the link below is what decides.
    if fs::symlink_metadata(&target).is_ok() {
        return Err(exists(&target));
    }
    let parent = target.parent().unwrap_or(Path::new("/"));
    let partial = Partial::make(parent)?;
    keystore.copy_to(&partial.path)?;
    partial.file.sync_all().map_err(|cause| Error::io("sync", &partial.path, &cause))?;
    check(&partial.path, master_keys)?;
    fs::hard_link(&partial.path, &target).map_err(|cause| match cause.kind() {
        ErrorKind::AlreadyExists => exists(&target),
        _ => Error::io("make the backup", &target, &cause),
    })?;
    drop(partial);
    folder::sync(parent).map_err(|cause| {
        // Nothing is left of a backup that may not survive a power cut.
        let _ = fs::remove_file(&target);
        Error::io("sync the folder", parent, &cause)
    })
}

fn exists(target: &Path) -> Error {
    Error::new(
        Status::Exists,
        format!("{} exists, and a backup overwrites nothing: choose another name, or remove it", Shortened(target)),
    )
}

/// Opens the copy as a store, and has the engine look through it.
fn check(copy: &Path, master_keys: &MasterKeys) -> Result<()> {
    let copied = keystore::open(&Location::File(copy.to_path_buf()), &Options::new().read_only(true))?;
    copied.read(Patience::Timeout, &mut |rows| registry::check_opening(rows, master_keys).map(|_| ()))?;
    match copied.findings(1)?.first() {
        None => Ok(()),
        Some(finding) => Err(Error::new(
            Status::Corrupt,
            format!("the copy is damaged, and so perhaps the store: {finding}; check the store and its disk"),
        )),
    }
}

/// A file that is removed again, unless it has got another name.
struct Partial {
    path: PathBuf,
    file: File,
}

impl Partial {
    fn make(folder: &Path) -> Result<Partial> {
        let mut unique = [0; 8];
        random::fill(&mut unique)?;
        let path = folder.join(format!(".keycask-backup-{:016x}", u64::from_ne_bytes(unique)));
        let failed = |cause| Error::io("make a file in", folder, &cause);
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        let partial = Partial { path, file };
        partial.file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(partial)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // What cannot be removed is a file that only its owner may read, under a name that says what it is.
        let _ = fs::remove_file(&self.path);
    }
}
