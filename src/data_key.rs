//! A data key: what a user's tokens, or the pool's, are made under.

use crate::cipher::Cipher;
use crate::error::{Cause, Error, Result};
use crate::platform::secret_memory::Rank;
use crate::secret::{KEY_SIZE, SecretKey, leaving_nothing};
use crate::status::Status;
use crate::token::Sealed;

/// A 256-bit key together with its cipher, so that using it costs no key schedule. It lies in memory for secrets alone.
pub(crate) struct DataKey {
    raw: [u8; KEY_SIZE],
    cipher: Cipher,
}

impl DataKey {
    /// Makes the key's cipher and has `place` put both where they stay; nothing of them is left elsewhere.
    pub(crate) fn placed<T>(raw: &SecretKey, place: impl FnOnce(Rank, DataKey) -> T) -> T {
        leaving_nothing(|| place(raw.rank(), DataKey { raw: *raw.expose(), cipher: Cipher::new(raw) }))
    }

    pub(crate) fn raw(&self) -> &[u8; KEY_SIZE] {
        &self.raw
    }

    pub(crate) fn cipher(&self) -> &Cipher {
        &self.cipher
    }

    /// Seals `plaintext` into `sealed`.
    #[inline]
    pub(crate) fn seal(&self, plaintext: &[u8], sealed: &mut [u8]) -> Result<()> {
        self.cipher.seal(plaintext, sealed)
    }

    /// Opens `sealed` into `plaintext`, which has [`Sealed::plaintext_len`] bytes and is untouched on a failure.
    #[inline]
    pub(crate) fn open(&self, sealed: Sealed<'_>, plaintext: &mut [u8]) -> Result<()> {
        static REFUSED: Cause = Cause::new(
            Status::Authentication,
            "the token does not open: it was made under another key (another user's, another store's), or altered: check whose it is",
        );
        self.cipher.open(sealed.bytes(), plaintext).map_err(|_| Error::fixed(&REFUSED))
    }
}
