//! The pool: for values that belong to no single user.

use std::sync::Arc;

use arc_swap::ArcSwap;
use sha2::Sha256;

use crate::data_key::DataKey;
use crate::error::{Error, Result};
use crate::keystore::{OwnKey, Patience, Registered};
use crate::master_key::{MasterKey, MasterKeyId, MasterKeys};
use crate::options::Call;
use crate::platform::secret_memory::{Rank, SecretArc};
use crate::secret::{SecretKey, leaving_nothing};
use crate::status::Status;
use crate::token::Sealed;
use crate::user_keys::{Opened, UserKeys, would_block};

const SALT: &[u8] = b"stargazer:api_key_pool";
const ROUNDS: u32 = 100_000;

/// Derives the pool key of a master key: PBKDF2-HMAC-SHA256 (RFC 8018 §5.2), some 12 ms of work. The rounds are the
/// format's; over a random master key they add nothing.
fn derive(master_key: &MasterKey) -> SecretArc<DataKey> {
    let raw = leaving_nothing(|| {
        SecretKey::try_made(Rank::First, |key| {
            pbkdf2::pbkdf2_hmac::<Sha256>(master_key.raw(), SALT, ROUNDS, key);
            Ok::<(), std::convert::Infallible>(())
        })
    });
    match raw {
        Ok(raw) => DataKey::placed(&raw, SecretArc::new),
        Err(never) => match never {},
    }
}

type Known = Vec<(MasterKeyId, SecretArc<DataKey>)>;

/// The pool keys that an open store knows, each by its master key. They never change, so none is ever looked at again.
pub(crate) struct PoolKeys(ArcSwap<Known>);

impl PoolKeys {
    pub(crate) fn new() -> PoolKeys {
        PoolKeys(ArcSwap::default())
    }

    /// The pool key of `master_key`, derived where it is not known. Two first callers may both derive it; neither waits for
    /// the other.
    pub(crate) fn of(&self, master_key: &MasterKey) -> SecretArc<DataKey> {
        self.known(master_key.id()).unwrap_or_else(|| self.add(master_key.id(), derive(master_key)))
    }

    pub(crate) fn derive_all(&self, master_keys: &MasterKeys) {
        for key in master_keys.iter() {
            self.of(key);
        }
    }

    /// The pool key of a master key that need not be given.
    pub(crate) fn known(&self, id: MasterKeyId) -> Option<SecretArc<DataKey>> {
        self.0.load().iter().find(|(known, _)| *known == id).map(|(_, key)| key.clone())
    }

    /// Keeps a pool key that was found in the store.
    pub(crate) fn add(&self, id: MasterKeyId, key: SecretArc<DataKey>) -> SecretArc<DataKey> {
        self.0.rcu(|known| {
            let mut known = Known::clone(known);
            if known.iter().all(|(other, _)| *other != id) {
                known.push((id, key.clone()));
            }
            known
        });
        key
    }

    /// All that are known.
    pub(crate) fn all(&self) -> Arc<Known> {
        self.0.load_full()
    }
}

/// The pool of an open store: values are encrypted under the current master key's pool key, and opened by those of earlier
/// ones too.
pub(crate) struct Pool {
    user_keys: Arc<UserKeys>,
    keys: Arc<PoolKeys>,
    current: SecretArc<DataKey>,
}

impl Pool {
    pub(crate) fn new(user_keys: &Arc<UserKeys>, keys: &Arc<PoolKeys>) -> Pool {
        let current = keys.of(user_keys.master_keys().current());
        Pool { user_keys: Arc::clone(user_keys), keys: Arc::clone(keys), current }
    }

    pub(crate) fn current(&self) -> &DataKey {
        &self.current
    }

    #[inline]
    pub(crate) fn open_token(&self, sealed: Sealed<'_>, call: Call, plaintext: &mut [u8]) -> Result<Opened> {
        match self.current.open(sealed, plaintext) {
            Ok(()) => Ok(Opened::ByCurrent),
            Err(refusal) if refusal.status() == Status::Authentication => {
                self.open_by_earlier(sealed, call, plaintext, refusal)
            }
            Err(error) => Err(error),
        }
    }

    #[cold]
    fn open_by_earlier(&self, sealed: Sealed<'_>, call: Call, plaintext: &mut [u8], refusal: Error) -> Result<Opened> {
        let known = self.keys.all();
        let mut opens = |keys: &Known| keys.iter().any(|(_, key)| key.open(sealed, plaintext).is_ok());
        if opens(&known) {
            return Ok(Opened::ByEarlier);
        }
        if !self.user_keys.keystore().is_usable() {
            return Err(refusal);
        }
        if call.cached_only {
            return Err(would_block("the pool key of another master key"));
        }
        self.find_more()?;
        if self.keys.all().len() > known.len() && opens(&self.keys.all()) {
            return Ok(Opened::ByEarlier);
        }
        Err(refusal)
    }

    /// The pool keys of the other given master keys, and of those that the store has kept.
    fn find_more(&self) -> Result<()> {
        let master_keys = self.user_keys.master_keys();
        self.keys.derive_all(master_keys);
        self.user_keys.keystore().read(Patience::Timeout, &mut |rows| {
            for Registered { id, .. } in rows.master_keys()? {
                if self.keys.known(id).is_none()
                    && let Some(kept) = rows.own_key(&OwnKey::PoolOf(id))?
                    && let Some(raw) = master_keys.unwrap_kept(&kept)
                {
                    self.keys.add(id, DataKey::placed(&raw, SecretArc::new));
                }
            }
            Ok(())
        })
    }
}
