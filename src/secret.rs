//! Buffers that hold a secret: wiped when dropped, never printed, never copied by accident.

use std::fmt;

use zeroize::Zeroizing;

use crate::error::Result;
use crate::fallible;
use crate::platform::processor::{clear_stack_below, clear_vector_registers};
use crate::platform::random;
use crate::platform::secret_memory::{Rank, SecretBox};

/// The length of every key in keycask, in bytes: AES-256.
pub const KEY_SIZE: usize = 32;

/// Does `work` in a frame of its own, and wipes what it leaves on the stack and in registers.
pub(crate) fn leaving_nothing<T>(work: impl FnOnce() -> T) -> T {
    #[inline(never)]
    fn apart<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
    let outcome = apart(work);
    wipe_what_calls_left();
    outcome
}

/// Overwrites the stack below the caller, and the vector registers, with zeroes: what the primitives left there of keys and
/// schedules. They reach some 10 KiB down.
pub(crate) fn wipe_what_calls_left() {
    // First the registers, which the call of a memset may put on the stack.
    clear_vector_registers();
    clear_stack_below::<12288>();
}

/// A 256-bit key.
pub(crate) struct SecretKey(SecretBox<[u8; KEY_SIZE]>);

impl SecretKey {
    /// A key from the system's random source.
    pub(crate) fn generate(rank: Rank) -> Result<SecretKey> {
        SecretKey::try_made(rank, random::fill)
    }

    pub(crate) fn copied_from(rank: Rank, raw: &[u8; KEY_SIZE]) -> SecretKey {
        let mut key = SecretKey::zeroed(rank);
        key.0.copy_from_slice(raw);
        key
    }

    /// A key that `make` writes in place. On an error nothing of what it wrote remains.
    pub(crate) fn try_made<E>(
        rank: Rank,
        make: impl FnOnce(&mut [u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<SecretKey, E> {
        let mut key = SecretKey::zeroed(rank);
        make(key.0.as_mut_slice())?;
        Ok(key)
    }

    fn zeroed(rank: Rank) -> SecretKey {
        SecretKey(SecretBox::new(rank, [0; KEY_SIZE]))
    }

    pub(crate) fn expose(&self) -> &[u8; KEY_SIZE] {
        &self.0
    }

    pub(crate) fn rank(&self) -> Rank {
        self.0.rank()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey([redacted])")
    }
}

/// A secret of any length, such as a decrypted API key. Wiped when dropped; prints as `[redacted]`.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// `len` zero bytes, to be filled in place and never grown.
    pub(crate) fn zeroed(len: usize) -> Result<SecretBytes> {
        fallible::zeroes(len).map(SecretBytes::from)
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> SecretBytes {
        SecretBytes(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes([redacted])")
    }
}
