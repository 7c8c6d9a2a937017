//! A data key: what a user's tokens, or the pool's, are made under.

use crate::cipher::Cipher;
use crate::error::{Cause, Error, Result};
use crate::platform::secret_memory::SecretBox;
use crate::secret::{KEY_SIZE, SecretKey, leaving_nothing};
use crate::status::Status;
use crate::token::Sealed;

/// A 256-bit key together with its cipher, so that using it costs no key schedule.
pub(crate) struct DataKey(SecretBox<Scheduled>);

struct Scheduled {
    raw: [u8; KEY_SIZE],
    cipher: Cipher,
}

impl DataKey {
    /// What one takes of the memory for keys, in bytes.
    #[cfg(test)]
    pub(crate) const SLOT: usize = size_of::<Scheduled>();

    pub(crate) fn new(raw: &SecretKey) -> DataKey {
        leaving_nothing(|| {
            DataKey(SecretBox::new(raw.rank(), Scheduled { raw: *raw.expose(), cipher: Cipher::new(raw) }))
        })
    }

    pub(crate) fn raw(&self) -> &[u8; KEY_SIZE] {
        &self.0.raw
    }

    pub(crate) fn cipher(&self) -> &Cipher {
        &self.0.cipher
    }

    /// Seals `plaintext` into `sealed`.
    #[inline]
    pub(crate) fn seal(&self, plaintext: &[u8], sealed: &mut [u8]) -> Result<()> {
        self.0.cipher.seal(plaintext, sealed)
    }

    /// Opens `sealed` into `plaintext`, which has [`Sealed::plaintext_len`] bytes and is untouched on a failure.
    #[inline]
    pub(crate) fn open(&self, sealed: Sealed<'_>, plaintext: &mut [u8]) -> Result<()> {
        static REFUSED: Cause = Cause::new(
            Status::Authentication,
            "the token does not open: it was made under another key (another user's, another store's), or altered: check whose it is",
        );
        self.0.cipher.open(sealed.bytes(), plaintext).map_err(|_| Error::fixed(&REFUSED))
    }
}
