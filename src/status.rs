//! The statuses: their numbers, names and texts. The one list of them; the C constants, the documents and the
//! bindings are compared with it by tests.

use std::ffi::CStr;

macro_rules! statuses {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal, $text:literal;)*) => {
        /// Why a call failed. The numbers are the C ABI's and never change.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        #[repr(i32)]
        pub enum Status {
            $($(#[$doc])* $variant = $code,)*
        }

        impl Status {
            /// Every status, in the order of their numbers.
            pub const ALL: &'static [Status] = &[$(Status::$variant,)*];

            /// The name that C and every binding know it by, such as `KC_E_FORMAT`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Status::$variant => $name,)*
                }
            }

            /// A short text for people, in English.
            #[must_use]
            pub const fn text(self) -> &'static CStr {
                match self {
                    $(Status::$variant => $text,)*
                }
            }
        }
    };
}

statuses! {
    /// NULL where something is needed, an empty user or location, not UTF-8, overlapping buffers.
    Argument = -1, "KC_E_ARGUMENT", c"invalid argument";
    /// A handle that is NULL, stale, foreign or of the wrong type.
    Handle = -2, "KC_E_HANDLE", c"invalid handle";
    /// The output buffer is too small.
    Buffer = -3, "KC_E_BUFFER", c"output buffer too small";
    /// Not a token.
    Format = -4, "KC_E_FORMAT", c"not a token";
    /// Made under another key, or altered.
    Authentication = -5, "KC_E_AUTHENTICATION", c"authentication failed";
    /// The store has no key for this user.
    UnknownUser = -6, "KC_E_UNKNOWN_USER", c"unknown user";
    /// The user was erased on purpose.
    UserDestroyed = -7, "KC_E_USER_DESTROYED", c"user erased";
    /// No master key was given.
    MasterKeyMissing = -8, "KC_E_MASTER_KEY_MISSING", c"no master key";
    /// What was given is not a master key.
    MasterKeyInvalid = -9, "KC_E_MASTER_KEY_INVALID", c"malformed master key";
    /// The master key does not open this store, or may not create in it.
    MasterKeyWrong = -10, "KC_E_MASTER_KEY_WRONG", c"wrong master key";
    /// A stored row is damaged, or the file is no SQLite database.
    Corrupt = -11, "KC_E_CORRUPT", c"damaged data";
    /// Locked by others for longer than the timeout.
    Busy = -12, "KC_E_BUSY", c"store is locked";
    /// The system refused; the system's error number says why.
    Io = -13, "KC_E_IO", c"input/output error";
    /// A write to what was opened, or is, read-only.
    ReadOnly = -14, "KC_E_READ_ONLY", c"read-only";
    /// No such store.
    NotFound = -15, "KC_E_NOT_FOUND", c"no such store";
    /// Would overwrite.
    Exists = -16, "KC_E_EXISTS", c"already exists";
    /// Longer than a stated limit.
    Limit = -17, "KC_E_LIMIT", c"over a limit";
    /// The system's random source failed.
    Random = -18, "KC_E_RANDOM", c"random source failed";
    /// Out of memory.
    Memory = -19, "KC_E_MEMORY", c"out of memory";
    /// Only what is cached was asked for, and it is not cached.
    WouldBlock = -20, "KC_E_WOULD_BLOCK", c"would have to touch the store";
    /// Known to be impossible with this build: an unknown flag, scheme, token version or table bit.
    Unsupported = -21, "KC_E_UNSUPPORTED", c"not supported";
    /// A defect of keycask; the process goes on.
    Internal = -99, "KC_E_INTERNAL", c"internal error";
}

impl Status {
    /// The status's number in the C ABI; negative.
    #[must_use]
    pub const fn code(self) -> i32 {
        self as i32
    }
}
