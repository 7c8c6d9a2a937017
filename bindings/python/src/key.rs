//! Keys in hand.

use keycask::ffi::keys::{kc_key_decrypt, kc_key_encrypt, kc_key_export, kc_key_import};
use keycask::ffi::lengths::KC_KEY_SIZE;
use keycask::ffi::objects::kc_key;
use keycask::ffi::secrets::{kc_decrypted_size, kc_encrypted_size};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use zeroize::Zeroizing;

use crate::call::{Failure, Handle, bytes_of, directly, slowly};
use crate::store::flags_of;
use crate::text;

#[pyclass(frozen, module = "keycask")]
pub struct Key(pub(crate) Handle);

impl Key {
    pub(crate) fn of(make: impl FnOnce(*mut *mut kc_key) -> Result<(), Failure>) -> Result<Key, Failure> {
        let mut key = std::ptr::null_mut();
        make(&mut key)?;
        Ok(Key(Handle::new(key)))
    }

    pub(crate) fn import(raw: &[u8]) -> Result<Key, Failure> {
        Key::of(|key| {
            // SAFETY: `raw` and `key` are valid for the call.
            directly(|error| unsafe { kc_key_import(raw.as_ptr().cast(), raw.len(), key, error) }).map(drop)
        })
    }

    pub(crate) fn encrypted<'py>(&self, py: Python<'py>, plaintext: &[u8]) -> PyResult<Bound<'py, PyString>> {
        let capacity = kc_encrypted_size(plaintext.len());
        bytes_of(
            py,
            0,
            capacity,
            // SAFETY: slices are valid for their lengths, the room for its capacity, for the whole call.
            |call, room, capacity, len, error| unsafe {
                kc_key_encrypt(
                    self.0.get(),
                    plaintext.as_ptr().cast(),
                    plaintext.len(),
                    call,
                    room.cast(),
                    capacity,
                    len,
                    error,
                )
            },
            |written, _| text::string(py, written),
        )
    }

    pub(crate) fn decrypted<'py, T>(
        &self,
        py: Python<'py>,
        token: &[u8],
        flags: u32,
        taken: impl FnOnce(&[u8]) -> PyResult<Bound<'py, T>>,
    ) -> PyResult<Bound<'py, T>> {
        bytes_of(
            py,
            flags,
            kc_decrypted_size(token.len()),
            // SAFETY: as above.
            |call, room, capacity, len, error| unsafe {
                kc_key_decrypt(
                    self.0.get(),
                    token.as_ptr().cast(),
                    token.len(),
                    call,
                    room.cast(),
                    capacity,
                    len,
                    error,
                )
            },
            |written, _| taken(written),
        )
    }
}

#[pymethods]
impl Key {
    #[staticmethod]
    fn from_bytes(raw: &Bound<PyAny>) -> PyResult<Key> {
        Ok(Key::import(text::bytes(raw, "key")?.bytes())?)
    }

    fn encrypt<'py>(&self, py: Python<'py>, plaintext: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
        self.encrypted(py, text::utf8(plaintext, "plaintext")?.as_bytes())
    }

    fn encrypt_bytes<'py>(&self, py: Python<'py>, plaintext: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
        self.encrypted(py, text::bytes(plaintext, "plaintext")?.bytes())
    }

    #[pyo3(signature = (token, *, strict = false))]
    fn decrypt<'py>(&self, py: Python<'py>, token: &Bound<'py, PyAny>, strict: bool) -> PyResult<Bound<'py, PyString>> {
        let token = text::text_or_bytes(token, "token")?;
        self.decrypted(py, token.bytes(), flags_of(false, false, strict), |written| text::string(py, written))
    }

    #[pyo3(signature = (token, *, strict = false))]
    fn decrypt_bytes<'py>(
        &self,
        py: Python<'py>,
        token: &Bound<'py, PyAny>,
        strict: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let token = text::text_or_bytes(token, "token")?;
        self.decrypted(py, token.bytes(), flags_of(false, false, strict), |written| Ok(PyBytes::new(py, written)))
    }

    fn export<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let mut raw = Zeroizing::new([0u8; KC_KEY_SIZE]);
        let start = &mut raw;
        slowly(py, |error| {
            let mut len = 0;
            // SAFETY: the room has its capacity.
            unsafe { kc_key_export(self.0.get(), start.as_mut_ptr().cast(), KC_KEY_SIZE, &mut len, error) }
        })?;
        Ok(PyBytes::new(py, &*raw))
    }

    fn close(&self) {
        self.0.close();
    }

    #[getter]
    fn closed(&self) -> bool {
        self.0.is_closed()
    }

    fn __enter__(this: Py<Key>) -> Py<Key> {
        this
    }

    fn __exit__(&self, _kind: &Bound<PyAny>, _error: &Bound<PyAny>, _trace: &Bound<PyAny>) {
        self.0.close();
    }

    fn __repr__(&self) -> &'static str {
        if self.0.is_closed() { "<keycask.Key, closed>" } else { "<keycask.Key [redacted]>" }
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(pyo3::exceptions::PyTypeError::new_err("a keycask.Key is not pickled: a secret would lie in the pickle"))
    }
}
