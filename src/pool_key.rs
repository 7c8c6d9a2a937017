//! The pool key: for values that belong to no single user.

use sha2::Sha256;

use crate::data_key::DataKey;
use crate::master_key::MasterKey;
use crate::secret::SecretKey;

const SALT: &[u8] = b"stargazer:api_key_pool";
const ROUNDS: u32 = 100_000;

/// Derives the pool key of a master key: PBKDF2-HMAC-SHA256 (RFC 8018 §5.2), some 12 ms of work. The rounds are the
/// format's; over a random master key they add nothing.
pub(crate) fn derive(master_key: &MasterKey) -> DataKey {
    let raw = SecretKey::try_made(|key| {
        pbkdf2::pbkdf2_hmac::<Sha256>(master_key.raw().expose(), SALT, ROUNDS, key);
        Ok::<(), std::convert::Infallible>(())
    });
    match raw {
        Ok(raw) => DataKey::new(raw),
        Err(never) => match never {},
    }
}
