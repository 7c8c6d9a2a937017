//! About the library

use std::ffi::{CStr, c_char, c_void};

use zeroize::Zeroize;

use super::status::{KC_END, KC_OK, KC_STALE, kc_status};
use super::{boundary, handles};
use crate::status::Status;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => panic!("a version holds no NUL"),
};

/// The library's version, such as "1.0.0" (semantic versioning). Static; not to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn kc_version() -> *const c_char {
    boundary::answer(c"", || VERSION).as_ptr()
}

/// The version of this C interface, as in the SONAME: 1. It changes only when a program built against this
/// header would no longer work.
#[unsafe(no_mangle)]
pub extern "C" fn kc_abi_version() -> u32 {
    boundary::answer(0, || 1)
}

/// A short English text for a status, such as "unknown user". Static, never NULL, also for numbers that are
/// none.
#[unsafe(no_mangle)]
pub extern "C" fn kc_status_text(status: kc_status) -> *const c_char {
    let text = || match status {
        KC_OK => c"success",
        KC_STALE => c"success, under a key that is no longer current",
        KC_END => c"nothing follows",
        _ => Status::ALL.iter().find(|known| known.code() == status).map_or(c"unknown status", |known| known.text()),
    };
    boundary::answer(c"", text).as_ptr()
}

/// How many handles are open in this process, of every kind. A test that ends with another count than it began
/// with has found a leak.
#[unsafe(no_mangle)]
pub extern "C" fn kc_handle_count() -> usize {
    boundary::answer(0, handles::count)
}

/// Overwrites len bytes at memory with zeroes, in a way that no compiler removes. For buffers of yours that
/// held a secret. NULL, and a length that no object has, are left alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kc_wipe(memory: *mut c_void, len: usize) {
    boundary::answer((), || {
        if !memory.is_null() && isize::try_from(len).is_ok() {
            // SAFETY: `memory` is not NULL, `len` fits an isize and, by the header's rule, so many bytes may be
            // written there, which nobody else uses during the call.
            unsafe { std::slice::from_raw_parts_mut(memory.cast::<u8>(), len) }.zeroize();
        }
    });
}
