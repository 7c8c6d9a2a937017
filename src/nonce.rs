//! Nonces for AES-GCM: 96 random bits, NIST SP 800-38D §8.2.2.

use crate::error::Result;
use crate::platform::random;

/// The length of a nonce in bytes.
pub(crate) const NONCE_SIZE: usize = 12;

/// A nonce for one message. It is consumed by sealing and cannot be copied, so no message shares one with another.
pub(crate) struct Nonce([u8; NONCE_SIZE]);

impl Nonce {
    /// A nonce straight from the kernel: one system call, no state that a fork, a snapshot or a clone could repeat.
    pub(crate) fn fresh() -> Result<Nonce> {
        let mut bytes = [0; NONCE_SIZE];
        random::fill(&mut bytes)?;
        Ok(Nonce(bytes))
    }

    pub(crate) fn into_bytes(self) -> [u8; NONCE_SIZE] {
        self.0
    }
}
