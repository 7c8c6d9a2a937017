//! Errors

use std::ffi::c_char;

use super::boundary::fixed_text;
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
    let filled = kc_error {
        status: cause.status().code(),
        os_error: cause.os_error(),
        engine_error: cause.engine_error(),
        reserved: 0,
        message: fixed_text(cause.message()),
    };
    // SAFETY: a non-NULL `error` is valid for writes of a kc_error, by the header's rule; it need not be aligned.
    unsafe { error.write_unaligned(filled) };
}
