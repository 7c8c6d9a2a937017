//! An open key store: the everyday pair, a user's secret to a token and back.

use std::fmt;
use std::sync::Arc;

use crate::backup;
use crate::census::{self, Checked, KnownUser, UserWalk};
use crate::cipher::Cipher;
use crate::error::Result;
use crate::key::Key;
use crate::keystore::Location;
use crate::master_key::MasterKeys;
use crate::options::{Call, Options};
use crate::pool::{Pool, PoolKeys};
use crate::rotation::{Rewrapped, Rotation};
use crate::secret::SecretBytes;
#[cfg(doc)]
use crate::status::Status;
use crate::token::{self, Sealed};
use crate::user::User;
use crate::user_keys::{Opened, Stats, UserKeys};

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
    pool_keys: Arc<PoolKeys>,
    rotation: Rotation,
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
        Ok(Store { user_keys, pool_keys: Arc::new(PoolKeys::new()), rotation: Rotation::new() })
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
        token::opened(token, call.strict, |sealed, plaintext| {
            self.open_token(user, sealed, call, plaintext).map(|_| ())
        })
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
        Key::of_pool(Arc::new(Pool::new(&self.user_keys, &self.pool_keys)))
    }

    /// [`Store::decrypt_with`], and whether the token was made under a key that is no longer the user's current one.
    ///
    /// # Errors
    ///
    /// Those of [`Store::decrypt_with`].
    pub fn decrypt_told(&self, user: &str, token: &[u8], call: Call) -> Result<(SecretBytes, bool)> {
        let user = User::new(user)?;
        let mut stale = false;
        let plaintext = token::opened(token, call.strict, |sealed, plaintext| {
            stale = self.open_token(user, sealed, call, plaintext)? == Opened::ByEarlier;
            Ok(())
        })?;
        Ok((plaintext, stale))
    }

    /// Moves up to `limit` keys from earlier master keys to the current one; to be called until nothing remains. Then the
    /// earlier ones open nothing in the store any more, and no running keycask can change that.
    ///
    /// # Errors
    ///
    /// [`Status::MasterKeyWrong`] when the current master key is being retired itself, or a row is under one that was not
    /// given; [`Status::Argument`] for a limit of 0; those of a writing transaction.
    pub fn rewrap(&self, limit: u64) -> Result<Rewrapped> {
        self.rotation.rewrap(self.user_keys.keystore(), self.user_keys.master_keys(), &self.pool_keys, limit)
    }

    /// Erases a user: their keys are gone from the store's files, and none is made for them again.
    ///
    /// # Errors
    ///
    /// [`Status::Busy`] and [`Status::Io`] also when the user is erased and the file could not be cleaned: call again.
    pub fn erase_user(&self, user: &str) -> Result<()> {
        self.user_keys.erase(User::new(user)?)
    }

    /// Lets an erased user begin anew. Their old tokens stay dead.
    ///
    /// # Errors
    ///
    /// Those of a writing transaction.
    pub fn restore_user(&self, user: &str) -> Result<()> {
        self.user_keys.restore(User::new(user)?)
    }

    /// Gives a user another key; the one that they have is kept for reading.
    ///
    /// # Errors
    ///
    /// [`Status::UnknownUser`], [`Status::UserDestroyed`], those of a writing transaction.
    pub fn rotate_user(&self, user: &str) -> Result<()> {
        self.user_keys.rotate(User::new(user)?)
    }

    /// Destroys a user's earlier keys.
    ///
    /// # Errors
    ///
    /// Those of [`Store::erase_user`].
    pub fn forget_versions(&self, user: &str) -> Result<()> {
        self.user_keys.forget_versions(User::new(user)?)
    }

    /// Turns a token of a user into one under their current key.
    ///
    /// # Errors
    ///
    /// Those of [`Store::decrypt`].
    pub fn reencrypt(&self, user: &str, token: &[u8]) -> Result<String> {
        let user = User::new(user)?;
        token::read(token, false, |sealed| {
            token::made(sealed.plaintext_len(), |text| {
                self.write_again(user, sealed, Call::default(), text).map(|_| ())
            })
        })
    }

    /// Looks at every row, and has the engine check its file.
    ///
    /// # Errors
    ///
    /// Those of a reading transaction.
    pub fn check(&self) -> Result<Checked> {
        census::check(self.user_keys.keystore(), self.user_keys.master_keys())
    }

    /// The next user of a walk over all of them; nothing behind the last. A walk begins as [`UserWalk::default`].
    ///
    /// # Errors
    ///
    /// [`Status::Busy`] when the file was rebuilt or replaced during the walk: begin it again; those of a reading transaction.
    pub fn next_user(&self, walk: &mut UserWalk) -> Result<Option<KnownUser>> {
        census::next_user(self.user_keys.keystore(), self.user_keys.master_keys(), walk)
    }

    /// Copies the store to `location`, where no file is yet, while it is in use.
    ///
    /// # Errors
    ///
    /// [`Status::Exists`], [`Status::Io`], [`Status::Corrupt`] when the copy is damaged; those of a reading transaction.
    pub fn backup(&self, location: &str) -> Result<()> {
        backup::write(self.user_keys.keystore(), self.user_keys.master_keys(), location)
    }

    /// What this store has done since it was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.user_keys.stats()
    }

    /// Writes to `text` the token of what `sealed` holds, under the current key.
    pub(crate) fn write_again(
        &self,
        user: User<'_>,
        sealed: Sealed<'_>,
        call: Call,
        text: &mut [u8],
    ) -> Result<Opened> {
        let call = Call { existing: true, ..call };
        if !call.cached_only {
            self.user_keys.revalidate()?;
        }
        let mut plaintext = SecretBytes::zeroed(sealed.plaintext_len())?;
        let opened = self.open_token(user, sealed, call, plaintext.expose_mut())?;
        self.write_token(user, plaintext.expose(), call, text)?;
        Ok(opened)
    }

    /// Writes the token of `plaintext` to `text`, which has exactly its length.
    #[inline]
    pub(crate) fn write_token(&self, user: User<'_>, plaintext: &[u8], call: Call, text: &mut [u8]) -> Result<()> {
        self.user_keys.with(user, call, Cipher::prefetch_for_sealing, |key| {
            token::write(plaintext.len(), text, |sealed| key.seal(plaintext, sealed))
        })
    }

    /// Opens a decoded token to `plaintext`, which has exactly its length and is untouched on a failure.
    #[inline]
    pub(crate) fn open_token(
        &self,
        user: User<'_>,
        sealed: Sealed<'_>,
        call: Call,
        plaintext: &mut [u8],
    ) -> Result<Opened> {
        self.user_keys.with(user, Call { existing: true, ..call }, Cipher::prefetch_for_opening, |key| {
            self.user_keys.open_token(key, sealed, call, plaintext)
        })
    }

    /// The key of `user`, as `call` says.
    pub(crate) fn key(&self, user: User<'_>, call: Call) -> Result<Key> {
        let key = self.user_keys.of(user, call)?;
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
