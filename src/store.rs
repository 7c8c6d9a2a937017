//! An open key store: the everyday pair, a user's secret to a token and back.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::data_key::DataKey;
use crate::error::Result;
use crate::key::Key;
use crate::keystore::Location;
use crate::master_key::MasterKeys;
use crate::options::{Call, Options};
use crate::pool_key;
use crate::secret::SecretBytes;
#[cfg(doc)]
use crate::status::Status;
use crate::token::{self, Sealed};
use crate::user::User;
use crate::user_keys::UserKeys;

/// An open key store. It may be used by any number of threads at once; dropping it wipes what it keeps unwrapped.
///
/// ```
/// use keycask::{MasterKey, MasterKeys, Options, Store};
///
/// let keys = MasterKeys::new(vec![MasterKey::generate()?])?;
/// let store = Store::open(":memory:", keys, &Options::new())?;
/// let token = store.encrypt("alice", b"sk-acme")?;
/// assert!(token.starts_with("v2:"));
/// assert_eq!(store.decrypt("alice", token.as_bytes())?.expose(), b"sk-acme");
/// # Ok::<(), keycask::Error>(())
/// ```
pub struct Store {
    user_keys: Arc<UserKeys>,
    pool_key: OnceLock<Arc<DataKey>>,
}

impl Store {
    /// Opens the key store at `location`, a file's path or `:memory:`, and makes it where it is missing.
    ///
    /// # Errors
    ///
    /// [`Status::MasterKeyWrong`] when the store was filled under other master keys; nothing has been written then.
    /// [`Status::NotFound`], [`Status::ReadOnly`], [`Status::Io`], [`Status::Corrupt`], [`Status::Busy`],
    /// [`Status::Unsupported`], [`Status::Argument`] and [`Status::Limit`] as their texts say.
    pub fn open(location: &str, master_keys: MasterKeys, options: &Options) -> Result<Store> {
        Store::open_at(&Location::parse(location)?, master_keys, options)
    }

    pub(crate) fn open_at(location: &Location, master_keys: MasterKeys, options: &Options) -> Result<Store> {
        let user_keys = Arc::new(UserKeys::open(location, master_keys, options)?);
        Ok(Store { user_keys, pool_key: OnceLock::new() })
    }

    /// Encrypts a secret of `user` to a token. A user without a key gets one, which is durable before this returns.
    ///
    /// # Errors
    ///
    /// [`Status::Argument`] and [`Status::Limit`] for a user or plaintext out of bounds; [`Status::ReadOnly`],
    /// [`Status::MasterKeyWrong`], [`Status::Corrupt`], [`Status::Busy`], [`Status::Io`] from the store.
    pub fn encrypt(&self, user: &str, plaintext: &[u8]) -> Result<String> {
        self.encrypt_with(user, plaintext, Call::default())
    }

    /// [`Store::encrypt`], as `call` says.
    ///
    /// # Errors
    ///
    /// Those of [`Store::encrypt`], [`Status::UnknownUser`] and [`Status::WouldBlock`] where `call` asks for them.
    pub fn encrypt_with(&self, user: &str, plaintext: &[u8], call: Call) -> Result<String> {
        let user = User::new(user)?;
        token::made(plaintext.len(), |text| self.write_token(user, plaintext, call, text))
    }

    /// Decrypts a token of `user`. Never makes a key.
    ///
    /// # Errors
    ///
    /// [`Status::Format`] when it is no token, [`Status::UnknownUser`] when the store has no key for `user`,
    /// [`Status::Authentication`] when the token was made under another key or altered; besides those of the store.
    pub fn decrypt(&self, user: &str, token: &[u8]) -> Result<SecretBytes> {
        self.decrypt_with(user, token, Call::default())
    }

    /// [`Store::decrypt`], as `call` says.
    ///
    /// # Errors
    ///
    /// Those of [`Store::decrypt`], and [`Status::WouldBlock`] where `call` asks for it.
    pub fn decrypt_with(&self, user: &str, token: &[u8], call: Call) -> Result<SecretBytes> {
        let user = User::new(user)?;
        token::opened(token, call.strict, |sealed, plaintext| self.open_token(user, sealed, call, plaintext))
    }

    /// The key of `user` as a value of its own. A user without a key gets one.
    ///
    /// # Errors
    ///
    /// Those of [`Store::encrypt`].
    pub fn user_key(&self, user: &str) -> Result<Key> {
        self.key(User::new(user)?, Call::default())
    }

    /// The key for values that belong to no single user, derived from the current master key. The first call costs 100,000
    /// rounds of PBKDF2, some 12 ms.
    #[must_use]
    pub fn pool_key(&self) -> Key {
        // Two first callers may both derive it; neither waits for the other.
        let key = self.pool_key.get().cloned().unwrap_or_else(|| {
            let derived = Arc::new(pool_key::derive(self.user_keys.master_keys().current()));
            Arc::clone(self.pool_key.get_or_init(|| derived))
        });
        Key::alone(key)
    }

    /// Writes the token of `plaintext` to `text`, which has exactly its length.
    #[inline]
    pub(crate) fn write_token(&self, user: User<'_>, plaintext: &[u8], call: Call, text: &mut [u8]) -> Result<()> {
        let key = self.user_keys.of(user, call)?;
        token::write(plaintext.len(), text, |sealed| key.seal(plaintext, sealed))
    }

    /// Opens a decoded token to `plaintext`, which has exactly its length and is untouched on a failure.
    #[inline]
    pub(crate) fn open_token(
        &self,
        user: User<'_>,
        sealed: Sealed<'_>,
        call: Call,
        plaintext: &mut [u8],
    ) -> Result<()> {
        let key = self.user_keys.of(user, Call { existing: true, ..call })?;
        self.user_keys.open_token(key, sealed, call, plaintext)
    }

    /// The key of `user`, as `call` says.
    pub(crate) fn key(&self, user: User<'_>, call: Call) -> Result<Key> {
        let key = self.user_keys.of(user, call)?.into_held();
        Ok(Key::of_user(Arc::clone(&self.user_keys), key))
    }

    /// Makes a look at the store due, as if a second had passed since the last; with `wait`, as if five had.
    #[doc(hidden)]
    pub fn expire(&self, wait: bool) {
        self.user_keys.expire(wait);
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.user_keys.store_name())
    }
}
