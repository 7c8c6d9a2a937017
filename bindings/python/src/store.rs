//! Stores.

use std::path::PathBuf;
use std::ptr;

use keycask::ffi::call::{KC_CACHED_ONLY, KC_EXISTING, KC_STRICT, KC_TELL_STALE};
use keycask::ffi::keys::{kc_pool_key, kc_user_key};
use keycask::ffi::lengths::{KC_FROM_ENVIRONMENT, KC_KEY_SIZE};
use keycask::ffi::objects::kc_store;
use keycask::ffi::operations::kc_reencrypt;
use keycask::ffi::options::{
    KC_NONE, KC_OPEN_MUST_EXIST, KC_OPEN_READ_ONLY, KC_OPEN_SNAPSHOTS, KC_OPEN_UNLOCKED, kc_options,
};
use keycask::ffi::secrets::{kc_decrypt, kc_decrypted_size, kc_encrypt, kc_encrypted_size};
use keycask::ffi::status::KC_STALE;
use keycask::ffi::store::kc_open;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyString};
use zeroize::Zeroizing;

use crate::call::{Handle, bytes_of, slowly, with_flags};
use crate::functions::decoded_master_key;
use crate::key::Key;
use crate::text;

#[pyclass(frozen, module = "keycask")]
pub struct Store(pub(crate) Handle);

/// The flags of a call.
pub fn flags_of(existing: bool, cached_only: bool, strict: bool) -> u32 {
    let bit = |set, flag| if set { flag } else { 0 };
    bit(existing, KC_EXISTING) | bit(cached_only, KC_CACHED_ONLY) | bit(strict, KC_STRICT)
}

/// The bytes of one or several master keys, each bytes or text; `None`: the environment's.
fn ring(given: &Bound<PyAny>) -> PyResult<Option<Zeroizing<Vec<u8>>>> {
    if given.is_none() {
        return Ok(None);
    }
    if given.is_instance_of::<PyString>() || text::bytes(given, "master key").is_ok() {
        return one(given).map(Some);
    }
    let mut all = Zeroizing::new(Vec::with_capacity(KC_KEY_SIZE * keycask::MAX_MASTER_KEYS * 2));
    for key in given.try_iter()? {
        let key = one(&key?)?;
        if key.len() != KC_KEY_SIZE {
            return Ok(Some(key)); // Alone, to be refused: beside others it might seem in order.
        }
        if all.len() == all.capacity() {
            break; // More than are taken, and the library says so; growing would leave a copy.
        }
        all.extend_from_slice(&key);
    }
    Ok(Some(all))
}

fn one(given: &Bound<PyAny>) -> PyResult<Zeroizing<Vec<u8>>> {
    if let Ok(text) = given.cast::<PyString>() {
        return Ok(Zeroizing::new(decoded_master_key(text)?.to_vec()));
    }
    Ok(Zeroizing::new(text::bytes(given, "master key")?.bytes().to_vec()))
}

/// Seconds as the library takes them.
fn milliseconds(timeout: f64) -> PyResult<u32> {
    if timeout.is_nan() || timeout < 0.0 {
        return Err(PyValueError::new_err(format!("busy_timeout is {timeout}: give seconds, 0 for not waiting")));
    }
    if timeout == 0.0 {
        return Ok(KC_NONE);
    }
    Ok((timeout * 1000.0).clamp(1.0, f64::from(KC_NONE - 1)) as u32)
}

impl Store {
    fn encrypted<'py>(
        &self,
        py: Python<'py>,
        user: &[u8],
        plaintext: &[u8],
        flags: u32,
    ) -> PyResult<Bound<'py, PyString>> {
        bytes_of(
            py,
            flags,
            kc_encrypted_size(plaintext.len()),
            // SAFETY: slices are valid for their lengths, the room for its capacity, for the whole call.
            |call, room, capacity, len, error| unsafe {
                let (plaintext, plaintext_len) = (plaintext.as_ptr().cast(), plaintext.len());
                kc_encrypt(
                    self.0.get(),
                    user.as_ptr().cast(),
                    user.len(),
                    plaintext,
                    plaintext_len,
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

    fn decrypted<'py, T>(
        &self,
        py: Python<'py>,
        user: &[u8],
        token: &[u8],
        flags: u32,
        taken: impl FnOnce(&[u8], bool) -> PyResult<Bound<'py, T>>,
    ) -> PyResult<Bound<'py, T>> {
        bytes_of(
            py,
            flags,
            kc_decrypted_size(token.len()),
            // SAFETY: as above.
            |call, room, capacity, len, error| unsafe {
                let (token, token_len) = (token.as_ptr().cast(), token.len());
                kc_decrypt(
                    self.0.get(),
                    user.as_ptr().cast(),
                    user.len(),
                    token,
                    token_len,
                    call,
                    room.cast(),
                    capacity,
                    len,
                    error,
                )
            },
            |written, status| taken(written, status == KC_STALE),
        )
    }
}

#[pymethods]
impl Store {
    #[staticmethod]
    #[pyo3(signature = (location, *, master_key = None, read_only = false, must_exist = false, snapshots = false, unlocked = false, busy_timeout = 5.0, cache_users = 65_536))]
    #[allow(clippy::too_many_arguments)]
    fn open(
        py: Python,
        location: PathBuf,
        master_key: Option<Bound<PyAny>>,
        read_only: bool,
        must_exist: bool,
        snapshots: bool,
        unlocked: bool,
        busy_timeout: f64,
        cache_users: u32,
    ) -> PyResult<Store> {
        let keys = master_key.map_or(Ok(None), |key| ring(&key))?;
        let (keys, keys_len) = keys.as_ref().map_or((ptr::null::<u8>().addr(), KC_FROM_ENVIRONMENT), |keys| {
            (keys.as_ptr().expose_provenance(), keys.len())
        });
        let bit = |set, flag| if set { flag } else { 0 };
        let options = kc_options {
            size: size_of::<kc_options>() as u32,
            flags: bit(read_only, KC_OPEN_READ_ONLY)
                | bit(must_exist, KC_OPEN_MUST_EXIST)
                | bit(snapshots, KC_OPEN_SNAPSHOTS)
                | bit(unlocked, KC_OPEN_UNLOCKED),
            busy_timeout_ms: milliseconds(busy_timeout)?,
            cache_users: if cache_users == 0 { KC_NONE } else { cache_users },
        };
        let location = location.as_os_str().as_encoded_bytes();
        let mut ticket = 0;
        slowly(py, |error| {
            let mut store = ptr::null_mut::<kc_store>();
            // SAFETY: slices are valid for their lengths, `options` and `store` for the call.
            let status = unsafe {
                let keys = ptr::with_exposed_provenance(keys);
                kc_open(location.as_ptr().cast(), location.len(), keys, keys_len, &options, &mut store, error)
            };
            ticket = store.addr();
            status
        })?;
        Ok(Store(Handle::new(ptr::without_provenance_mut::<kc_store>(ticket))))
    }

    #[pyo3(signature = (user, plaintext, *, existing = false, cached_only = false))]
    fn encrypt<'py>(
        &self,
        py: Python<'py>,
        user: &Bound<'py, PyString>,
        plaintext: &Bound<'py, PyString>,
        existing: bool,
        cached_only: bool,
    ) -> PyResult<Bound<'py, PyString>> {
        let (user, plaintext) = (text::utf8(user, "user")?, text::utf8(plaintext, "plaintext")?);
        self.encrypted(py, user.as_bytes(), plaintext.as_bytes(), flags_of(existing, cached_only, false))
    }

    #[pyo3(signature = (user, plaintext, *, existing = false, cached_only = false))]
    fn encrypt_bytes<'py>(
        &self,
        py: Python<'py>,
        user: &Bound<'py, PyString>,
        plaintext: &Bound<'py, PyAny>,
        existing: bool,
        cached_only: bool,
    ) -> PyResult<Bound<'py, PyString>> {
        let (user, plaintext) = (text::utf8(user, "user")?, text::bytes(plaintext, "plaintext")?);
        self.encrypted(py, user.as_bytes(), plaintext.bytes(), flags_of(existing, cached_only, false))
    }

    #[pyo3(signature = (user, token, *, strict = false, cached_only = false))]
    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        user: &Bound<'py, PyString>,
        token: &Bound<'py, PyAny>,
        strict: bool,
        cached_only: bool,
    ) -> PyResult<Bound<'py, PyString>> {
        let (user, token) = (text::utf8(user, "user")?, text::text_or_bytes(token, "token")?);
        let flags = flags_of(false, cached_only, strict);
        self.decrypted(py, user.as_bytes(), token.bytes(), flags, |written, _| text::string(py, written))
    }

    #[pyo3(signature = (user, token, *, strict = false, cached_only = false))]
    fn decrypt_bytes<'py>(
        &self,
        py: Python<'py>,
        user: &Bound<'py, PyString>,
        token: &Bound<'py, PyAny>,
        strict: bool,
        cached_only: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (user, token) = (text::utf8(user, "user")?, text::text_or_bytes(token, "token")?);
        let flags = flags_of(false, cached_only, strict);
        self.decrypted(py, user.as_bytes(), token.bytes(), flags, |written, _| Ok(PyBytes::new(py, written)))
    }

    #[pyo3(signature = (user, token, *, cached_only = false))]
    fn is_stale<'py>(
        &self,
        py: Python<'py>,
        user: &Bound<'py, PyString>,
        token: &Bound<'py, PyAny>,
        cached_only: bool,
    ) -> PyResult<Bound<'py, PyBool>> {
        let (user, token) = (text::utf8(user, "user")?, text::text_or_bytes(token, "token")?);
        let flags = flags_of(false, cached_only, false) | KC_TELL_STALE;
        self.decrypted(py, user.as_bytes(), token.bytes(), flags, |_, stale| Ok(PyBool::new(py, stale).to_owned()))
    }

    #[pyo3(signature = (user, token, *, strict = false))]
    fn reencrypt<'py>(
        &self,
        py: Python<'py>,
        user: &Bound<'py, PyString>,
        token: &Bound<'py, PyAny>,
        strict: bool,
    ) -> PyResult<Bound<'py, PyString>> {
        let (user, token) = (text::utf8(user, "user")?, text::text_or_bytes(token, "token")?);
        let (user, token) = (user.as_bytes(), token.bytes());
        bytes_of(
            py,
            flags_of(false, false, strict),
            kc_encrypted_size(kc_decrypted_size(token.len())),
            // SAFETY: as above.
            |call, room, capacity, len, error| unsafe {
                let (token, token_len) = (token.as_ptr().cast(), token.len());
                kc_reencrypt(
                    self.0.get(),
                    user.as_ptr().cast(),
                    user.len(),
                    token,
                    token_len,
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

    #[pyo3(signature = (user, *, existing = false, cached_only = false))]
    fn key(&self, py: Python, user: &Bound<PyString>, existing: bool, cached_only: bool) -> PyResult<Key> {
        let user = text::utf8(user, "user")?;
        let user = user.as_bytes();
        let flags = flags_of(existing, cached_only, false);
        let mut ticket = 0;
        let mut asked = |flags, error| {
            let mut key = ptr::null_mut();
            // SAFETY: as above; `key` is valid for the call.
            let status = unsafe {
                kc_user_key(self.0.get(), user.as_ptr().cast(), user.len(), &with_flags(flags), &mut key, error)
            };
            ticket = key.addr();
            status
        };
        if asked(flags | KC_CACHED_ONLY, ptr::null_mut()) < 0 {
            slowly(py, |error| asked(flags, error))?;
        }
        Ok(Key(Handle::new(ptr::without_provenance_mut::<()>(ticket))))
    }

    fn pool_key(&self, py: Python) -> PyResult<Key> {
        let mut ticket = 0;
        slowly(py, |error| {
            let mut key = ptr::null_mut();
            // SAFETY: `key` is valid for the call.
            let status = unsafe { kc_pool_key(self.0.get(), &mut key, error) };
            ticket = key.addr();
            status
        })?;
        Ok(Key(Handle::new(ptr::without_provenance_mut::<()>(ticket))))
    }

    fn close(&self, py: Python) {
        py.detach(|| self.0.close());
    }

    #[getter]
    fn closed(&self) -> bool {
        self.0.is_closed()
    }

    fn __enter__(this: Py<Store>) -> Py<Store> {
        this
    }

    fn __exit__(&self, py: Python, _kind: &Bound<PyAny>, _error: &Bound<PyAny>, _trace: &Bound<PyAny>) {
        self.close(py);
    }

    fn __repr__(&self) -> &'static str {
        if self.0.is_closed() { "<keycask.Store, closed>" } else { "<keycask.Store, open>" }
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a keycask.Store is not pickled: open the location where it is needed"))
    }
}
