//! A user's secret, to a token and back

use std::ffi::{c_char, c_void};

use super::boundary::{self, Output, Region, check_apart};
use super::call::{self, kc_call};
use super::error::kc_error;
use super::handles;
use super::objects::kc_store;
use super::status::kc_status;
use crate::lookup_hash::{HASH_LEN, write_lookup_hash};
use crate::token;

/// Encrypts a secret of a user to a token: text of kc_encrypted_size(plaintext_len) - 1 characters, to be kept
/// anywhere. The same plaintext gives another token each time.
///
/// user: 1 to 4,096 bytes of UTF-8. A user without a key gets one, durable before this returns; with
/// KC_EXISTING they do not (KC_E_UNKNOWN_USER). plaintext: up to 64 MiB of any bytes, none of them treated as
/// text.
///
/// Most bytes written: kc_encrypted_size(plaintext_len) to token, its NUL included. token_len: without the NUL.
///
/// With KC_CACHED_ONLY, KC_E_WOULD_BLOCK when the user's key is not cached.
///
/// Errors: KC_E_ARGUMENT, KC_E_LIMIT, KC_E_UNSUPPORTED, KC_E_HANDLE, KC_E_BUFFER, KC_E_UNKNOWN_USER,
/// KC_E_USER_DESTROYED (see kc_erase_user), KC_E_WOULD_BLOCK, KC_E_MASTER_KEY_WRONG, KC_E_CORRUPT,
/// KC_E_READ_ONLY (a new user of a store opened read-only), KC_E_BUSY, KC_E_IO, KC_E_RANDOM, KC_E_MEMORY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_encrypt(
    store: *mut kc_store,
    user: *const c_char,
    user_len: usize,
    plaintext: *const c_void,
    plaintext_len: usize,
    call: *const kc_call,
    token: *mut c_char,
    token_capacity: usize,
    token_len: *mut usize,
    error: *mut kc_error,
) -> kc_status {
    boundary::run(error, || {
        let user = boundary::user(user, user_len)?;
        let plaintext = boundary::bytes(plaintext, plaintext_len, "plaintext")?;
        let len = token::text_len(plaintext.len())?;
        let given = call::read(call)?;
        let output = Output::text(token, token_capacity, token_len, "token")?;
        check_apart([Region::of(user.name().as_bytes()), Region::of(plaintext), given.region], output.regions())?;
        let store = handles::store(store)?;
        output.write(len, |text| store.write_token(user, plaintext, given.call, text))
    })
}

/// Decrypts a token of a user. Never makes a key.
///
/// token: what kc_encrypt or the Python module wrote. Taken too: no prefix, either base64 alphabet, no padding,
/// ASCII white space after the prefix; KC_STRICT takes the canonical form alone.
///
/// Most bytes written: the plaintext's length, at most kc_decrypted_size(token_len); a NUL follows where there
/// is room. Nothing is written before the token has been authenticated.
///
/// Errors: KC_E_ARGUMENT, KC_E_LIMIT, KC_E_HANDLE, KC_E_FORMAT (no token: perhaps plaintext from before
/// tokens), KC_E_UNSUPPORTED ("v3:", an unknown flag), KC_E_BUFFER, KC_E_UNKNOWN_USER, KC_E_USER_DESTROYED,
/// KC_E_AUTHENTICATION (another key's token, or altered), KC_E_WOULD_BLOCK, KC_E_MASTER_KEY_WRONG,
/// KC_E_CORRUPT, KC_E_READ_ONLY (a read-only opening meets what a crashed writer left), KC_E_BUSY, KC_E_IO,
/// KC_E_MEMORY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_decrypt(
    store: *mut kc_store,
    user: *const c_char,
    user_len: usize,
    token: *const c_char,
    token_len: usize,
    call: *const kc_call,
    plaintext: *mut c_void,
    plaintext_capacity: usize,
    plaintext_len: *mut usize,
    error: *mut kc_error,
) -> kc_status {
    boundary::run(error, || {
        let user = boundary::user(user, user_len)?;
        let token = boundary::text(token, token_len, "token")?;
        let given = call::read(call)?;
        let output = Output::bytes(plaintext, plaintext_capacity, plaintext_len, "plaintext")?;
        check_apart([Region::of(user.name().as_bytes()), Region::of(token), given.region], output.regions())?;
        let store = handles::store(store)?;
        token::read(token, given.call.strict, |sealed| {
            let opened = output
                .write(sealed.plaintext_len(), |plaintext| store.open_token(user, sealed, given.call, plaintext))?;
            Ok(given.news(opened))
        })
    })
}

/// The capacity that a token of plaintext_len bytes takes, its NUL included; exact. 0 when that is over the
/// limit of 64 MiB.
#[unsafe(no_mangle)]
pub extern "C" fn kc_encrypted_size(plaintext_len: usize) -> usize {
    boundary::answer(0, || token::text_len(plaintext_len).map_or(0, |len| len + 1))
}

/// A capacity that serves for the plaintext of a token of token_len characters, and for a NUL behind it: a few
/// bytes more than a canonical token needs, more where there is white space in it. Not for KC_NUL_TERMINATED:
/// pass the length.
#[unsafe(no_mangle)]
pub extern "C" fn kc_decrypted_size(token_len: usize) -> usize {
    boundary::answer(0, || token::plaintext_bound(token_len) + 1)
}

/// 1 when value is a token, 0 when it is plaintext from before tokens. It looks at the first three characters
/// alone: "v2:", or "v3:", which is reserved. Whoever can write the value can take them off: once all values
/// are tokens, refuse the others rather than take them for plaintext.
///
/// 0 also for NULL and for a length that cannot be; never negative.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kc_is_encrypted(value: *const c_char, value_len: usize) -> i32 {
    boundary::answer(0, || boundary::text(value, value_len, "value").is_ok_and(token::is_encrypted).into())
}

/// The lookup hash of an API key: SHA-256 as 64 lower-case hex digits, to find a key among many without keeping
/// it.
///
/// It is unsalted: it confirms a guess, and equal keys have equal hashes. For keys of high entropy alone.
///
/// Most bytes written: KC_HASH_SIZE to hex, its NUL included. hex_len: 64.
///
/// Errors: KC_E_ARGUMENT, KC_E_BUFFER.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_hash(
    api_key: *const c_void,
    api_key_len: usize,
    hex: *mut c_char,
    hex_capacity: usize,
    hex_len: *mut usize,
    error: *mut kc_error,
) -> kc_status {
    boundary::run(error, || {
        let api_key = boundary::bytes(api_key, api_key_len, "api_key")?;
        let output = Output::text(hex, hex_capacity, hex_len, "hex")?;
        check_apart([Region::of(api_key)], output.regions())?;
        output.write(HASH_LEN, |hex| {
            let mut digits = [0; HASH_LEN];
            write_lookup_hash(api_key, &mut digits);
            hex.copy_from_slice(&digits);
            Ok(())
        })
    })
}
