//! The marks of erased users. A mark names nobody: it is the HMAC-SHA256 (RFC 2104) of the user's name under a random key of
//! the store's, which lies there wrapped by a master key.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::{Error, Result};
use crate::keystore::{KeptKey, Mark, OwnKey, Tables, WritableTables};
use crate::master_key::MasterKeys;
use crate::platform::secret_memory::Rank;
use crate::registry;
use crate::secret::{SecretKey, leaving_nothing};
use crate::status::Status;
use crate::user::User;

/// Checks that the user was not erased.
pub(crate) fn check_not_erased(rows: &dyn Tables, master_keys: &MasterKeys, user: User<'_>) -> Result<()> {
    if is_erased(rows, master_keys, user)? {
        return Err(Error::new(
            Status::UserDestroyed,
            format!("user {user} was erased: their tokens open no more; kc_restore_user lets them begin anew"),
        ));
    }
    Ok(())
}

/// Whether the user was erased.
pub(crate) fn is_erased(rows: &dyn Tables, master_keys: &MasterKeys, user: User<'_>) -> Result<bool> {
    match rows.own_key(&OwnKey::Marking)? {
        Some(kept) => rows.is_erased(&mark(&unwrapped(rows, master_keys, &kept)?, user)),
        None => Ok(false),
    }
}

/// The mark of the user; makes the store's marking key where there is none.
pub(crate) fn mark_of(rows: &dyn WritableTables, master_keys: &MasterKeys, user: User<'_>) -> Result<Mark> {
    let key = match rows.own_key(&OwnKey::Marking)? {
        Some(kept) => unwrapped(rows, master_keys, &kept)?,
        None => {
            registry::admit_creation(rows, master_keys)?;
            let key = SecretKey::generate(Rank::First)?;
            rows.set_own_key(&OwnKey::Marking, &master_keys.keep(key.expose())?)?;
            key
        }
    };
    Ok(mark(&key, user))
}

fn mark(key: &SecretKey, user: User<'_>) -> Mark {
    leaving_nothing(|| {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(key.expose()).expect("HMAC takes a key of any length (RFC 2104 §2)");
        mac.update(user.name().as_bytes());
        mac.finalize().into_bytes().into()
    })
}

fn unwrapped(rows: &dyn Tables, master_keys: &MasterKeys, kept: &KeptKey) -> Result<SecretKey> {
    master_keys.unwrap_kept(kept).ok_or_else(|| {
        if master_keys.contains(kept.under) {
            Error::new(
                Status::Corrupt,
                format!("{}: the key that marks erased users is damaged; restore it from a backup", rows.store_name()),
            )
        } else {
            Error::new(
                Status::MasterKeyWrong,
                format!(
                    "who was erased in {} cannot be known without its current master key: give that one too",
                    rows.store_name()
                ),
            )
        }
    })
}
