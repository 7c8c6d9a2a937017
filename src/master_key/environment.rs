//! Where the environment keeps the master keys.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::MasterKey;
use super::text;
use crate::error::{Error, Result, Shortened};
use crate::fallible;
use crate::status::Status;

const VARIABLE: &str = "API_KEY_MASTER_KEY";
const FILE_VARIABLE: &str = "API_KEY_MASTER_KEY_FILE";
const PREVIOUS: &str = "API_KEY_MASTER_KEY_PREVIOUS";
const PREVIOUS_FILE: &str = "API_KEY_MASTER_KEY_PREVIOUS_FILE";

/// A file longer than this holds no master key.
const LONGEST_FILE: usize = 64 << 10;

/// The current master key.
pub(super) fn current() -> Result<MasterKey> {
    let (text, place) = text_of(VARIABLE, FILE_VARIABLE)?.ok_or_else(|| {
        Error::new(
            Status::MasterKeyMissing,
            format!("no master key: set {VARIABLE} to base64 of 32 bytes, or {FILE_VARIABLE} to a file that holds it"),
        )
    })?;
    MasterKey::from_text(&text).map_err(|error| found_in(&place, &error))
}

/// The previous ones, or none.
pub(super) fn previous() -> Result<Vec<MasterKey>> {
    let mut keys = Vec::new();
    if let Some((texts, place)) = text_of(PREVIOUS, PREVIOUS_FILE)? {
        for (at, text) in texts.split(|byte| *byte == b',').enumerate() {
            if !text::is_blank(text) {
                let key = MasterKey::from_text(text);
                keys.push(key.map_err(|error| found_in(&format!("{place}, key {}", at + 1), &error))?);
            }
        }
    }
    Ok(keys)
}

/// What `variable` holds or, where it is unset or blank, the file that `file_variable` names; and where it was found.
fn text_of(variable: &str, file_variable: &str) -> Result<Option<(Zeroizing<Vec<u8>>, String)>> {
    if let Some(value) = non_blank(variable) {
        return Ok(Some((value, variable.into())));
    }
    let Some(path) = non_blank(file_variable) else { return Ok(None) };
    if MasterKey::from_text(&path).is_ok() {
        return Err(Error::new(
            Status::MasterKeyInvalid,
            format!("{file_variable} holds a master key, and takes the path of a file that does: set {variable} to it"),
        ));
    }
    let path = PathBuf::from(OsString::from_vec(path.to_vec()));
    let text = read(&path, file_variable)?;
    Ok(Some((text, format!("{} (from {file_variable})", Shortened(&path)))))
}

fn non_blank(variable: &str) -> Option<Zeroizing<Vec<u8>>> {
    let value = Zeroizing::new(std::env::var_os(variable)?.into_vec());
    (!text::is_blank(&value)).then_some(value)
}

fn read(path: &Path, variable: &str) -> Result<Zeroizing<Vec<u8>>> {
    // The whole capacity at once: growing would leave copies of the text behind.
    let mut text = Zeroizing::new(fallible::zeroes(LONGEST_FILE + 1)?);
    let mut len = 0;
    let refused = |cause: std::io::Error| Error::io(&format!("read the file of {variable},"), path, &cause);
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
                "the file of {variable}, {}, is longer than {LONGEST_FILE} bytes, and a master key has 44 characters: check the path",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_longest_length_is_read_whole_and_a_longer_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for (len, read_len) in
            [(0, Ok(0)), (LONGEST_FILE, Ok(LONGEST_FILE)), (LONGEST_FILE + 1, Err(Status::MasterKeyInvalid))]
        {
            std::fs::write(&path, vec![b'k'; len]).unwrap();
            assert_eq!(read(&path, FILE_VARIABLE).map(|text| text.len()).map_err(|error| error.status()), read_len);
        }
    }
}
