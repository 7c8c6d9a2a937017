//! An open key store: the everyday pair, a user's secret to a token and back.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::data_key::DataKey;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::key_cache::KeyCache;
use crate::keystore::{self, KeyStore, Location, Rows, StoredKey};
use crate::master_key::MasterKeys;
use crate::options::{Call, Options};
use crate::pool_key;
use crate::registry;
use crate::secret::{SecretBytes, SecretKey};
use crate::status::Status;
use crate::token::{self, Sealed};
use crate::user::User;

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
    keystore: Box<dyn KeyStore>,
    master_keys: MasterKeys,
    cache: KeyCache,
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
        let keystore = keystore::open(location, options)?;
        keystore.read(&mut |rows| registry::check_opening(rows, &master_keys))?;
        Ok(Store { keystore, master_keys, cache: KeyCache::new(options.cache_users), pool_key: OnceLock::new() })
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
        self.key(User::new(user)?, Call::default()).map(Key::from)
    }

    /// The key for values that belong to no single user, derived from the current master key. The first call costs 100,000
    /// rounds of PBKDF2, some 12 ms.
    #[must_use]
    pub fn pool_key(&self) -> Key {
        // Two first callers may both derive it; neither waits for the other.
        let key = self.pool_key.get().cloned().unwrap_or_else(|| {
            let derived = Arc::new(pool_key::derive(self.master_keys.current()));
            Arc::clone(self.pool_key.get_or_init(|| derived))
        });
        Key::from(key)
    }

    /// Writes the token of `plaintext` to `text`, which has exactly its length.
    #[inline]
    pub(crate) fn write_token(&self, user: User<'_>, plaintext: &[u8], call: Call, text: &mut [u8]) -> Result<()> {
        let key = self.key(user, call)?;
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
        self.key(user, Call { existing: true, ..call })?.open(sealed, plaintext)
    }

    /// The user's key: from the cache, from the store, or made, as `call` allows.
    #[inline]
    pub(crate) fn key(&self, user: User<'_>, call: Call) -> Result<Arc<DataKey>> {
        match self.cache.get(user) {
            Some(key) => Ok(key),
            None => self.uncached_key(user, call),
        }
    }

    #[cold]
    fn uncached_key(&self, user: User<'_>, call: Call) -> Result<Arc<DataKey>> {
        if call.cached_only {
            return Err(Error::new(
                Status::WouldBlock,
                "the user's key is not cached: call again without KC_CACHED_ONLY where waiting is allowed",
            ));
        }
        let raw = match self.load(user)? {
            Some(raw) => raw,
            None if call.existing => {
                return Err(Error::new(
                    Status::UnknownUser,
                    format!(
                        "{} has no key for user {user}: check the name, or encrypt for them first",
                        self.keystore.name()
                    ),
                ));
            }
            None => self.create(user)?,
        };
        let key = Arc::new(DataKey::new(raw));
        self.cache.insert(user, &key);
        Ok(key)
    }

    fn load(&self, user: User<'_>) -> Result<Option<SecretKey>> {
        let mut found = None;
        self.keystore.read(&mut |rows| {
            found = rows.user_key(user)?.map(|stored| self.unwrap(rows, user, stored)).transpose()?;
            Ok(())
        })?;
        Ok(found)
    }

    /// Makes the key of a user who had none a moment ago. Whoever takes the write lock first makes it; all others find it.
    fn create(&self, user: User<'_>) -> Result<SecretKey> {
        let mut created = None;
        self.keystore.write(&mut |rows| {
            registry::check_writing(rows)?;
            created = Some(match rows.user_key(user)? {
                Some(stored) => self.unwrap(rows, user, stored)?,
                None => {
                    registry::admit_creation(rows, &self.master_keys)?;
                    let raw = SecretKey::generate()?;
                    rows.add_user_key(user, &self.master_keys.current().wrap(&raw)?)?;
                    raw
                }
            });
            Ok(())
        })?;
        created.ok_or_else(|| Error::new(Status::Internal, "a transaction ended well without having run"))
    }

    fn unwrap(&self, rows: &dyn Rows, user: User<'_>, stored: StoredKey) -> Result<SecretKey> {
        let damaged = |found: &str| {
            Error::new(
                Status::Corrupt,
                format!("the stored key of user {user} is damaged: it {found}; restore its row from a backup"),
            )
        };
        let wrapped = match stored {
            StoredKey::Wrapped(wrapped) => wrapped,
            StoredKey::Damaged(found) => return Err(damaged(&found)),
        };
        match self.master_keys.unwrap(&wrapped) {
            Some(key) => Ok(key),
            None if registry::lacks_an_active_key(rows, &self.master_keys)? => Err(Error::new(
                Status::MasterKeyWrong,
                format!(
                    "no given master key opens the key of user {user}, and one that the store uses was not given: give all of them"
                ),
            )),
            None => Err(damaged("was altered, or wrapped under a master key that was never this store's")),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.keystore.name())
    }
}
