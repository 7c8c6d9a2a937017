//! Memory for the ciphertext of one call: on the stack for everyday lengths, on the heap beyond.

use crate::cipher::OVERHEAD;
use crate::error::{Error, Result};

/// An API key's token and most others.
const SMALL: usize = 256;
/// A message of 4 KiB, sealed: what still has to work where the heap must not be used (after a raw `clone`).
const MEDIUM: usize = 4096 + OVERHEAD;

/// Runs `work` on `len` zero bytes. They are for ciphertext and token text: nothing wipes them.
#[inline]
pub(crate) fn with<T>(len: usize, work: impl FnOnce(&mut [u8]) -> Result<T>) -> Result<T> {
    if len <= SMALL {
        work(&mut [0; SMALL][..len])
    } else if len <= MEDIUM {
        work(&mut [0; MEDIUM][..len])
    } else {
        let mut heap = Vec::new();
        heap.try_reserve_exact(len).map_err(|_| Error::memory())?;
        heap.resize(len, 0);
        work(&mut heap)
    }
}
