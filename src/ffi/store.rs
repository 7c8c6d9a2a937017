//! The store

use std::ffi::{c_char, c_void};

use super::boundary::{self, HandleOutput, Region, check_apart};
use super::error::kc_error;
use super::handles;
use super::lengths::KC_FROM_ENVIRONMENT;
use super::objects::kc_store;
use super::options::{self, kc_options};
use super::status::{KC_OK, kc_status};
use crate::error::{Error, Result};
use crate::keystore::Location;
use crate::master_key::MasterKeys;
use crate::secret::wipe_what_calls_left;
use crate::status::Status;
use crate::store::Store;

/// Opens the key store at location, and makes it where it is missing: its folders (mode 0700), its file (mode
/// 0600, whatever the umask), its table. A store that the Python module made opens as it is and is not written
/// to.
///
/// location: the path of an SQLite file, up to 4,096 bytes of UTF-8, or ":memory:" for a store that ends with
/// its handle. A relative path is made absolute, and symbolic links are resolved, now and once.
///
/// master_keys: n x 32 bytes, n from 1 to 16, the current one first. Keys under any of them open; new ones are
/// wrapped under the first. (NULL, KC_FROM_ENVIRONMENT): the one in API_KEY_MASTER_KEY, else in the file that
/// API_KEY_MASTER_KEY_FILE names, and behind it those in API_KEY_MASTER_KEY_PREVIOUS, separated by commas, else
/// in the file that API_KEY_MASTER_KEY_PREVIOUS_FILE names; the pointer must be NULL, and no other thread may
/// change the environment meanwhile (getenv). They are copied, and wiped by kc_free; yours are yours to wipe.
///
/// options: NULL for the defaults. store: receives the handle, to be freed with kc_free.
///
/// The wrong master key is refused here, before anything is written (KC_E_MASTER_KEY_WRONG). It is wrong when
/// none of the given ones is registered in the store as active, or, where none is registered yet, when none of
/// them opens any of the first 1,000 keys. An empty store takes any.
///
/// Errors: KC_E_ARGUMENT, KC_E_LIMIT, KC_E_MASTER_KEY_MISSING, KC_E_MASTER_KEY_INVALID, KC_E_MASTER_KEY_WRONG,
/// KC_E_NOT_FOUND (with KC_OPEN_MUST_EXIST or KC_OPEN_READ_ONLY), KC_E_READ_ONLY (the file cannot be written,
/// and KC_OPEN_READ_ONLY was not given), KC_E_IO (a directory, a folder that cannot be made, a key file that
/// cannot be read), KC_E_CORRUPT (no SQLite file), KC_E_UNSUPPORTED (a FIFO, a device, a database of something
/// else, a scheme, a newer store, an unknown flag), KC_E_BUSY, KC_E_RANDOM, KC_E_MEMORY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_open(
    location: *const c_char,
    location_len: usize,
    master_keys: *const c_void,
    master_keys_len: usize,
    options: *const kc_options,
    store: *mut *mut kc_store,
    error: *mut kc_error,
) -> kc_status {
    boundary::run(error, || {
        let store = HandleOutput::new(store, "store")?;
        let location = boundary::text(location, location_len, "location")?;
        let raw_keys = given_keys(master_keys, master_keys_len)?;
        let (options, options_region) = options::read(options)?;
        check_apart(
            [Region::of(location), Region::of(raw_keys.unwrap_or_default()), options_region],
            [store.region()],
        )?;
        let location = Location::parse(boundary::utf8(location, "location")?)?;
        let keys = match raw_keys {
            Some(raw) => MasterKeys::from_bytes(raw)?,
            None => MasterKeys::from_environment()?,
        };
        store.set(handles::add_store(Store::open_at(&location, keys, &options)?)?);
        Ok(())
    })
}

/// Raw master keys; nothing when the environment's are asked for.
fn given_keys<'a>(master_keys: *const c_void, len: usize) -> Result<Option<&'a [u8]>> {
    if len != KC_FROM_ENVIRONMENT {
        return boundary::bytes(master_keys, len, "master_keys").map(Some);
    }
    if !master_keys.is_null() {
        return Err(Error::new(
            Status::Argument,
            "master_keys is not NULL, and KC_FROM_ENVIRONMENT takes none: pass NULL, or the keys' length",
        ));
    }
    Ok(None)
}

/// Ends a handle of any kind. NULL is KC_OK; a handle that was freed before, or never came from keycask, is
/// KC_E_HANDLE and does no harm.
///
/// Calls in flight on the handle in other threads finish first or after; none of them meets freed memory. What
/// the handle kept is wiped when the last of them has returned. Freeing a store ends the key handles that came
/// from it: their calls give KC_E_HANDLE from then on, and each of them is still freed once, with KC_OK.
///
/// May be called without looking at the result: the one function whose unused status is no warning.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kc_free(handle: *mut c_void) -> kc_status {
    if handle.is_null() {
        return KC_OK;
    }
    let status = boundary::run(std::ptr::null_mut(), || handles::free(handle));
    wipe_what_calls_left();
    status
}
