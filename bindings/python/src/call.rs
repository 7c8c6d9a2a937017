//! A call of the library.
//!
//! Python's lock is kept for a call that takes microseconds, and released for one that may touch the disk: each is tried with
//! KC_CACHED_ONLY first.

use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use keycask::ffi::call::{KC_CACHED_ONLY, kc_call};
use keycask::ffi::error::kc_error;
use keycask::ffi::status::{KC_E_BUFFER, kc_status};
use keycask::ffi::store::kc_free;
use pyo3::prelude::*;
use zeroize::Zeroize;

/// What a C function takes for "no message".
const NO_ERROR: *mut kc_error = ptr::null_mut();

/// A ticket of the library, freed once.
pub struct Handle {
    ticket: usize,
    closed: AtomicBool,
}

impl Handle {
    pub fn new<T>(handle: *mut T) -> Handle {
        Handle { ticket: handle.addr(), closed: AtomicBool::new(false) }
    }

    /// A ticket is no address, and harmless once it is stale: it may be held across anything.
    pub fn get<T>(&self) -> *mut T {
        ptr::without_provenance_mut(self.ticket)
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub fn close(&self) {
        if !self.closed.swap(true, Ordering::Relaxed) {
            // SAFETY: kc_free takes any ticket, the library checks it.
            unsafe { kc_free(self.get()) };
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

/// What a call that failed has said.
pub struct Failure(Box<kc_error>);

impl From<Failure> for PyErr {
    /// `keycask._errors.of` knows which exception it is.
    fn from(Failure(cause): Failure) -> PyErr {
        let message = c_text(&cause.message);
        Python::attach(|py| error_of(py, cause.status, &message, cause.os_error, cause.engine_error))
    }
}

/// The exception of a status.
pub fn error_of(py: Python, status: kc_status, message: &str, os_error: i32, engine_error: i32) -> PyErr {
    let made = py
        .import("keycask._errors")
        .and_then(|errors| errors.getattr("of")?.call1((status, message, os_error, engine_error)));
    made.map_or_else(|cause| cause, PyErr::from_value)
}

/// The text of a field that ends in a NUL.
pub fn c_text(field: &[std::ffi::c_char]) -> String {
    let bytes: Vec<u8> = field.iter().map(|byte| byte.to_ne_bytes()[0]).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn empty_error() -> Box<kc_error> {
    Box::new(kc_error { status: 0, os_error: 0, engine_error: 0, reserved: 0, message: [0; 496] })
}

/// A call that may touch the disk: made without Python's lock. Its status is no failure.
pub fn slowly(py: Python, call: impl FnOnce(*mut kc_error) -> kc_status + Send) -> Result<kc_status, Failure> {
    py.detach(|| directly(call))
}

/// A call that touches no disk.
pub fn directly(call: impl FnOnce(*mut kc_error) -> kc_status) -> Result<kc_status, Failure> {
    let mut error = empty_error();
    match call(&mut *error) {
        status if status < 0 => Err(Failure(error)),
        status => Ok(status),
    }
}

/// The flags of a call, in the library's shape.
pub fn with_flags(flags: u32) -> kc_call {
    kc_call { size: size_of::<kc_call>() as u32, flags, associated_data: ptr::null(), associated_data_len: 0 }
}

/// A call that writes bytes: the flags, where they go, their capacity, their length.
pub trait Writing: Fn(&kc_call, *mut u8, usize, &mut usize, *mut kc_error) -> kc_status + Send + Sync {}
impl<F: Fn(&kc_call, *mut u8, usize, &mut usize, *mut kc_error) -> kc_status + Send + Sync> Writing for F {}

/// API keys, and tokens of them, are shorter, and need no memory of their own.
const SHORT: usize = 512;

/// Makes a call that writes up to `capacity` bytes, hands them to `taken` with the status, and wipes them.
pub fn bytes_of<'py, T>(
    py: Python<'py>,
    flags: u32,
    capacity: usize,
    call: impl Writing,
    taken: impl FnOnce(&[u8], kc_status) -> PyResult<Bound<'py, T>>,
) -> PyResult<Bound<'py, T>> {
    if capacity <= SHORT {
        let mut room = [0; SHORT];
        written(py, flags, &mut room, call, taken)
    } else {
        written(py, flags, &mut vec![0; capacity], call, taken)
    }
}

fn written<'py, T>(
    py: Python<'py>,
    flags: u32,
    room: &mut [u8],
    call: impl Writing,
    taken: impl FnOnce(&[u8], kc_status) -> PyResult<Bound<'py, T>>,
) -> PyResult<Bound<'py, T>> {
    let mut len = 0;
    let (start, capacity) = (room.as_mut_ptr(), room.len());
    let mut status = call(&with_flags(flags | KC_CACHED_ONLY), start, capacity, &mut len, NO_ERROR);
    debug_assert_ne!(status, KC_E_BUFFER, "the capacity serves");
    if status < 0 {
        let room = start.expose_provenance();
        status = slowly(py, |error| {
            call(&with_flags(flags), ptr::with_exposed_provenance_mut(room), capacity, &mut len, error)
        })?;
    }
    let answer = taken(&room[..len], status);
    room[..len].zeroize();
    answer
}
