//! **keycask** keeps other people's API keys.
//!
//! A service that acts for its users holds their keys: OpenAI's, Stripe's, anyone's. keycask gives every user an
//! AES-256-GCM key of their own, wraps each by one master key, and keeps the wrapped keys in a key store, an SQLite file.
//! What the program stores elsewhere, in Redis or in a column, are short text tokens that only the right user's key opens.
//!
//! ```
//! use keycask::{MasterKey, MasterKeys, Options, Store};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("keys.db");
//! # let path = path.to_str().unwrap();
//! let master_key = MasterKey::generate()?; // or MasterKeys::from_environment(): API_KEY_MASTER_KEY
//! let store = Store::open(path, MasterKeys::new(vec![master_key])?, &Options::new())?;
//!
//! let token = store.encrypt("alice", b"sk-alice-1234")?; // "v2:…", to be kept anywhere
//! let secret = store.decrypt("alice", token.as_bytes())?;
//! assert_eq!(secret.expose(), b"sk-alice-1234");
//! assert!(store.decrypt("mallory", token.as_bytes()).is_err()); // and no key is made for mallory
//! # Ok::<(), keycask::Error>(())
//! ```
//!
//! # What may be relied on
//!
//! - Data written by the existing Python module is read and written as it is, bit for bit (`docs/format.md`), for ever.
//! - Opening with the wrong master key fails before anything is written.
//! - A user's key is durable before anything made with it is handed out; processes that race for a user's first key end
//!   with one key that all of them use. Decrypting makes no key.
//! - What another process changes, a key removed or the file replaced, holds here within about a second.
//! - A rotation of the master key ends, and an erased user's key is nowhere in the file (`docs/operations.md`).
//! - Every buffer of keycask's that held a secret is wiped; no message, `Debug` or log holds one.
//!
//! # The house
//!
//! Calls go downward only. Safe Rust throughout; `unsafe` is allowed in `ffi`, in `platform` and in the SQLite engine's VFS
//! alone.
//!
//! | | |
//! | --- | --- |
//! | `ffi` | the C ABI: `include/keycask.h` is made from it |
//! | `store`, `key` | what a program holds: an open store, a key of its own |
//! | `user_keys`, `key_cache`, `flight`, `freshness` | users' keys: found, made, kept unwrapped, looked after |
//! | `registry`, `rotation` | which master keys a store lets open it and create in it; moving it from one to the next |
//! | `marking`, `versions`, `census`, `counter`, `backup` | erased users; earlier keys; looking through a store; copying it |
//! | `token`, `cipher`, `nonce`, `data_key` | a secret to a token and back; `cipher` alone names the AEAD crate |
//! | `master_key`, `pool`, `lookup_hash` | wrapping, the key ring, the environment; values of no single user; a derivation |
//! | `keystore` | where wrapped keys lie: the trait, then an engine each |
//! | `secret`, `platform` | wiped memory; what is the system's |
//! | `status`, `error`, `options`, `user` | the words that all of them share |

#![deny(unsafe_code)]
#![warn(missing_docs, clippy::undocumented_unsafe_blocks)]

#[cfg(not(all(target_pointer_width = "64", target_os = "linux")))]
compile_error!("keycask is made for 64-bit Linux");

#[cfg(all(feature = "capi", panic = "abort"))]
compile_error!(
    "the feature `capi` turns a panic into KC_E_INTERNAL, which takes unwinding: build without panic = \"abort\""
);

mod backup;
mod census;
mod cipher;
mod counter;
mod data_key;
mod error;
mod fallible;
#[cfg(feature = "capi")]
#[allow(unsafe_code)]
pub mod ffi;
mod flight;
mod forced_panic;
mod freshness;
mod key;
mod key_cache;
mod keystore;
mod lookup_hash;
mod marking;
mod master_key;
mod nonce;
mod options;
#[allow(unsafe_code)]
mod platform;
mod pool;
mod registry;
mod rotation;
mod scratch;
mod secret;
mod status;
mod store;
mod sync;
mod token;
mod user;
mod user_keys;
mod versions;

pub use census::{Checked, CheckedMasterKey, KnownUser, UserWalk};
pub use error::{Error, Result};
pub use key::Key;
pub use keystore::MasterKeyState;
pub use lookup_hash::{HASH_LEN, lookup_hash};
pub use master_key::{MAX_MASTER_KEYS, MasterKey, MasterKeys};
pub use options::{Call, Options};
pub use rotation::Rewrapped;
pub use secret::{KEY_SIZE, SecretBytes};
pub use status::Status;
pub use store::Store;
pub use token::{MAX_PLAINTEXT, is_encrypted};
pub use user::MAX_USER;
pub use user_keys::Stats;

/// A nonce as every token gets one, for the benches alone, which set keycask beside its own primitives.
#[cfg(keycask_bench)]
#[doc(hidden)]
#[must_use]
pub fn fresh_nonce() -> [u8; 12] {
    nonce::Nonce::fresh().map_or([0; 12], nonce::Nonce::into_bytes)
}

/// The README's Rust is compiled and run as the examples here are.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
