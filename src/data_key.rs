//! A data key: what a user's tokens, or the pool's, are made under.

use crate::cipher::Cipher;
use crate::error::{Cause, Error, Result};
use crate::platform::secret_memory::SecretBox;
use crate::secret::{SecretKey, wipe_stack};
use crate::status::Status;
use crate::token::Sealed;

/// A 256-bit key together with its cipher, so that using it costs no key schedule.
pub(crate) struct DataKey {
    raw: SecretKey,
    cipher: SecretBox<Cipher>,
}

impl DataKey {
    pub(crate) fn new(raw: SecretKey) -> DataKey {
        let key = DataKey::scheduled(raw);
        wipe_stack();
        key
    }

    #[inline(never)]
    fn scheduled(raw: SecretKey) -> DataKey {
        let cipher = SecretBox::new(raw.rank(), Cipher::new(&raw));
        DataKey { raw, cipher }
    }

    pub(crate) fn raw(&self) -> &SecretKey {
        &self.raw
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
