//! Where the environment keeps the master key.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::MasterKey;
use super::text;
use crate::error::{Error, Result, Shortened};
use crate::status::Status;

const VARIABLE: &str = "API_KEY_MASTER_KEY";
const FILE_VARIABLE: &str = "API_KEY_MASTER_KEY_FILE";

/// A file longer than this holds no master key.
const LONGEST_FILE: usize = 64 << 10;

pub(super) fn master_key() -> Result<MasterKey> {
    if let Some(value) = non_blank(VARIABLE) {
        return MasterKey::from_text(&value).map_err(|error| found_in(VARIABLE, &error));
    }
    if let Some(path) = non_blank(FILE_VARIABLE) {
        if MasterKey::from_text(&path).is_ok() {
            return Err(Error::new(
                Status::MasterKeyInvalid,
                format!(
                    "{FILE_VARIABLE} holds a master key, and takes the path of a file that does: set {VARIABLE} to it"
                ),
            ));
        }
        let path = PathBuf::from(OsString::from_vec(path.to_vec()));
        let text = read(&path)?;
        return MasterKey::from_text(&text)
            .map_err(|error| found_in(&format!("{} (from {FILE_VARIABLE})", Shortened(&path)), &error));
    }
    Err(Error::new(
        Status::MasterKeyMissing,
        format!("no master key: set {VARIABLE} to base64 of 32 bytes, or {FILE_VARIABLE} to a file that holds it"),
    ))
}

fn non_blank(variable: &str) -> Option<Zeroizing<Vec<u8>>> {
    let value = Zeroizing::new(std::env::var_os(variable)?.into_vec());
    (!text::strip(&value).is_empty()).then_some(value)
}

fn read(path: &PathBuf) -> Result<Zeroizing<Vec<u8>>> {
    // The whole capacity at once: growing would leave copies of the text behind.
    let mut text = Zeroizing::new(vec![0; LONGEST_FILE + 1]);
    let mut len = 0;
    let refused = |cause: std::io::Error| Error::io("read the file of API_KEY_MASTER_KEY_FILE,", path, &cause);
    let mut file = File::open(path).map_err(refused)?;
    while len < text.len() {
        match file.read(&mut text[len..]) {
            Ok(0) => break,
            Ok(got) => len += got,
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(refused(cause)),
        }
    }
    if len > LONGEST_FILE {
        return Err(Error::new(
            Status::MasterKeyInvalid,
            format!(
                "the file of {FILE_VARIABLE}, {}, is longer than {LONGEST_FILE} bytes, and a master key has 44 characters: check the path",
                Shortened(path)
            ),
        ));
    }
    text.truncate(len);
    Ok(text)
}

fn found_in(place: &str, error: &Error) -> Error {
    Error::new(error.status(), format!("{place}: {}", error.message()))
}
