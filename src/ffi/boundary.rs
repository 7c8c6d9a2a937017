//! Between C and Rust: casts of pointers, checks of arguments, outputs, errors, panics.
//!
//! What C must keep to, and what every SAFETY comment here leans on, is the header's first page: a pointer is NULL or
//! valid for the length that comes with it, for the duration of the call. All else is checked.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use super::error::{kc_error, report};
use super::lengths::KC_NUL_TERMINATED;
use super::status::{KC_OK, kc_status};
use crate::error::{Error, Result};
use crate::forced_panic;
use crate::status::Status;
use crate::user::User;

/// Over this no object can be, so a longer length is a mistake of arithmetic.
const PTRDIFF_MAX: usize = isize::MAX as usize;

/// Runs one exported function: turns an error into a status and a filled `error`, a panic into KC_E_INTERNAL.
pub(super) fn run<T: Into<News>>(error: *mut kc_error, body: impl FnOnce() -> Result<T>) -> kc_status {
    // A panic leaves no value of ours in pieces that a later call could meet: shared state is changed by single
    // assignments behind locks, and a transaction is rolled back when it is dropped.
    let outcome = guarded(body).unwrap_or_else(|_| {
        Err(Error::new(Status::Internal, "keycask met a defect of its own and gave up this call: please report it"))
    });
    match outcome {
        Ok(news) => news.into().0,
        Err(cause) => {
            report(error, &cause);
            cause.status().code()
        }
    }
}

/// Runs an exported function that has no status: after a panic its answer is the empty one.
pub(super) fn answer<T>(empty: T, body: impl FnOnce() -> T) -> T {
    guarded(body).unwrap_or(empty)
}

fn guarded<T>(body: impl FnOnce() -> T) -> std::thread::Result<T> {
    catch_unwind(AssertUnwindSafe(|| {
        forced_panic::here("call");
        body()
    }))
}

/// The status of a success: KC_OK, or a positive one that the caller has asked for.
pub(super) struct News(pub(super) kc_status);

impl From<()> for News {
    fn from((): ()) -> News {
        News(KC_OK)
    }
}

fn argument(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Status::Argument, message)
}

/// A range of the caller's memory, from `start` to before `end`.
#[derive(Clone, Copy)]
pub(super) struct Region {
    start: usize,
    end: usize,
}

impl Region {
    #[inline(always)]
    pub(super) fn of(bytes: &[u8]) -> Region {
        Region::at(bytes.as_ptr(), bytes.len())
    }

    /// What is valid for its length does not reach around the end of memory.
    #[inline(always)]
    fn at<T>(start: *const T, len: usize) -> Region {
        Region { start: start.addr(), end: start.addr().wrapping_add(len) }
    }

    /// No: they have no byte in common. Yes: they do, or one is empty.
    #[inline(always)]
    fn may_overlap(self, other: Region) -> bool {
        (self.start < other.end) & (other.start < self.end)
    }

    fn overlaps(self, other: Region) -> bool {
        self.start.max(other.start) < self.end.min(other.end)
    }
}

/// Checks that no output lies over an input or another output.
#[inline(always)]
pub(super) fn check_apart<const I: usize, const O: usize>(inputs: [Region; I], outputs: [Region; O]) -> Result<()> {
    if any_pair(inputs, outputs, Region::may_overlap) && any_pair(inputs, outputs, Region::overlaps) {
        return Err(overlap());
    }
    Ok(())
}

#[inline(always)]
fn any_pair<const I: usize, const O: usize>(
    inputs: [Region; I],
    outputs: [Region; O],
    test: impl Fn(Region, Region) -> bool,
) -> bool {
    let mut any = false;
    for (at, output) in outputs.into_iter().enumerate() {
        for input in inputs {
            any |= test(output, input);
        }
        for earlier in outputs.into_iter().take(at) {
            any |= test(output, earlier);
        }
    }
    any
}

#[cold]
fn overlap() -> Error {
    argument("an output overlaps an input or another output: give each memory of its own")
}

/// The bytes of a `const void *` input.
#[inline(always)]
pub(super) fn bytes<'a>(start: *const c_void, len: usize, name: &str) -> Result<&'a [u8]> {
    if len == KC_NUL_TERMINATED {
        return Err(not_text(name));
    }
    slice(start.cast(), len, name)
}

/// The bytes of a `const char *` input, which may end at its NUL.
#[inline(always)]
pub(super) fn text<'a>(start: *const c_char, len: usize, name: &str) -> Result<&'a [u8]> {
    if len != KC_NUL_TERMINATED {
        return slice(start.cast(), len, name);
    }
    if start.is_null() {
        return Err(no_string(name));
    }
    // SAFETY: `start` is not NULL, and by the header's rule for KC_NUL_TERMINATED it points to a string that ends in a
    // NUL and stays as it is during the call. The lifetime is the caller's to choose; no function keeps the slice.
    Ok(unsafe { CStr::from_ptr(start) }.to_bytes())
}

#[inline(always)]
fn slice<'a>(start: *const u8, len: usize, name: &str) -> Result<&'a [u8]> {
    if start.is_null() {
        return if len == 0 { Ok(&[]) } else { Err(nowhere(len, name)) };
    }
    if len > PTRDIFF_MAX {
        return Err(impossible("length", len, name));
    }
    // SAFETY: `start` is not NULL, `len` is at most isize::MAX, and by the header's rule `len` bytes may be read there
    // and stay as they are during the call: outputs that overlap inputs are refused before anything is written. Bytes
    // need no alignment. No function keeps the slice.
    Ok(unsafe { std::slice::from_raw_parts(start, len) })
}

/// A user's name, checked: UTF-8, within the limits.
#[inline(always)]
pub(super) fn user<'a>(start: *const c_char, len: usize) -> Result<User<'a>> {
    User::new(utf8(text(start, len, "user")?, "user")?)
}

/// Text of so many bytes is mostly ASCII, and sooner seen to be that than UTF-8.
const SHORT: usize = 32;

#[inline(always)]
pub(super) fn utf8<'a>(bytes: &'a [u8], name: &str) -> Result<&'a str> {
    if bytes.len() <= SHORT && bytes.is_ascii() {
        // SAFETY: ASCII is UTF-8.
        return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    std::str::from_utf8(bytes).map_err(|cause| not_utf8(cause.valid_up_to(), name))
}

// --- what is said of a bad argument, apart from where it is looked for: that is everyday code -------------------------

#[cold]
fn not_text(name: &str) -> Error {
    argument(format!("{name} is bytes, not text: pass its length, not KC_NUL_TERMINATED"))
}

#[cold]
fn no_string(name: &str) -> Error {
    argument(format!("{name} is NULL, and its length says that it ends at a NUL: pass a string"))
}

#[cold]
fn nowhere(len: usize, name: &str) -> Error {
    argument(format!("{name} is NULL, and its length is {len}: pass where it lies"))
}

#[cold]
fn impossible(what: &str, len: usize, name: &str) -> Error {
    argument(format!("the {what} of {name} is {len}, more than an object can have: check how it was computed"))
}

#[cold]
fn no_buffer(capacity: usize, name: &str) -> Error {
    argument(format!(
        "{name} is NULL, and its capacity is {capacity}: pass a buffer, or capacity 0 to ask for the size"
    ))
}

#[cold]
fn too_small(needed: usize, capacity: usize) -> Error {
    Error::new(
        Status::Buffer,
        format!("the output takes {needed} bytes, and its capacity is {capacity}: pass a larger buffer"),
    )
}

#[cold]
fn not_utf8(from: usize, name: &str) -> Error {
    argument(format!("{name} is not UTF-8 from offset {from}: convert it first"))
}

/// A struct that begins with its size, and the memory that it was read from. `start` is not NULL.
#[inline(always)]
pub(super) fn sized<T: Copy>(start: *const T, name: &str) -> Result<(T, Region)> {
    const LONGEST: usize = 4096;
    let known = size_of::<T>();
    // SAFETY: `start` is not NULL; a struct with a size begins with it, as a uint32_t, so four bytes may be read. They
    // need not be aligned.
    let size = unsafe { start.cast::<u32>().read_unaligned() } as usize;
    if size < known {
        return Err(argument(format!(
            "{name}.size is {size}, and the struct has had {known} bytes from the first release: begin with its _INIT macro"
        )));
    }
    if size > LONGEST {
        return Err(Error::new(
            Status::Unsupported,
            format!("{name}.size is {size}, and the most is {LONGEST}: begin with its _INIT macro"),
        ));
    }
    // SAFETY: the caller's struct has `size` bytes, by its own field and the header's rule, so those behind the known
    // ones may be read.
    let surplus = unsafe { std::slice::from_raw_parts(start.cast::<u8>().add(known), size - known) };
    if surplus.iter().any(|&byte| byte != 0) {
        return Err(Error::new(
            Status::Unsupported,
            format!(
                "{name} has {size} bytes and uses those behind the {known} that this release knows: update keycask"
            ),
        ));
    }
    // SAFETY: at least size_of::<T>() bytes may be read, see above, aligned or not. `T` is one of the header's structs:
    // integers, pointers and characters, for which every pattern of bits is valid.
    Ok((unsafe { start.read_unaligned() }, Region::at(start.cast::<u8>(), size)))
}

/// Refuses the bits of `given` that are not among `known`.
#[inline(always)]
pub(super) fn check_flags(given: u32, known: u32, name: &str) -> Result<()> {
    let unknown = given & !known;
    if unknown != 0 {
        return Err(Error::new(
            Status::Unsupported,
            format!(
                "{name}.flags has bits that this release does not know, {unknown:#x}: clear them, or update keycask"
            ),
        ));
    }
    Ok(())
}

/// A buffer of the caller's for an answer, and where its length goes.
pub(super) struct Output {
    start: *mut u8,
    capacity: usize,
    len: *mut usize,
    /// A `char *`, whose NUL the capacity must hold.
    text: bool,
}

impl Output {
    /// A `char *` output.
    #[inline(always)]
    pub(super) fn text(start: *mut c_char, capacity: usize, len: *mut usize, name: &str) -> Result<Output> {
        Output::new(start.cast(), capacity, len, true, name)
    }

    /// A `void *` output.
    #[inline(always)]
    pub(super) fn bytes(start: *mut c_void, capacity: usize, len: *mut usize, name: &str) -> Result<Output> {
        Output::new(start.cast(), capacity, len, false, name)
    }

    #[inline(always)]
    fn new(start: *mut u8, capacity: usize, len: *mut usize, text: bool, name: &str) -> Result<Output> {
        if capacity > PTRDIFF_MAX {
            return Err(impossible("capacity", capacity, name));
        }
        if start.is_null() && capacity != 0 {
            return Err(no_buffer(capacity, name));
        }
        Ok(Output { start, capacity, len, text })
    }

    /// The memory that the answer may be written to.
    #[inline(always)]
    pub(super) fn regions(&self) -> [Region; 2] {
        [Region::at(self.start, self.capacity), pointed_to(self.len)]
    }

    /// Checks that an answer of `len` bytes has room, and lets `write` write it: to exactly `len` bytes, of which it
    /// writes none when it fails.
    #[inline(always)]
    pub(super) fn write<T>(&self, len: usize, write: impl FnOnce(&mut [u8]) -> Result<T>) -> Result<T> {
        let needed = len + usize::from(self.text);
        if self.capacity < needed {
            self.tell_len(needed);
            return Err(too_small(needed, self.capacity));
        }
        let written = if self.start.is_null() {
            write(&mut [])?
        } else {
            // SAFETY: `start` is not NULL and, by the header's rule, valid for writes of `capacity` bytes, of which `len`
            // are taken; it overlaps nothing else that this call reads or writes (check_apart). What C has left
            // uninitialised there is only written.
            let written = write(unsafe { std::slice::from_raw_parts_mut(self.start, len) })?;
            if len < self.capacity {
                // SAFETY: the byte at `len` is within the capacity.
                unsafe { self.start.add(len).write(0) };
            }
            written
        };
        self.tell_len(len);
        Ok(written)
    }

    #[inline(always)]
    fn tell_len(&self, len: usize) {
        if !self.len.is_null() {
            // SAFETY: a non-NULL length output is valid for the write of a size_t; it need not be aligned.
            unsafe { self.len.write_unaligned(len) };
        }
    }
}

/// A number of the caller's for an answer; NULL: not wanted.
pub(super) struct NumberOutput(*mut u64);

impl NumberOutput {
    pub(super) fn new(place: *mut u64) -> NumberOutput {
        NumberOutput(place)
    }

    pub(super) fn region(&self) -> Region {
        pointed_to(self.0)
    }

    pub(super) fn write(&self, number: u64) {
        if !self.0.is_null() {
            // SAFETY: a non-NULL number output is valid for the write of a uint64_t; it need not be aligned.
            unsafe { self.0.write_unaligned(number) };
        }
    }
}

/// A struct of the caller's for an answer. It begins with its size, which the caller has set.
pub(super) struct StructOutput<T> {
    place: *mut T,
    given: T,
    region: Region,
}

impl<T: Copy> StructOutput<T> {
    pub(super) fn new(place: *mut T, name: &str) -> Result<StructOutput<T>> {
        if place.is_null() {
            return Err(argument(format!("{name} is NULL: pass where the answer goes")));
        }
        let (given, region) = sized(place.cast_const(), name)?;
        Ok(StructOutput { place, given, region })
    }

    pub(super) fn region(&self) -> Region {
        self.region
    }

    /// What the caller has put there.
    pub(super) fn given(&self) -> T {
        self.given
    }

    /// What a longer struct of the caller's has behind the known fields stays zero.
    pub(super) fn write(&self, answer: T) {
        // SAFETY: the place is not NULL and, by its own size field and the header's rule, valid for the write of a T; it need
        // not be aligned.
        unsafe { self.place.write_unaligned(answer) };
    }
}

/// Where a new handle goes. When the call ends without one, NULL goes there: last of all, after inputs have been measured
/// that it may lie in.
pub(super) struct HandleOutput<H> {
    place: *mut *mut H,
    handle: Cell<*mut H>,
}

impl<H> HandleOutput<H> {
    pub(super) fn new(place: *mut *mut H, name: &str) -> Result<HandleOutput<H>> {
        if place.is_null() {
            return Err(argument(format!("{name} is NULL: pass where the new handle goes")));
        }
        Ok(HandleOutput { place, handle: Cell::new(ptr::null_mut()) })
    }

    pub(super) fn region(&self) -> Region {
        pointed_to(self.place)
    }

    pub(super) fn set(&self, handle: *mut H) {
        self.handle.set(handle);
    }
}

impl<H> Drop for HandleOutput<H> {
    fn drop(&mut self) {
        // SAFETY: the place is not NULL and, by the header's rule, valid for the write of a pointer; it need not be
        // aligned.
        unsafe { self.place.write_unaligned(self.handle.get()) };
    }
}

/// Text for a field of fixed length: cut where it is longer, and ended by a NUL.
pub(super) fn fixed_text<const N: usize>(text: &str) -> [c_char; N] {
    let mut len = text.len().min(N - 1);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    let mut field = [0; N];
    for (place, &byte) in field.iter_mut().zip(&text.as_bytes()[..len]) {
        *place = c_char::from_ne_bytes([byte]);
    }
    field
}

#[inline(always)]
fn pointed_to<T>(place: *mut T) -> Region {
    Region::at(place, if place.is_null() { 0 } else { size_of::<T>() })
}
