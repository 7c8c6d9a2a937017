//! Handles

/// An open key store. Made by kc_open, ended by kc_free. Incomplete for ever: what C holds is a ticket, not an address.
pub struct kc_store {
    _private: [u8; 0],
}

/// A key: a user's, the pool's, or an imported one. Made by kc_user_key, kc_pool_key, kc_key_import, ended by kc_free.
pub struct kc_key {
    _private: [u8; 0],
}
