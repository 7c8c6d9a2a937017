//! What a failed call tells a person.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::Path;

use crate::status::Status;

/// What keycask's functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed: a [`Status`] for the program, a message for a person.
///
/// The message names what was found, what was expected and what to do. It never holds a key, a plaintext or a token.
#[derive(Clone)]
pub struct Error(Repr);

/// Two words, so that a [`Result`] of little else is handed on in registers.
#[derive(Clone)]
enum Repr {
    Fixed(&'static Cause),
    Made(Box<Cause>),
}

/// What an error says. A `static` one is for where nothing may be allocated: see [`Error::fixed`].
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    status: Status,
    message: Cow<'static, str>,
    os_error: i32,
    engine_error: i32,
}

impl Cause {
    pub(crate) const fn new(status: Status, message: &'static str) -> Cause {
        Cause { status, message: Cow::Borrowed(message), os_error: 0, engine_error: 0 }
    }
}

impl Error {
    pub(crate) fn new(status: Status, message: impl Into<Cow<'static, str>>) -> Error {
        Error(Repr::Made(Box::new(Cause { status, message: message.into(), os_error: 0, engine_error: 0 })))
    }

    /// An error that takes no memory: where there is none, or where the heap may be locked for ever, in the child of a bare
    /// clone.
    pub(crate) const fn fixed(cause: &'static Cause) -> Error {
        Error(Repr::Fixed(cause))
    }

    /// The system refused `action` ("make", "open", "read") on `path`.
    pub(crate) fn io(action: &str, path: &Path, cause: &io::Error) -> Error {
        Error::new(Status::Io, format!("cannot {action} {}: {cause}", Shortened(path)))
            .with_os_error(cause.raw_os_error().unwrap_or(0))
    }

    /// An allocation failed.
    pub(crate) fn memory() -> Error {
        static CAUSE: Cause = Cause::new(Status::Memory, "out of memory: free some, or work on smaller values");
        Error::fixed(&CAUSE)
    }

    pub(crate) fn with_os_error(self, errno: i32) -> Error {
        self.changed(|cause| cause.os_error = errno)
    }

    pub(crate) fn with_engine_error(self, code: i32) -> Error {
        self.changed(|cause| cause.engine_error = code)
    }

    fn changed(self, change: impl FnOnce(&mut Cause)) -> Error {
        let mut cause = match self.0 {
            Repr::Fixed(cause) => Box::new(cause.clone()),
            Repr::Made(cause) => cause,
        };
        change(&mut cause);
        Error(Repr::Made(cause))
    }

    fn cause(&self) -> &Cause {
        match &self.0 {
            Repr::Fixed(cause) => cause,
            Repr::Made(cause) => cause,
        }
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.cause().status
    }

    /// What was found, what was expected, what to do; in English, without secrets.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.cause().message
    }

    /// The system's error number (`errno`), or 0.
    #[must_use]
    pub fn os_error(&self) -> i32 {
        self.cause().os_error
    }

    /// The storage engine's own error number (SQLite's extended result code), or 0.
    #[must_use]
    pub fn engine_error(&self) -> i32 {
        self.cause().engine_error
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause().fmt(f)
    }
}

impl std::error::Error for Error {}

/// A path in a message: at most [`Shortened::MOST`] bytes, the middle left out, control characters escaped.
pub(crate) struct Shortened<'a>(pub &'a Path);

impl Shortened<'_> {
    /// In bytes.
    const MOST: usize = 100;
}

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", shortened(&self.0.to_string_lossy()))
    }
}

/// Words of others for a message, as [`Shortened`] shows a path.
pub(crate) fn shortened(text: &str) -> String {
    let shown: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if shown.len() <= Shortened::MOST {
        return shown;
    }
    let (mut head, mut tail) = (Shortened::MOST / 2, shown.len() - Shortened::MOST / 2);
    while !shown.is_char_boundary(head) {
        head -= 1;
    }
    while !shown.is_char_boundary(tail) {
        tail += 1;
    }
    format!("{}…{}", &shown[..head], &shown[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_is_shortened_in_the_middle_and_keeps_both_ends() {
        for middle in ["x", "é", "名", "🔑"] {
            let path = format!("/start/{}/end.db", middle.repeat(1000));
            let shown = Shortened(Path::new(&path)).to_string();
            assert!(shown.starts_with("'/start/") && shown.ends_with("/end.db'") && shown.contains('…'), "{shown}");
            assert!(shown.len() <= Shortened::MOST + "'…'".len() && shown.len() > Shortened::MOST - 4, "{shown}");
        }
    }

    #[test]
    fn a_path_cannot_put_control_characters_into_a_message() {
        assert_eq!(Shortened(Path::new("a\n\x1b[2Jb")).to_string(), "'a\u{fffd}\u{fffd}[2Jb'");
    }
}
