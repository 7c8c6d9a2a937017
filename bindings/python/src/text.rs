//! Python's strings and bytes.

use keycask::ffi::status::{KC_E_ARGUMENT, KC_E_FORMAT};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString};
use zeroize::{Zeroize, Zeroizing};

use crate::call::error_of;

/// A string's UTF-8, in a bytes object of our own, which is wiped when it is dropped.
pub struct Utf8<'py>(Bound<'py, PyBytes>);

impl Utf8<'_> {
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Drop for Utf8<'_> {
    fn drop(&mut self) {
        let bytes = self.0.as_bytes();
        // Python has one object for each of the shortest.
        if bytes.len() > 1 {
            // SAFETY: the object was made by `utf8` and handed to nobody, so that nothing else reads its bytes, ever.
            unsafe { std::slice::from_raw_parts_mut(bytes.as_ptr().cast_mut(), bytes.len()) }.zeroize();
        }
    }
}

/// What a caller gave: a string's UTF-8, or bytes.
pub enum Given<'a> {
    Text(Utf8<'a>),
    Bytes(&'a [u8]),
    /// A copy of what may change meanwhile.
    Copied(Zeroizing<Vec<u8>>),
}

impl Given<'_> {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Given::Text(text) => text.as_bytes(),
            Given::Bytes(bytes) => bytes,
            Given::Copied(bytes) => bytes,
        }
    }
}

/// A string's UTF-8. One that has none holds half a surrogate pair, and is never part of the error.
pub fn utf8<'py>(text: &Bound<'py, PyString>, what: &str) -> PyResult<Utf8<'py>> {
    text.encode_utf8().map(Utf8).map_err(|_| {
        let message = format!("the {what} holds half a surrogate pair, so that it has no UTF-8: give whole characters");
        error_of(text.py(), KC_E_ARGUMENT, &message, 0, 0)
    })
}

/// Bytes, of which a bytearray's are copied.
pub fn bytes<'a>(given: &'a Bound<PyAny>, what: &str) -> PyResult<Given<'a>> {
    if let Ok(bytes) = given.cast::<PyBytes>() {
        return Ok(Given::Bytes(bytes.as_bytes()));
    }
    if let Ok(bytes) = given.cast::<PyByteArray>() {
        return Ok(Given::Copied(Zeroizing::new(bytes.to_vec())));
    }
    Err(PyTypeError::new_err(format!("the {what} must be bytes or bytearray, not {}", given.get_type().name()?)))
}

/// A string, or bytes.
pub fn text_or_bytes<'a>(given: &'a Bound<PyAny>, what: &str) -> PyResult<Given<'a>> {
    if let Ok(text) = given.cast::<PyString>() {
        return Ok(Given::Text(utf8(text, what)?));
    }
    bytes(given, what).map_err(|_| match given.get_type().name() {
        Ok(name) => PyTypeError::new_err(format!("the {what} must be str, bytes or bytearray, not {name}")),
        Err(error) => error,
    })
}

/// A string of what a call wrote. Python's own decoding error would hold the plaintext.
pub fn string<'py>(py: Python<'py>, written: &[u8]) -> PyResult<Bound<'py, PyString>> {
    match std::str::from_utf8(written) {
        Ok(text) => Ok(PyString::new(py, text)),
        Err(_) => {
            let message = "the plaintext is not UTF-8, so that it is no str: use decrypt_bytes";
            Err(error_of(py, KC_E_FORMAT, message, 0, 0))
        }
    }
}
