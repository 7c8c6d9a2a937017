//! A key that a caller holds: a user's, the pool's, or an imported one.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapAny;

use crate::data_key::DataKey;
use crate::error::{Error, Result};
use crate::key_cache::CachedKey;
use crate::options::Call;
use crate::platform::secret_memory::{Rank, SecretArc, SecretBox};
use crate::pool::Pool;
use crate::secret::{KEY_SIZE, SecretBytes, SecretKey};
use crate::status::Status;
use crate::token;
use crate::user_keys::{Opened, UserKeys};

/// A key to encrypt and decrypt with directly, without naming a user.
///
/// ```
/// let key = keycask::Key::import(&[7; 32])?;
/// let token = key.encrypt(b"sk-acme")?;
/// assert_eq!(key.decrypt(token.as_bytes())?.expose(), b"sk-acme");
/// # Ok::<(), keycask::Error>(())
/// ```
pub struct Key(Kind);

enum Kind {
    /// An imported key.
    Alone(SecretBox<DataKey>),
    /// The pool's, which follows its store.
    OfPool(Arc<Pool>),
    /// A user's key, which follows its store.
    OfUser {
        user_keys: Arc<UserKeys>,
        /// What was current when somebody last looked.
        key: ArcSwapAny<SecretArc<CachedKey>>,
    },
}

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
        Ok(Key(Kind::Alone(DataKey::placed(&SecretKey::copied_from(Rank::Second, raw), SecretBox::new))))
    }

    pub(crate) fn of_pool(pool: Arc<Pool>) -> Key {
        Key(Kind::OfPool(pool))
    }

    pub(crate) fn of_user(user_keys: Arc<UserKeys>, key: SecretArc<CachedKey>) -> Key {
        Key(Kind::OfUser { user_keys, key: ArcSwapAny::new(key) })
    }

    /// The key's 32 bytes. Whoever has them opens every token made under it.
    ///
    /// # Errors
    ///
    /// Those of the store, for a user's key.
    pub fn export(&self) -> Result<SecretBytes> {
        let mut raw = SecretBytes::zeroed(KEY_SIZE)?;
        self.export_to(raw.expose_mut())?;
        Ok(raw)
    }

    /// Encrypts `plaintext` to a token.
    ///
    /// # Errors
    ///
    /// [`Status::Limit`] when it is longer than [`MAX_PLAINTEXT`](crate::MAX_PLAINTEXT). For a user's key besides
    /// [`Status::UnknownUser`] when the store has it no longer, and the store's errors.
    pub fn encrypt(&self, plaintext: &[u8]) -> Result<String> {
        token::made(plaintext.len(), |text| self.write_token(plaintext, Call::default(), text))
    }

    /// Decrypts a token.
    ///
    /// # Errors
    ///
    /// [`Status::Format`], [`Status::Authentication`]; for a user's key besides those of [`Key::encrypt`].
    pub fn decrypt(&self, token: &[u8]) -> Result<SecretBytes> {
        self.decrypt_with(token, Call::default())
    }

    /// [`Key::decrypt`], as `call` says.
    ///
    /// # Errors
    ///
    /// Those of [`Key::decrypt`], and [`Status::WouldBlock`] where `call` asks for it.
    pub fn decrypt_with(&self, token: &[u8], call: Call) -> Result<SecretBytes> {
        token::opened(token, call.strict, |sealed, plaintext| self.open_token(sealed, call, plaintext).map(|_| ()))
    }

    pub(crate) fn write_token(&self, plaintext: &[u8], call: Call, text: &mut [u8]) -> Result<()> {
        let seal =
            |key: &DataKey, text: &mut [u8]| token::write(plaintext.len(), text, |sealed| key.seal(plaintext, sealed));
        match &self.0 {
            Kind::Alone(key) => seal(key, text),
            Kind::OfPool(pool) => seal(pool.current(), text),
            Kind::OfUser { user_keys, key } => user_keys.with_still(key, call, |key| seal(key, text)),
        }
    }

    pub(crate) fn open_token(&self, sealed: token::Sealed<'_>, call: Call, plaintext: &mut [u8]) -> Result<Opened> {
        match &self.0 {
            Kind::Alone(key) => key.open(sealed, plaintext).map(|()| Opened::ByCurrent),
            Kind::OfPool(pool) => pool.open_token(sealed, call, plaintext),
            Kind::OfUser { user_keys, key } => {
                user_keys.with_still(key, call, |key| user_keys.open_token(key, sealed, call, plaintext))
            }
        }
    }

    pub(crate) fn export_to(&self, raw: &mut [u8]) -> Result<()> {
        match &self.0 {
            Kind::Alone(key) => raw.copy_from_slice(key.raw()),
            Kind::OfPool(pool) => raw.copy_from_slice(pool.current().raw()),
            Kind::OfUser { user_keys, key } => {
                return user_keys.with_still(key, Call::default(), |key| {
                    raw.copy_from_slice(key.raw());
                    Ok(())
                });
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([redacted])")
    }
}
