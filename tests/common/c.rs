//! The exported functions as a C program calls them. Every call is watched: `error`, outputs and their surroundings are
//! touched as the header says, and no more.

use std::ffi::{c_char, c_void};
use std::ptr;

use keycask::Status;
use keycask::ffi::call::kc_call;
use keycask::ffi::error::kc_error;
use keycask::ffi::keys::{kc_key_decrypt, kc_key_encrypt, kc_key_export, kc_key_import, kc_pool_key, kc_user_key};
use keycask::ffi::lengths::{KC_FROM_ENVIRONMENT, KC_HASH_SIZE, KC_KEY_SIZE, KC_MASTER_KEY_TEXT_SIZE};
use keycask::ffi::library::kc_status_text;
use keycask::ffi::master_key::{kc_master_key_decode, kc_master_key_generate};
use keycask::ffi::objects::{kc_key, kc_store};
use keycask::ffi::options::kc_options;
use keycask::ffi::secrets::{kc_decrypt, kc_decrypted_size, kc_encrypt, kc_encrypted_size, kc_hash, kc_is_encrypted};
use keycask::ffi::status::{KC_OK, kc_status};
use keycask::ffi::store::{kc_free, kc_open};

/// What stands in memory before a call.
const UNTOUCHED: u8 = 0x5a;
/// So much memory behind every output is watched.
const MARGIN: usize = 8;

/// What a failed call left in its `kc_error`.
#[derive(Clone, PartialEq, Debug)]
pub struct Failure {
    pub status: kc_status,
    pub os_error: i32,
    pub engine_error: i32,
    pub message: String,
}

impl Failure {
    /// The status by its C name.
    pub fn name(&self) -> &'static str {
        Status::ALL.iter().find(|known| known.code() == self.status).expect("a known status").name()
    }
}

pub type Outcome<T> = Result<T, Failure>;

/// Makes a call with a `kc_error` of its own.
pub fn outcome(call: impl FnOnce(*mut kc_error) -> kc_status) -> Outcome<()> {
    const UNTOUCHED_NUMBER: i32 = i32::from_ne_bytes([UNTOUCHED; 4]);
    let mut error = kc_error {
        status: UNTOUCHED_NUMBER,
        os_error: UNTOUCHED_NUMBER,
        engine_error: UNTOUCHED_NUMBER,
        reserved: UNTOUCHED_NUMBER,
        message: [UNTOUCHED as c_char; 496],
    };
    let status = call(&raw mut error);
    let message = error.message.map(|c| c.to_ne_bytes()[0]);
    if status == KC_OK {
        let numbers = [error.status, error.os_error, error.engine_error, error.reserved];
        assert_eq!(numbers, [UNTOUCHED_NUMBER; 4], "error was touched by a success");
        assert_eq!(message, [UNTOUCHED; 496], "error was touched by a success");
        return Ok(());
    }
    assert_eq!((error.status, error.reserved), (status, 0));
    let message = message.split(|&byte| byte == 0).next().unwrap();
    assert!(message.len() < 496, "the message has no NUL");
    let message = std::str::from_utf8(message).expect("a message is UTF-8").to_string();
    assert!(!message.is_empty() && !message.contains(char::is_control), "{message:?}");
    Err(Failure { status, os_error: error.os_error, engine_error: error.engine_error, message })
}

/// Makes a call that writes up to `capacity` bytes to an output, and gives what it wrote.
fn output(
    capacity: usize,
    is_text: bool,
    call: impl FnOnce(*mut u8, *mut usize, *mut kc_error) -> kc_status,
) -> Outcome<Vec<u8>> {
    let mut buffer = vec![UNTOUCHED; capacity + MARGIN];
    let mut len = usize::MAX;
    let done = outcome(|error| call(buffer.as_mut_ptr(), &raw mut len, error));
    if let Err(failure) = done {
        assert!(buffer.iter().all(|&byte| byte == UNTOUCHED), "output was touched by a failure: {failure:?}");
        return Err(failure);
    }
    assert!(len + usize::from(is_text) <= capacity, "{len} bytes were written to {capacity}");
    let rest = buffer.split_off(len);
    let nul = usize::from(len < capacity);
    assert!(rest[..nul].iter().all(|&byte| byte == 0), "no NUL follows");
    assert!(rest[nul..].iter().all(|&byte| byte == UNTOUCHED), "more than the output was written");
    Ok(buffer)
}

fn text(capacity: usize, call: impl FnOnce(*mut c_char, *mut usize, *mut kc_error) -> kc_status) -> Outcome<String> {
    output(capacity, true, |start, len, error| call(start.cast(), len, error)).map(|it| String::from_utf8(it).unwrap())
}

fn bytes(capacity: usize, call: impl FnOnce(*mut c_void, *mut usize, *mut kc_error) -> kc_status) -> Outcome<Vec<u8>> {
    output(capacity, false, |start, len, error| call(start.cast(), len, error))
}

/// A call that yields a handle, which is NULL after a failure.
fn handle<H>(call: impl FnOnce(*mut *mut H, *mut kc_error) -> kc_status) -> Outcome<*mut H> {
    let mut handle = ptr::without_provenance_mut(0x5a5a);
    let done = outcome(|error| call(&raw mut handle, error));
    assert_eq!(handle.is_null(), done.is_err(), "{done:?}");
    done.map(|()| handle)
}

/// A kc_call with these flags.
pub fn call(flags: u32) -> kc_call {
    kc_call { size: size_of::<kc_call>() as u32, flags, associated_data: ptr::null(), associated_data_len: 0 }
}

/// A kc_options with these flags.
pub fn options(flags: u32) -> kc_options {
    kc_options { size: size_of::<kc_options>() as u32, flags, busy_timeout_ms: 0, cache_users: 0 }
}

/// A kc_store, freed when dropped.
#[derive(Debug)]
pub struct Store(pub *mut kc_store);

impl Store {
    pub fn open(location: &str, master_keys: &[u8], options: &kc_options) -> Outcome<Store> {
        handle(|store, error| unsafe {
            kc_open(
                location.as_ptr().cast(),
                location.len(),
                master_keys.as_ptr().cast(),
                master_keys.len(),
                options,
                store,
                error,
            )
        })
        .map(Store)
    }

    /// Opens with the master key of the environment.
    pub fn from_environment(location: &str) -> Outcome<Store> {
        handle(|store, error| unsafe {
            let (start, len) = (location.as_ptr().cast(), location.len());
            kc_open(start, len, ptr::null(), KC_FROM_ENVIRONMENT, ptr::null(), store, error)
        })
        .map(Store)
    }

    pub fn encrypt(&self, user: impl AsRef<[u8]>, plaintext: &[u8], flags: u32) -> Outcome<String> {
        let user = user.as_ref();
        let capacity = kc_encrypted_size(plaintext.len());
        text(capacity, |token, token_len, error| unsafe {
            kc_encrypt(
                self.0,
                user.as_ptr().cast(),
                user.len(),
                plaintext.as_ptr().cast(),
                plaintext.len(),
                &call(flags),
                token,
                capacity,
                token_len,
                error,
            )
        })
    }

    pub fn decrypt(&self, user: impl AsRef<[u8]>, token: &[u8], flags: u32) -> Outcome<Vec<u8>> {
        let user = user.as_ref();
        let capacity = kc_decrypted_size(token.len());
        bytes(capacity, |plaintext, plaintext_len, error| unsafe {
            kc_decrypt(
                self.0,
                user.as_ptr().cast(),
                user.len(),
                token.as_ptr().cast(),
                token.len(),
                &call(flags),
                plaintext,
                capacity,
                plaintext_len,
                error,
            )
        })
    }

    pub fn user_key(&self, user: impl AsRef<[u8]>, flags: u32) -> Outcome<Key> {
        let user = user.as_ref();
        handle(|key, error| unsafe { kc_user_key(self.0, user.as_ptr().cast(), user.len(), &call(flags), key, error) })
            .map(Key)
    }

    pub fn pool_key(&self) -> Outcome<Key> {
        handle(|key, error| unsafe { kc_pool_key(self.0, key, error) }).map(Key)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        assert_eq!(unsafe { kc_free(self.0.cast()) }, KC_OK);
    }
}

/// A kc_key, freed when dropped.
#[derive(Debug)]
pub struct Key(pub *mut kc_key);

impl Key {
    pub fn import(raw: &[u8]) -> Outcome<Key> {
        handle(|key, error| unsafe { kc_key_import(raw.as_ptr().cast(), raw.len(), key, error) }).map(Key)
    }

    pub fn export(&self) -> Outcome<Vec<u8>> {
        bytes(KC_KEY_SIZE, |raw, raw_len, error| unsafe { kc_key_export(self.0, raw, KC_KEY_SIZE, raw_len, error) })
    }

    pub fn encrypt(&self, plaintext: &[u8], flags: u32) -> Outcome<String> {
        let capacity = kc_encrypted_size(plaintext.len());
        text(capacity, |token, token_len, error| unsafe {
            let (start, len) = (plaintext.as_ptr().cast(), plaintext.len());
            kc_key_encrypt(self.0, start, len, &call(flags), token, capacity, token_len, error)
        })
    }

    pub fn decrypt(&self, token: &[u8], flags: u32) -> Outcome<Vec<u8>> {
        let capacity = kc_decrypted_size(token.len());
        bytes(capacity, |plaintext, plaintext_len, error| unsafe {
            let (start, len) = (token.as_ptr().cast(), token.len());
            kc_key_decrypt(self.0, start, len, &call(flags), plaintext, capacity, plaintext_len, error)
        })
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        assert_eq!(unsafe { kc_free(self.0.cast()) }, KC_OK);
    }
}

pub fn hash(api_key: &[u8]) -> Outcome<String> {
    text(KC_HASH_SIZE, |hex, hex_len, error| unsafe {
        kc_hash(api_key.as_ptr().cast(), api_key.len(), hex, KC_HASH_SIZE, hex_len, error)
    })
}

pub fn is_encrypted(value: &[u8]) -> bool {
    match unsafe { kc_is_encrypted(value.as_ptr().cast(), value.len()) } {
        0 => false,
        1 => true,
        other => panic!("kc_is_encrypted answered {other}"),
    }
}

pub fn master_key_decode(text: &[u8]) -> Outcome<Vec<u8>> {
    bytes(KC_KEY_SIZE, |raw, raw_len, error| unsafe {
        kc_master_key_decode(text.as_ptr().cast(), text.len(), raw, KC_KEY_SIZE, raw_len, error)
    })
}

pub fn master_key_generate() -> Outcome<String> {
    text(KC_MASTER_KEY_TEXT_SIZE, |text, text_len, error| unsafe {
        kc_master_key_generate(text, KC_MASTER_KEY_TEXT_SIZE, text_len, error)
    })
}

/// A static text of the library as Rust text.
pub fn static_text(text: *const c_char) -> String {
    assert!(!text.is_null());
    unsafe { std::ffi::CStr::from_ptr(text) }.to_str().unwrap().to_string()
}

pub fn status_text(status: kc_status) -> String {
    static_text(kc_status_text(status))
}
