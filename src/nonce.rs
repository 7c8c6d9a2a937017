//! Nonces for AES-GCM: 96 random bits, NIST SP 800-38D §8.2.2.

use crate::error::Result;
use crate::platform::random;

pub(crate) use random::NONCE_SIZE;

/// A nonce for one message. It is consumed by sealing and cannot be copied, so no message shares one with another.
pub(crate) struct Nonce([u8; NONCE_SIZE]);

impl Nonce {
    /// A nonce that no other message gets, from the kernel.
    #[inline]
    pub(crate) fn fresh() -> Result<Nonce> {
        random::nonce().map(Nonce)
    }

    pub(crate) fn into_bytes(self) -> [u8; NONCE_SIZE] {
        self.0
    }
}
