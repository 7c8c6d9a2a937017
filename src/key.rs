//! A key that a caller holds: a user's, the pool's, or an imported one.

use std::fmt;
use std::sync::Arc;

use crate::data_key::DataKey;
use crate::error::{Error, Result};
use crate::options::Call;
use crate::secret::{KEY_SIZE, SecretBytes, SecretKey};
use crate::status::Status;
use crate::token;

/// A key to encrypt and decrypt with directly, without naming a user.
///
/// ```
/// let key = keycask::Key::import(&[7; 32])?;
/// let token = key.encrypt(b"sk-acme")?;
/// assert_eq!(key.decrypt(token.as_bytes())?.expose(), b"sk-acme");
/// # Ok::<(), keycask::Error>(())
/// ```
#[derive(Clone)]
pub struct Key(Arc<DataKey>);

impl Key {
    /// A key of one's own, of 32 bytes. It belongs to no store.
    ///
    /// # Errors
    ///
    /// [`Status::Argument`] for another length.
    pub fn import(raw: &[u8]) -> Result<Key> {
        let raw: &[u8; KEY_SIZE] = raw.try_into().map_err(|_| {
            Error::new(
                Status::Argument,
                format!("the key has {} bytes, and AES-256 takes {KEY_SIZE}: pass raw bytes, no text", raw.len()),
            )
        })?;
        Ok(Key::from(Arc::new(DataKey::new(SecretKey::copied_from(raw)))))
    }

    /// The key's 32 bytes. Whoever has them opens every token made under it.
    #[must_use]
    pub fn export(&self) -> SecretBytes {
        SecretBytes::from(self.raw().expose().to_vec())
    }

    /// Encrypts `plaintext` to a token.
    ///
    /// # Errors
    ///
    /// [`Status::Limit`] when it is longer than [`MAX_PLAINTEXT`](crate::MAX_PLAINTEXT).
    pub fn encrypt(&self, plaintext: &[u8]) -> Result<String> {
        token::made(plaintext.len(), |text| self.write_token(plaintext, text))
    }

    /// Decrypts a token.
    ///
    /// # Errors
    ///
    /// [`Status::Format`], [`Status::Authentication`].
    pub fn decrypt(&self, token: &[u8]) -> Result<SecretBytes> {
        self.decrypt_with(token, Call::default())
    }

    /// [`Key::decrypt`], as `call` says.
    ///
    /// # Errors
    ///
    /// Those of [`Key::decrypt`].
    pub fn decrypt_with(&self, token: &[u8], call: Call) -> Result<SecretBytes> {
        token::opened(token, call.strict, |sealed, plaintext| self.open_token(sealed, plaintext))
    }

    pub(crate) fn write_token(&self, plaintext: &[u8], text: &mut [u8]) -> Result<()> {
        token::write(plaintext.len(), text, |sealed| self.0.seal(plaintext, sealed))
    }

    pub(crate) fn open_token(&self, sealed: token::Sealed<'_>, plaintext: &mut [u8]) -> Result<()> {
        self.0.open(sealed, plaintext)
    }

    pub(crate) fn raw(&self) -> &SecretKey {
        self.0.raw()
    }
}

impl From<Arc<DataKey>> for Key {
    fn from(key: Arc<DataKey>) -> Key {
        Key(key)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([redacted])")
    }
}
