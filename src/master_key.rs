//! Master keys: the keys that wrap users' keys. Their text, where they come from, and the ring of those in use.

mod environment;
mod text;

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::cipher::OVERHEAD;
use crate::data_key::DataKey;
use crate::error::{Error, Result};
use crate::fallible;
use crate::keystore::KeptKey;
use crate::platform::secret_memory::{Rank, SecretBox};
use crate::secret::{KEY_SIZE, SecretBytes, SecretKey, leaving_nothing};
use crate::status::Status;

#[cfg(feature = "capi")]
pub(crate) use text::{TEXT_LEN, decode as decode_text, encode as encode_text};

/// The most master keys that a store is opened with.
pub const MAX_MASTER_KEYS: usize = 16;

/// The length of a wrapped key in bytes: nonce(12) ‖ ciphertext(32) ‖ tag(16).
pub(crate) const WRAPPED_SIZE: usize = KEY_SIZE + OVERHEAD;

/// A user's key as the key store holds it.
pub(crate) type WrappedKey = [u8; WRAPPED_SIZE];

/// The public name of a master key, by which a store knows it without knowing the key: the first 16 bytes of
/// HMAC-SHA256(master key, `keycask master key id`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct MasterKeyId(pub [u8; 16]);

/// A key-encryption key of 256 bits.
pub struct MasterKey {
    key: SecretBox<DataKey>,
    id: MasterKeyId,
}

impl MasterKey {
    /// The master key of these bytes.
    #[must_use]
    pub fn from_bytes(raw: &[u8; KEY_SIZE]) -> MasterKey {
        MasterKey::new(&SecretKey::copied_from(Rank::First, raw))
    }

    /// A new master key from the system's random source.
    ///
    /// # Errors
    ///
    /// [`Status::Random`].
    pub fn generate() -> Result<MasterKey> {
        SecretKey::generate(Rank::First).map(|raw| MasterKey::new(&raw))
    }

    /// Reads a master key's text as `API_KEY_MASTER_KEY` holds it: base64 of 32 bytes in either alphabet, white space and
    /// quotes around it allowed. `docs/format.md` has the exact rules.
    ///
    /// # Errors
    ///
    /// [`Status::MasterKeyInvalid`].
    ///
    /// ```
    /// let made = keycask::MasterKey::generate()?;
    /// let text = made.to_text();
    /// assert_eq!(text.expose().len(), 44);
    /// assert!(keycask::MasterKey::from_text(text.expose()).is_ok());
    /// # Ok::<(), keycask::Error>(())
    /// ```
    pub fn from_text(text: &[u8]) -> Result<MasterKey> {
        text::decode(text).map(|raw| MasterKey::new(&raw))
    }

    /// The current one, as [`MasterKeys::from_environment`] finds it.
    ///
    /// # Errors
    ///
    /// [`Status::MasterKeyMissing`], [`Status::MasterKeyInvalid`], [`Status::Io`] when its file cannot be read.
    pub fn from_environment() -> Result<MasterKey> {
        environment::current()
    }

    /// The previous ones, as [`MasterKeys::from_environment`] finds them: for a ring whose current one comes from elsewhere.
    ///
    /// # Errors
    ///
    /// [`Status::MasterKeyInvalid`], [`Status::Io`] when their file cannot be read.
    pub fn previous_from_environment() -> Result<Vec<MasterKey>> {
        environment::previous()
    }

    /// The key's text: 44 characters of url-safe base64 with padding.
    #[must_use]
    pub fn to_text(&self) -> SecretBytes {
        text::encode(self.raw())
    }

    fn new(raw: &SecretKey) -> MasterKey {
        MasterKey { key: DataKey::placed(raw, SecretBox::new), id: leaving_nothing(|| id_of(raw.expose())) }
    }

    pub(crate) fn id(&self) -> MasterKeyId {
        self.id
    }

    pub(crate) fn raw(&self) -> &[u8; KEY_SIZE] {
        self.key.raw()
    }

    /// Wraps a user's key.
    pub(crate) fn wrap(&self, key: &[u8; KEY_SIZE]) -> Result<WrappedKey> {
        let mut wrapped = [0; WRAPPED_SIZE];
        self.key.seal(key, &mut wrapped)?;
        Ok(wrapped)
    }

    /// Unwraps a key; nothing when it was not wrapped by this master key, or was altered.
    pub(crate) fn unwrap(&self, rank: Rank, wrapped: &WrappedKey) -> Option<SecretKey> {
        SecretKey::try_made(rank, |key| self.key.cipher().open(wrapped, key)).ok()
    }

    /// What this master key sealed, of whatever length, sealed by `other`; nothing when it did not seal it, or it was altered.
    pub(crate) fn resealed(&self, sealed: &[u8], other: &MasterKey) -> Result<Option<Vec<u8>>> {
        self.opened(sealed, |opened| {
            let mut resealed = fallible::zeroes(sealed.len())?;
            other.key.seal(opened, &mut resealed)?;
            Ok(resealed)
        })
    }

    /// Whether this master key sealed `sealed`.
    pub(crate) fn opens(&self, sealed: &[u8]) -> Result<bool> {
        Ok(self.opened(sealed, |_| Ok(()))?.is_some())
    }

    /// What `work` makes of what this master key sealed; nothing when it did not seal it, or it was altered. A key lies where
    /// keys do, what has another length on the heap.
    fn opened<T>(&self, sealed: &[u8], work: impl FnOnce(&[u8]) -> Result<T>) -> Result<Option<T>> {
        if let Ok(wrapped) = sealed.try_into() {
            return self.unwrap(Rank::Second, wrapped).map(|key| work(key.expose())).transpose();
        }
        let Some(len) = sealed.len().checked_sub(OVERHEAD) else { return Ok(None) };
        let mut opened = SecretBytes::zeroed(len)?;
        match self.key.cipher().open(sealed, opened.expose_mut()) {
            Ok(()) => work(opened.expose()).map(Some),
            Err(_) => Ok(None),
        }
    }
}

fn id_of(raw: &[u8; KEY_SIZE]) -> MasterKeyId {
    let mut mac = Hmac::<Sha256>::new_from_slice(raw).expect("HMAC takes a key of any length (RFC 2104 §2)");
    mac.update(b"keycask master key id");
    let mac = mac.finalize().into_bytes();
    let mut id = [0; 16];
    id.copy_from_slice(&mac[..16]);
    MasterKeyId(id)
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey([redacted])")
    }
}

/// The master keys that a store is opened with, the current one first: 1 to [`MAX_MASTER_KEYS`] of them. Keys under any
/// of them open; new ones are wrapped under the first.
#[derive(Debug)]
pub struct MasterKeys(Vec<MasterKey>);

impl MasterKeys {
    /// A ring of these keys, the current one first. A key given twice counts once.
    ///
    /// # Errors
    ///
    /// [`Status::MasterKeyMissing`] for none, [`Status::Limit`] for more than [`MAX_MASTER_KEYS`], [`Status::Memory`].
    pub fn new(keys: Vec<MasterKey>) -> Result<MasterKeys> {
        MasterKeys::check_count(keys.len())?;
        let mut ring = MasterKeys(fallible::with_capacity(keys.len())?);
        for key in keys {
            if !ring.contains(key.id()) {
                ring.0.push(key);
            }
        }
        Ok(ring)
    }

    /// A ring from n × 32 bytes, the current key first.
    ///
    /// # Errors
    ///
    /// [`Status::MasterKeyMissing`] for no bytes, [`Status::MasterKeyInvalid`] when their number is no multiple of 32,
    /// [`Status::Limit`] for more than [`MAX_MASTER_KEYS`] keys, [`Status::Memory`].
    pub fn from_bytes(raw: &[u8]) -> Result<MasterKeys> {
        let (keys, rest) = raw.as_chunks::<KEY_SIZE>();
        if !rest.is_empty() {
            return Err(Error::new(
                Status::MasterKeyInvalid,
                format!(
                    "the master keys have {} bytes, no multiple of {KEY_SIZE}: pass raw keys, decoded from their text",
                    raw.len()
                ),
            ));
        }
        MasterKeys::check_count(keys.len())?;
        let mut all = fallible::with_capacity(keys.len())?;
        all.extend(keys.iter().map(MasterKey::from_bytes));
        MasterKeys::new(all)
    }

    /// The master keys that the environment names: `API_KEY_MASTER_KEY` holds the current one's text, or, where that is unset
    /// or blank, `API_KEY_MASTER_KEY_FILE` names a file that does; `API_KEY_MASTER_KEY_PREVIOUS`, or the file that
    /// `API_KEY_MASTER_KEY_PREVIOUS_FILE` names, holds the previous ones', separated by commas.
    ///
    /// # Errors
    ///
    /// [`Status::MasterKeyMissing`] when there is no current one, [`Status::MasterKeyInvalid`] when a text is no master
    /// key, [`Status::Io`] when a file cannot be read, [`Status::Limit`] for more than [`MAX_MASTER_KEYS`].
    pub fn from_environment() -> Result<MasterKeys> {
        let mut keys = vec![MasterKey::from_environment()?];
        keys.append(&mut MasterKey::previous_from_environment()?);
        MasterKeys::new(keys)
    }

    pub(crate) fn current(&self) -> &MasterKey {
        &self.0[0]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &MasterKey> {
        self.0.iter()
    }

    pub(crate) fn contains(&self, id: MasterKeyId) -> bool {
        self.with_id(id).is_some()
    }

    pub(crate) fn with_id(&self, id: MasterKeyId) -> Option<&MasterKey> {
        self.iter().find(|key| key.id() == id)
    }

    /// Unwraps a user's key with whichever of the keys it was wrapped by, which is named.
    pub(crate) fn unwrap(&self, wrapped: &WrappedKey) -> Option<(SecretKey, MasterKeyId)> {
        self.iter().find_map(|key| key.unwrap(Rank::Second, wrapped).map(|unwrapped| (unwrapped, key.id())))
    }

    /// Wraps a key of the store's own with the current one.
    pub(crate) fn keep(&self, key: &[u8; KEY_SIZE]) -> Result<KeptKey> {
        Ok(KeptKey { under: self.current().id(), wrapped: self.current().wrap(key)?.to_vec() })
    }

    /// Unwraps a key of the store's own. Nothing when its master key is not given, or when it was altered.
    pub(crate) fn unwrap_kept(&self, kept: &KeptKey) -> Option<SecretKey> {
        self.with_id(kept.under)?.unwrap(Rank::First, kept.wrapped.as_slice().try_into().ok()?)
    }

    fn check_count(count: usize) -> Result<()> {
        match count {
            0 => Err(Error::new(
                Status::MasterKeyMissing,
                "no master key was given: pass at least one, or ask for the environment's",
            )),
            1..=MAX_MASTER_KEYS => Ok(()),
            _ => Err(Error::new(
                Status::Limit,
                format!(
                    "{count} master keys were given, and the most is {MAX_MASTER_KEYS}: pass those that are still in use"
                ),
            )),
        }
    }
}
