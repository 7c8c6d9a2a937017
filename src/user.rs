//! A user's name, as the program knows them.

use std::fmt;
use std::path::Path;

use crate::error::{Error, Result, Shortened};
use crate::fallible;
use crate::status::Status;

/// The longest user name, in bytes of UTF-8.
pub const MAX_USER: usize = 4096;

/// A user name within the limits that bind callers: 1 to [`MAX_USER`] bytes. A NUL in it is a character like others.
#[derive(Clone, Copy)]
pub(crate) struct User<'a>(&'a str);

impl<'a> User<'a> {
    #[inline]
    pub(crate) fn new(name: &'a str) -> Result<User<'a>> {
        if name.is_empty() || name.len() > MAX_USER {
            return Err(out_of_bounds(name.len()));
        }
        Ok(User(name))
    }

    pub(crate) fn name(self) -> &'a str {
        self.0
    }

    pub(crate) fn to_owned(self) -> Result<Box<str>> {
        fallible::text(self.0).map(String::into_boxed_str)
    }
}

/// Names up to so many bytes take no memory of their own.
const SHORT: usize = 70;

/// A user's name, kept.
pub(crate) enum Name {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Box<str>),
}

impl Name {
    pub(crate) fn of(user: User<'_>) -> Result<Name> {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..user.0.len()), u8::try_from(user.0.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(user.0.as_bytes());
                Ok(Name::Short { len, bytes })
            }
            _ => user.to_owned().map(Name::Long),
        }
    }

    #[inline(always)]
    fn as_bytes(&self) -> &[u8] {
        match self {
            Name::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Name::Long(name) => name.as_bytes(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match str::from_utf8(self.as_bytes()) {
            Ok(name) => name,
            Err(_) => unreachable!("made from a str"),
        }
    }

    #[inline(always)]
    pub(crate) fn is(&self, name: &str) -> bool {
        self.as_bytes() == name.as_bytes()
    }
}

#[cold]
fn out_of_bounds(len: usize) -> Error {
    if len == 0 {
        return Error::new(Status::Argument, format!("the user is empty: pass 1 to {MAX_USER} bytes of UTF-8"));
    }
    Error::new(
        Status::Limit,
        format!("the user has {len} bytes, and the most is {MAX_USER}: pass a shorter name or a hash of it"),
    )
}

impl fmt::Display for User<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shortened(Path::new(self.0)).fmt(f)
    }
}
