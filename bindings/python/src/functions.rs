//! The module's functions.

use std::ffi::CStr;

use keycask::MasterKey;
use keycask::ffi::lengths::{KC_HASH_SIZE, KC_KEY_SIZE, KC_MASTER_KEY_TEXT_SIZE};
use keycask::ffi::library::{kc_handle_count, kc_version};
use keycask::ffi::master_key::{kc_master_key_decode, kc_master_key_generate};
use keycask::ffi::secrets::{kc_hash, kc_is_encrypted};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use zeroize::Zeroizing;

use crate::call::{directly, error_of};
use crate::key::Key;
use crate::store::flags_of;
use crate::text;

#[pyfunction]
pub fn version() -> std::borrow::Cow<'static, str> {
    // SAFETY: the library's version is a static text that ends in a NUL.
    unsafe { CStr::from_ptr(kc_version()) }.to_string_lossy()
}

#[pyfunction]
pub fn handle_count() -> usize {
    kc_handle_count()
}

#[pyfunction]
pub fn is_encrypted(value: &Bound<PyAny>) -> PyResult<bool> {
    let Ok(value) = text::text_or_bytes(value, "value") else { return Ok(false) };
    let value = value.bytes();
    // SAFETY: a slice is valid for its length.
    Ok(unsafe { kc_is_encrypted(value.as_ptr().cast(), value.len()) } == 1)
}

#[pyfunction]
pub fn hash_api_key<'py>(py: Python<'py>, api_key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    let api_key = text::text_or_bytes(api_key, "API key")?;
    let api_key = api_key.bytes();
    let (mut hex, mut len) = ([0u8; KC_HASH_SIZE], 0);
    directly(|error| {
        // SAFETY: slices are valid for their lengths, the room for its capacity.
        unsafe {
            kc_hash(api_key.as_ptr().cast(), api_key.len(), hex.as_mut_ptr().cast(), KC_HASH_SIZE, &mut len, error)
        }
    })?;
    text::string(py, &hex[..len])
}

#[pyfunction]
pub fn generate_master_key(py: Python) -> PyResult<Bound<PyString>> {
    let (mut made, mut len) = (Zeroizing::new([0u8; KC_MASTER_KEY_TEXT_SIZE]), 0);
    directly(|error| {
        // SAFETY: the room has its capacity.
        unsafe { kc_master_key_generate(made.as_mut_ptr().cast(), KC_MASTER_KEY_TEXT_SIZE, &mut len, error) }
    })?;
    text::string(py, &made[..len])
}

pub fn decoded_master_key(given: &Bound<PyString>) -> PyResult<Zeroizing<[u8; KC_KEY_SIZE]>> {
    decoded(text::utf8(given, "master key")?.as_bytes())
}

fn decoded(text: &[u8]) -> PyResult<Zeroizing<[u8; KC_KEY_SIZE]>> {
    let (mut raw, mut len) = (Zeroizing::new([0; KC_KEY_SIZE]), 0);
    directly(|error| {
        // SAFETY: the slice is valid for its length, the room for its capacity.
        unsafe {
            kc_master_key_decode(
                text.as_ptr().cast(),
                text.len(),
                raw.as_mut_ptr().cast(),
                KC_KEY_SIZE,
                &mut len,
                error,
            )
        }
    })?;
    Ok(raw)
}

#[pyfunction]
pub fn decode_master_key<'py>(py: Python<'py>, text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &*decoded_master_key(text)?))
}

fn raw_of(key: &MasterKey, py: Python) -> PyResult<Py<PyBytes>> {
    Ok(PyBytes::new(py, &*decoded(key.to_text().expose())?).unbind())
}

fn failed(py: Python, error: &keycask::Error) -> PyErr {
    error_of(py, error.status().code(), error.message(), error.os_error(), error.engine_error())
}

#[pyfunction]
pub fn master_key_from_environment(py: Python) -> PyResult<Py<PyBytes>> {
    raw_of(&MasterKey::from_environment().map_err(|error| failed(py, &error))?, py)
}

#[pyfunction]
pub fn previous_master_keys_from_environment(py: Python) -> PyResult<Vec<Py<PyBytes>>> {
    let keys = MasterKey::previous_from_environment().map_err(|error| failed(py, &error))?;
    keys.iter().map(|key| raw_of(key, py)).collect()
}

/// For `keycask.compat`: a token under a key that is given each time.
#[pyfunction]
pub fn encrypt_under<'py>(
    py: Python<'py>,
    key: &Bound<'py, PyAny>,
    plaintext: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyString>> {
    let key = Key::import(text::bytes(key, "key")?.bytes())?;
    key.encrypted(py, text::utf8(plaintext, "plaintext")?.as_bytes())
}

/// For `keycask.compat`.
#[pyfunction]
pub fn decrypt_under<'py>(
    py: Python<'py>,
    key: &Bound<'py, PyAny>,
    token: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyString>> {
    let key = Key::import(text::bytes(key, "key")?.bytes())?;
    let token = text::utf8(token, "token")?;
    key.decrypted(py, token.as_bytes(), flags_of(false, false, false), |written| text::string(py, written))
}
