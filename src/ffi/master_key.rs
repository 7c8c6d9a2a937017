//! The master key as text, as API_KEY_MASTER_KEY holds it

use std::ffi::{c_char, c_void};

use super::boundary::{self, Output, Region, check_apart};
use super::error::kc_error;
use super::status::kc_status;
use crate::master_key::{TEXT_LEN, decode_text, encode_text};
use crate::platform::secret_memory::Rank;
use crate::secret::{KEY_SIZE, SecretKey};

/// Makes a new master key and writes its text: 44 characters of url-safe base64.
///
/// Most bytes written: KC_MASTER_KEY_TEXT_SIZE to text, its NUL included. text_len: 44.
///
/// Errors: KC_E_ARGUMENT, KC_E_BUFFER, KC_E_RANDOM.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_master_key_generate(
    text: *mut c_char,
    text_capacity: usize,
    text_len: *mut usize,
    error: *mut kc_error,
) -> kc_status {
    boundary::run(error, || {
        let output = Output::text(text, text_capacity, text_len, "text")?;
        check_apart([], output.regions())?;
        output.write(TEXT_LEN, |text| {
            text.copy_from_slice(encode_text(SecretKey::generate(Rank::First)?.expose()).expose());
            Ok(())
        })
    })
}

/// The bytes of a master key's text, as kc_open takes them. Read as the Python module reads it: either base64
/// alphabet, white space or quotes around it, with padding or without.
///
/// Most bytes written: KC_KEY_SIZE to raw; a NUL follows where there is room. Wipe them with kc_wipe.
///
/// Errors: KC_E_ARGUMENT, KC_E_BUFFER, KC_E_MASTER_KEY_INVALID (not 32 bytes, blank included).
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_master_key_decode(
    text: *const c_char,
    text_len: usize,
    raw: *mut c_void,
    raw_capacity: usize,
    raw_len: *mut usize,
    error: *mut kc_error,
) -> kc_status {
    boundary::run(error, || {
        let text = boundary::text(text, text_len, "text")?;
        let output = Output::bytes(raw, raw_capacity, raw_len, "raw")?;
        check_apart([Region::of(text)], output.regions())?;
        output.write(KEY_SIZE, |raw| {
            raw.copy_from_slice(decode_text(text)?.expose());
            Ok(())
        })
    })
}
