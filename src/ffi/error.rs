//! Errors

use std::ffi::c_char;

use super::status::kc_status;
use crate::error::Error;

/// Why a call failed, in full. Every function that takes one accepts NULL, and leaves it untouched on success.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kc_error {
    /// What the call returned.
    pub status: kc_status,
    /// The system's error number (errno), or 0.
    pub os_error: i32,
    /// The engine's error number (SQLite's extended result code), or 0.
    pub engine_error: i32,
    /// 0.
    pub reserved: i32,
    /// For people, in English (UTF-8, ends in a NUL): found, expected, what to do.
    pub message: [c_char; 496],
}

/// Writes `cause` to the caller's `error`, unless that is NULL.
#[cold]
pub(super) fn report(error: *mut kc_error, cause: &Error) {
    if error.is_null() {
        return;
    }
    let mut filled = kc_error {
        status: cause.status().code(),
        os_error: cause.os_error(),
        engine_error: cause.engine_error(),
        reserved: 0,
        message: [0; 496],
    };
    let mut len = cause.message().len().min(filled.message.len() - 1);
    while !cause.message().is_char_boundary(len) {
        len -= 1;
    }
    for (place, &byte) in filled.message.iter_mut().zip(&cause.message().as_bytes()[..len]) {
        *place = c_char::from_ne_bytes([byte]);
    }
    // SAFETY: a non-NULL `error` is valid for writes of a kc_error, by the header's rule; it need not be aligned.
    unsafe { error.write_unaligned(filled) };
}
