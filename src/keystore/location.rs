//! What a location says: a file, memory, or something that this build cannot open.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result, Shortened, shortened};
use crate::status::Status;

/// The longest location, in bytes.
const MAX_LOCATION: usize = 4096;

/// Where a key store is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Location {
    /// A store in memory, each opening its own.
    Memory,
    /// A file, by an absolute path.
    File(PathBuf),
}

impl Location {
    /// Reads a location as `kc_open` takes it. A relative path is made absolute here, so a later change of the working
    /// directory does not matter.
    pub(crate) fn parse(location: &str) -> Result<Location> {
        if location.is_empty() {
            return Err(Error::new(Status::Argument, "the location is empty: pass the path of the store's file"));
        }
        if location.len() > MAX_LOCATION {
            return Err(Error::new(
                Status::Limit,
                format!(
                    "the location has {} bytes, and the most is {MAX_LOCATION}: pass a shorter path",
                    location.len()
                ),
            ));
        }
        if location.contains('\0') {
            return Err(Error::new(Status::Argument, "the location holds a NUL, which no path can: check its length"));
        }
        if location == ":memory:" {
            return Ok(Location::Memory);
        }
        if let Some(scheme) = scheme(location) {
            return Err(Error::new(
                Status::Unsupported,
                format!(
                    "the location has the scheme '{}:', which this build does not have: pass the path of a file",
                    shortened(scheme)
                ),
            ));
        }
        if matches!(location.rsplit('/').next(), Some("" | "." | "..")) {
            return Err(Error::new(
                Status::Io,
                format!("{} names a directory: pass the path of a file in it", Shortened(Path::new(location))),
            )
            .with_os_error(libc::EISDIR));
        }
        let path = std::path::absolute(Path::new(location))
            .map_err(|cause| Error::io("find the working directory for", Path::new(location), &cause))?;
        Ok(Location::File(path))
    }
}

/// What stands before `://`, be it a scheme by RFC 3986 §3.1 or nearly one, and `file`, with which SQLite's own URIs begin.
/// Behind a `/` it is part of a path.
fn scheme(location: &str) -> Option<&str> {
    let (before, after) = location.split_once(':')?;
    (!before.contains('/') && (after.starts_with("//") || before.eq_ignore_ascii_case("file"))).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_or_a_sqlite_uri_is_never_taken_for_a_file_of_that_name() {
        for location in
            ["postgres://user:password@host/db", "my_db://password@host", "file:a.db", "FILE:a.db", "x-1+y.z://"]
        {
            let error = Location::parse(location).unwrap_err();
            assert_eq!(error.status(), Status::Unsupported, "{location}");
            assert!(!error.message().contains("password"));
        }
    }

    #[test]
    fn a_colon_alone_makes_no_scheme() {
        for location in ["a:b.db", "./a://b", "/x/postgres://y", "http:/x", ":memory"] {
            assert!(matches!(Location::parse(location), Ok(Location::File(_))), "{location}");
        }
    }

    #[test]
    fn a_relative_path_is_made_absolute() {
        let Ok(Location::File(path)) = Location::parse("a.db") else { panic!("a file was expected") };
        assert_eq!(path, std::env::current_dir().unwrap().join("a.db"));
    }
}
