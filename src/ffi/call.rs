//! How a call behaves

use std::ffi::c_void;

use super::boundary::{self, News, Region, check_flags, sized};
use super::status::{KC_OK, KC_STALE};
use crate::error::{Error, Result};
use crate::options::Call;
use crate::status::Status;
use crate::user_keys::Opened;

/// How one call behaves. NULL means plainly; else begin with KC_CALL_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kc_call {
    /// sizeof(kc_call).
    pub size: u32,
    /// KC_EXISTING, ... A known bit that changes nothing is accepted.
    pub flags: u32,
    /// Reserved for v3: with v2, other than empty is KC_E_UNSUPPORTED.
    pub associated_data: *const c_void,
    /// Bytes of associated_data.
    pub associated_data_len: usize,
}

/// Never make a key for an unknown user (KC_E_UNKNOWN_USER).
pub const KC_EXISTING: u32 = 1;
/// KC_E_WOULD_BLOCK rather than touch the store: microseconds, or an error.
pub const KC_CACHED_ONLY: u32 = 2;
/// Take tokens in canonical form alone, as kc_encrypt writes them.
pub const KC_STRICT: u32 = 4;
/// KC_STALE when a decrypt succeeded with a key that is no longer current.
pub const KC_TELL_STALE: u32 = 8;

/// What a kc_call says.
pub(super) struct Given {
    pub(super) call: Call,
    /// Where it lies.
    pub(super) region: Region,
    tell_stale: bool,
}

impl Given {
    /// What the caller is told of the key that opened a token.
    pub(super) fn news(&self, opened: Opened) -> News {
        News(if self.tell_stale && opened == Opened::ByEarlier { KC_STALE } else { KC_OK })
    }
}

/// Reads a kc_call. NULL: plainly.
#[inline(always)]
pub(super) fn read(given: *const kc_call) -> Result<Given> {
    if given.is_null() {
        return Ok(Given { call: Call::default(), region: Region::of(&[]), tell_stale: false });
    }
    let (given, region) = sized(given, "call")?;
    check_flags(given.flags, KC_EXISTING | KC_CACHED_ONLY | KC_STRICT | KC_TELL_STALE, "call")?;
    if !boundary::bytes(given.associated_data, given.associated_data_len, "associated_data")?.is_empty() {
        return Err(Error::new(Status::Unsupported, "v2 tokens carry no associated data: pass none"));
    }
    let call = Call {
        existing: given.flags & KC_EXISTING != 0,
        cached_only: given.flags & KC_CACHED_ONLY != 0,
        strict: given.flags & KC_STRICT != 0,
    };
    Ok(Given { call, region, tell_stale: given.flags & KC_TELL_STALE != 0 })
}
