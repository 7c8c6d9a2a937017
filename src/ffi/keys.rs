//! Keys as handles

use std::ffi::{c_char, c_void};

use super::boundary::{self, HandleOutput, Output, Region, check_apart};
use super::call::{self, kc_call};
use super::error::kc_error;
use super::handles;
use super::objects::{kc_key, kc_store};
use super::status::kc_status;
use crate::key::Key;
use crate::secret::KEY_SIZE;
use crate::token;

/// The key of a user as a handle, for many values of one user. A user without a key gets one; with KC_EXISTING
/// they do not (KC_E_UNKNOWN_USER).
///
/// key: receives the handle, to be freed with kc_free; it ends with its store.
///
/// Errors: those of kc_encrypt but KC_E_BUFFER.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_user_key(
    store: *mut kc_store,
    user: *const c_char,
    user_len: usize,
    call: *const kc_call,
    key: *mut *mut kc_key,
    error: *mut kc_error,
) -> kc_status {
    boundary::run(error, || {
        let key = HandleOutput::new(key, "key")?;
        let user = boundary::user(user, user_len)?;
        let given = call::read(call)?;
        check_apart([Region::of(user.name().as_bytes()), given.region], [key.region()])?;
        let found = handles::store(store)?.key(user, given.call)?;
        key.set(handles::add_key_of(store, found)?);
        Ok(())
    })
}

/// The key for values that belong to no single user, derived from the current master key (PBKDF2-HMAC-SHA256,
/// RFC 8018). The first call on a store costs its 100,000 rounds, some 12 ms, and no look at the store's file. It
/// opens what the pool keys of the other given master keys made too, and, where none of these does, those that
/// kc_rewrap has left in the store; KC_TELL_STALE tells it.
///
/// key: receives the handle, to be freed with kc_free; it ends with its store.
///
/// Errors: KC_E_ARGUMENT, KC_E_HANDLE, KC_E_MEMORY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_pool_key(store: *mut kc_store, key: *mut *mut kc_key, error: *mut kc_error) -> kc_status {
    boundary::run(error, || {
        let key = HandleOutput::new(key, "key")?;
        let pool_key = handles::store(store)?.pool_key();
        key.set(handles::add_key_of(store, pool_key)?);
        Ok(())
    })
}

/// A key of your own as a handle: raw_len must be KC_KEY_SIZE. The bytes are copied, and wiped by kc_free. It
/// belongs to no store.
///
/// Errors: KC_E_ARGUMENT (another length included), KC_E_MEMORY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_key_import(
    raw: *const c_void,
    raw_len: usize,
    key: *mut *mut kc_key,
    error: *mut kc_error,
) -> kc_status {
    boundary::run(error, || {
        let key = HandleOutput::new(key, "key")?;
        let raw = boundary::bytes(raw, raw_len, "raw")?;
        check_apart([Region::of(raw)], [key.region()])?;
        key.set(handles::add_key(Key::import(raw)?)?);
        Ok(())
    })
}

/// The key's bytes. Whoever has them opens every token made under it: wipe them with kc_wipe.
///
/// Most bytes written: KC_KEY_SIZE to raw; a NUL follows where there is room.
///
/// Errors: KC_E_ARGUMENT, KC_E_HANDLE, KC_E_BUFFER; of a user's key, which is read anew when its store has
/// changed, KC_E_UNKNOWN_USER, KC_E_USER_DESTROYED, KC_E_MASTER_KEY_WRONG, KC_E_CORRUPT, KC_E_UNSUPPORTED,
/// KC_E_READ_ONLY, KC_E_BUSY, KC_E_IO, KC_E_MEMORY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_key_export(
    key: *mut kc_key,
    raw: *mut c_void,
    raw_capacity: usize,
    raw_len: *mut usize,
    error: *mut kc_error,
) -> kc_status {
    boundary::run(error, || {
        let output = Output::bytes(raw, raw_capacity, raw_len, "raw")?;
        check_apart([], output.regions())?;
        let key = handles::key(key)?;
        output.write(KEY_SIZE, |raw| key.export_to(raw))
    })
}

/// kc_encrypt under a key in hand.
///
/// Most bytes written: kc_encrypted_size(plaintext_len) to token, its NUL included. token_len: without the NUL.
///
/// Errors: KC_E_ARGUMENT, KC_E_LIMIT, KC_E_UNSUPPORTED, KC_E_HANDLE, KC_E_BUFFER, KC_E_RANDOM, KC_E_MEMORY; of a
/// user's key KC_E_WOULD_BLOCK and those of kc_key_export.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_key_encrypt(
    key: *mut kc_key,
    plaintext: *const c_void,
    plaintext_len: usize,
    call: *const kc_call,
    token: *mut c_char,
    token_capacity: usize,
    token_len: *mut usize,
    error: *mut kc_error,
) -> kc_status {
    boundary::run(error, || {
        let plaintext = boundary::bytes(plaintext, plaintext_len, "plaintext")?;
        let len = token::text_len(plaintext.len())?;
        let given = call::read(call)?;
        let output = Output::text(token, token_capacity, token_len, "token")?;
        check_apart([Region::of(plaintext), given.region], output.regions())?;
        let key = handles::key(key)?;
        output.write(len, |text| key.write_token(plaintext, given.call, text))
    })
}

/// kc_decrypt under a key in hand.
///
/// Most bytes written: the plaintext's length, at most kc_decrypted_size(token_len); a NUL follows where there
/// is room.
///
/// Errors: KC_E_ARGUMENT, KC_E_LIMIT, KC_E_HANDLE, KC_E_FORMAT, KC_E_UNSUPPORTED ("v3:"), KC_E_BUFFER,
/// KC_E_AUTHENTICATION, KC_E_MEMORY; of a user's key, and where the pool's earlier keys are looked for in the store,
/// KC_E_WOULD_BLOCK and those of kc_key_export.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_key_decrypt(
    key: *mut kc_key,
    token: *const c_char,
    token_len: usize,
    call: *const kc_call,
    plaintext: *mut c_void,
    plaintext_capacity: usize,
    plaintext_len: *mut usize,
    error: *mut kc_error,
) -> kc_status {
    boundary::run(error, || {
        let token = boundary::text(token, token_len, "token")?;
        let given = call::read(call)?;
        let output = Output::bytes(plaintext, plaintext_capacity, plaintext_len, "plaintext")?;
        check_apart([Region::of(token), given.region], output.regions())?;
        let key = handles::key(key)?;
        token::read(token, given.call.strict, |sealed| {
            let opened =
                output.write(sealed.plaintext_len(), |plaintext| key.open_token(sealed, given.call, plaintext))?;
            Ok(given.news(opened))
        })
    })
}
