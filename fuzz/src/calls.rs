//! Calls of the C interface in any order, with any handles, lengths, flags and struct sizes that the header's rules allow: a
//! pointer is NULL, or valid for the length that comes with it, or the length is one that is refused unread.

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;

use keycask::ffi::call::kc_call;
use keycask::ffi::census::{
    kc_check, kc_check_report, kc_next_user, kc_stats, kc_store_stats, kc_user_info, kc_user_walk,
};
use keycask::ffi::error::kc_error;
use keycask::ffi::keys::{kc_key_decrypt, kc_key_encrypt, kc_key_export, kc_key_import, kc_pool_key, kc_user_key};
use keycask::ffi::library::kc_handle_count;
use keycask::ffi::master_key::{kc_master_key_decode, kc_master_key_generate};
use keycask::ffi::operations::{
    kc_erase_user, kc_forget_versions, kc_reencrypt, kc_restore_user, kc_rewrap, kc_rotate_user,
};
use keycask::ffi::options::kc_options;
use keycask::ffi::secrets::{kc_decrypt, kc_encrypt, kc_hash, kc_is_encrypted};
use keycask::ffi::store::{kc_free, kc_open};

/// What decides, byte by byte; zeroes when it is used up.
struct Choice<'a>(RefCell<&'a [u8]>);

impl<'a> Choice<'a> {
    fn byte(&self) -> u8 {
        let mut left = self.0.borrow_mut();
        let Some((first, rest)) = left.split_first() else { return 0 };
        *left = rest;
        *first
    }

    fn number(&self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// An input: pointer and length.
    fn input(&self) -> (*const c_void, usize) {
        let mut left = self.0.borrow_mut();
        let Some((how, rest)) = left.split_first() else { return (ptr::null(), 0) };
        match how {
            250 => (ptr::null(), 7),
            251 => (rest.as_ptr().cast(), usize::MAX - 1),
            252 => (rest.as_ptr().cast(), isize::MAX as usize + 1),
            253 => (c"alice".as_ptr().cast(), usize::MAX),
            254 => (ptr::null(), usize::MAX),
            255 => (b"alice".as_ptr().cast(), 5),
            len => {
                let (taken, rest) = rest.split_at(rest.len().min(usize::from(*len)));
                *left = rest;
                (taken.as_ptr().cast(), taken.len())
            }
        }
    }

    /// An output's capacity.
    fn capacity(&self) -> usize {
        match self.byte() {
            255 => usize::MAX,
            254 => isize::MAX as usize + 1,
            len => usize::from(len) * 4,
        }
    }
}

/// Room for an output, which a failure must not touch.
struct Room {
    bytes: Vec<u8>,
    len: usize,
}

const UNTOUCHED: u8 = 0xa5;

impl Room {
    fn new() -> Room {
        Room { bytes: vec![UNTOUCHED; 1024], len: 0 }
    }

    fn check(&self, status: i32) {
        crate::assert_known(status);
        assert!(status >= 0 || self.bytes.iter().all(|byte| *byte == UNTOUCHED), "status {status}, and written to");
    }
}

/// A sequence of calls.
pub fn calls(data: &[u8]) {
    let choice = Choice(RefCell::new(data));
    let mut handles: Vec<*mut c_void> = vec![ptr::null_mut()];
    let before = kc_handle_count();
    // An error place too small to be one is not allowed; none, or a whole one.
    let mut error = kc_error { status: 0, os_error: 0, engine_error: 0, reserved: 0, message: [0; 496] };
    for _ in 0..40 {
        if choice.is_empty() {
            break;
        }
        let which = choice.byte();
        let handle = match choice.byte() {
            // Never one that the library gave: bit 63 is not set.
            255 => ptr::without_provenance_mut(choice.number() as usize),
            254 => ptr::without_provenance_mut(1 << 63 | choice.number() as usize),
            at => handles[usize::from(at) % handles.len()],
        };
        let flags = u32::from(choice.byte());
        let size = if flags & 32 != 0 { choice.number() % 40 } else { size_of::<kc_call>() as u32 };
        // Behind a call's own bytes are zeroes: a size over it is then a surplus, which is read.
        let mut given = [0u64; 8];
        given[0] = u64::from(size) | u64::from(flags & 31) << 32;
        let call: *const kc_call = if flags & 64 != 0 { ptr::null() } else { given.as_ptr().cast() };
        let cause: *mut kc_error = if flags & 128 != 0 { ptr::null_mut() } else { &mut error };
        let mut room = Room::new();
        let capacity = choice.capacity();
        let to: *mut u8 = if capacity == 0 && flags & 1 != 0 { ptr::null_mut() } else { room.bytes.as_mut_ptr() };
        let len: *mut usize = if flags & 2 != 0 { ptr::null_mut() } else { &mut room.len };
        let (user, user_len) = choice.input();
        let (input, input_len) = choice.input();
        let mut made: *mut c_void = ptr::null_mut();
        // SAFETY: by `input`, `capacity` and the sizes above each pointer is NULL, valid for its length, or comes with a length that
        // is refused before it is read; handles may be anything.
        let status = unsafe {
            match which % 23 {
                0 => {
                    let keys = [7u8; 96];
                    let mut options = [0u32; 10];
                    options[0] = if flags & 32 != 0 { size } else { size_of::<kc_options>() as u32 };
                    options[1] = flags & 4;
                    options[2] = u32::MAX;
                    let status = kc_open(
                        c":memory:".as_ptr(),
                        8,
                        keys.as_ptr().cast(),
                        32 * (flags as usize & 3),
                        options.as_ptr().cast(),
                        (&raw mut made).cast(),
                        cause,
                    );
                    assert_eq!(status >= 0, !made.is_null());
                    status
                }
                1 => kc_free(handle),
                2 => kc_encrypt(
                    handle.cast(),
                    user.cast(),
                    user_len,
                    input,
                    input_len,
                    call,
                    to.cast(),
                    capacity,
                    len,
                    cause,
                ),
                3 => kc_decrypt(
                    handle.cast(),
                    user.cast(),
                    user_len,
                    input.cast(),
                    input_len,
                    call,
                    to.cast(),
                    capacity,
                    len,
                    cause,
                ),
                4 => kc_reencrypt(
                    handle.cast(),
                    user.cast(),
                    user_len,
                    input.cast(),
                    input_len,
                    call,
                    to.cast(),
                    capacity,
                    len,
                    cause,
                ),
                5 => kc_user_key(handle.cast(), user.cast(), user_len, call, (&raw mut made).cast(), cause),
                6 if flags & 16 != 0 => kc_pool_key(handle.cast(), (&raw mut made).cast(), cause),
                6 | 7 => kc_key_import(input, input_len, (&raw mut made).cast(), cause),
                8 => kc_key_export(handle.cast(), to.cast(), capacity, len, cause),
                9 => kc_key_encrypt(handle.cast(), input, input_len, call, to.cast(), capacity, len, cause),
                10 => kc_key_decrypt(handle.cast(), input.cast(), input_len, call, to.cast(), capacity, len, cause),
                11 => kc_master_key_generate(to.cast(), capacity, len, cause),
                12 => kc_master_key_decode(input.cast(), input_len, to.cast(), capacity, len, cause),
                13 => kc_hash(input, input_len, to.cast(), capacity, len, cause),
                14 => kc_is_encrypted(input.cast(), input_len),
                15 => kc_erase_user(handle.cast(), user.cast(), user_len, cause),
                16 => kc_restore_user(handle.cast(), user.cast(), user_len, cause),
                17 => kc_rotate_user(handle.cast(), user.cast(), user_len, cause),
                18 => kc_forget_versions(handle.cast(), user.cast(), user_len, cause),
                19 => {
                    let mut numbers = [0u64; 3];
                    let [done, remaining, skipped] = &mut numbers;
                    kc_rewrap(handle.cast(), u64::from(flags), done, remaining, skipped, cause)
                }
                20 => {
                    let mut report = [0u64; size_of::<kc_check_report>() / 8 + 8];
                    report[0] = if flags & 32 != 0 {
                        u64::from(choice.number()) % (8 * report.len() as u64)
                    } else {
                        size_of::<kc_check_report>() as u64
                    };
                    kc_check(handle.cast(), report.as_mut_ptr().cast(), cause)
                }
                21 => {
                    let mut walk = [0u64; size_of::<kc_user_walk>() / 8];
                    walk[0] = size_of::<kc_user_walk>() as u64 | u64::from(flags & 1) << 32;
                    for place in &mut walk[1..] {
                        *place = u64::from(choice.byte());
                    }
                    let mut info = [0u64; size_of::<kc_user_info>() / 8];
                    info[0] = size_of::<kc_user_info>() as u64;
                    kc_next_user(
                        handle.cast(),
                        walk.as_mut_ptr().cast(),
                        to.cast(),
                        capacity,
                        len,
                        info.as_mut_ptr().cast(),
                        cause,
                    )
                }
                _ => {
                    let mut stats = [0u64; size_of::<kc_store_stats>() / 8];
                    stats[0] = size_of::<kc_store_stats>() as u64;
                    kc_stats(handle.cast(), stats.as_mut_ptr().cast(), cause)
                }
            }
        };
        room.check(status);
        if !made.is_null() {
            handles.push(made);
        }
    }
    for handle in handles {
        // SAFETY: what was freed already is refused.
        unsafe { kc_free(handle) };
    }
    assert_eq!(kc_handle_count(), before);
}
