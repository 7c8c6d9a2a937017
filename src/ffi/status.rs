//! Statuses

/// What a call answers. 0: KC_OK. Negative: an error, one of KC_E_... Positive: success with news, where asked for.
pub type kc_status = i32;

/// Success.
pub const KC_OK: kc_status = 0;
/// Success, under a key no longer current. Only with KC_TELL_STALE.
pub const KC_STALE: kc_status = 1;
/// Nothing follows: the walk has ended. Only from kc_next_user.
pub const KC_END: kc_status = 2;
/// NULL where something is needed, empty, not UTF-8, overlapping buffers.
pub const KC_E_ARGUMENT: kc_status = -1;
/// A handle that is NULL, stale, foreign or of the wrong type.
pub const KC_E_HANDLE: kc_status = -2;
/// Capacity too small; the length output says what would do.
pub const KC_E_BUFFER: kc_status = -3;
/// Not a token; perhaps plaintext from before tokens (kc_is_encrypted).
pub const KC_E_FORMAT: kc_status = -4;
/// The token was made under another key, or altered.
pub const KC_E_AUTHENTICATION: kc_status = -5;
/// The store has no key for this user.
pub const KC_E_UNKNOWN_USER: kc_status = -6;
/// The user was erased on purpose.
pub const KC_E_USER_DESTROYED: kc_status = -7;
/// No master key was given, and the environment holds none.
pub const KC_E_MASTER_KEY_MISSING: kc_status = -8;
/// Malformed: not base64 of 32 bytes, or no multiple of 32 bytes.
pub const KC_E_MASTER_KEY_INVALID: kc_status = -9;
/// The master keys do not open this store, or may not create in it.
pub const KC_E_MASTER_KEY_WRONG: kc_status = -10;
/// A stored row is damaged, or the file is no SQLite database.
pub const KC_E_CORRUPT: kc_status = -11;
/// Others held the store's lock for longer than busy_timeout_ms.
pub const KC_E_BUSY: kc_status = -12;
/// The system refused; kc_error.os_error says why.
pub const KC_E_IO: kc_status = -13;
/// A write to what was opened, or is, read-only.
pub const KC_E_READ_ONLY: kc_status = -14;
/// No such store.
pub const KC_E_NOT_FOUND: kc_status = -15;
/// Would overwrite.
pub const KC_E_EXISTS: kc_status = -16;
/// Longer than a stated limit.
pub const KC_E_LIMIT: kc_status = -17;
/// The system's random source failed. Nothing was encrypted.
pub const KC_E_RANDOM: kc_status = -18;
/// Out of memory.
pub const KC_E_MEMORY: kc_status = -19;
/// KC_CACHED_ONLY, and the answer is not cached.
pub const KC_E_WOULD_BLOCK: kc_status = -20;
/// Unknown to this release: a flag, field, scheme, token version, database.
pub const KC_E_UNSUPPORTED: kc_status = -21;
/// A defect of keycask. The process goes on.
pub const KC_E_INTERNAL: kc_status = -99;
