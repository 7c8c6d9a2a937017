//! A user's earlier keys: kept to read what was made under them, until everything has been encrypted anew.

use crate::data_key::DataKey;
use crate::error::Result;
use crate::keystore::{Demands, Enough, KeptKey, Tables, WritableTables};
use crate::master_key::MasterKeys;
use crate::platform::secret_memory::{Rank, SecretBox};
use crate::registry;
use crate::secret::SecretKey;
use crate::user::User;

/// Gives the user another key; the one that they have is kept as a version.
pub(crate) fn rotate(
    rows: &dyn WritableTables,
    master_keys: &MasterKeys,
    user: User<'_>,
    current: &KeptKey,
) -> Result<()> {
    registry::admit_creation(rows, master_keys)?;
    rows.demand(Demands { must_read: Demands::VERSIONS, must_write: Demands::OPERATIONS })?;
    rows.add_version(user, current)?;
    rows.replace_user_key(user, &master_keys.current().wrap(SecretKey::generate(Rank::Second)?.expose())?)
}

/// Tries the user's earlier keys, the latest first, until `open` says that one is right. One that no given master key unwraps
/// is passed over.
pub(crate) fn find(
    rows: &dyn Tables,
    master_keys: &MasterKeys,
    user: User<'_>,
    open: &mut dyn FnMut(&DataKey) -> Result<bool>,
) -> Result<bool> {
    let mut found = false;
    rows.versions(user, &mut |version| {
        if let Some(raw) = master_keys.unwrap_kept(&version) {
            found = open(&DataKey::placed(&raw, SecretBox::new))?;
        }
        Ok(if found { Enough::Yes } else { Enough::No })
    })?;
    Ok(found)
}

/// The user's earlier keys as they lie in the store.
pub(crate) fn wrapped_keys(rows: &dyn Tables, user: User<'_>) -> Result<Vec<Box<[u8]>>> {
    let mut wrapped_keys = Vec::new();
    rows.versions(user, &mut |version| {
        wrapped_keys.push(version.wrapped.into_boxed_slice());
        Ok(Enough::No)
    })?;
    Ok(wrapped_keys)
}
