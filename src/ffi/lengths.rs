//! Lengths

/// The name that C has for it, so that the header says it in C's words.
const SIZE_MAX: usize = usize::MAX;

/// As the length of a const char * input: it ends at its NUL.
pub const KC_NUL_TERMINATED: usize = SIZE_MAX;
/// As master_keys_len: in API_KEY_MASTER_KEY and its like.
pub const KC_FROM_ENVIRONMENT: usize = SIZE_MAX;
/// The bytes of a raw key: master keys, users' keys, imported ones.
pub const KC_KEY_SIZE: usize = 32;
/// A capacity for a lookup hash: 64 hex digits and a NUL.
pub const KC_HASH_SIZE: usize = 65;
/// A capacity for a master key's text: 44 characters and a NUL.
pub const KC_MASTER_KEY_TEXT_SIZE: usize = 45;
