//! How a store is opened

use std::time::Duration;

use super::boundary::{Region, check_flags, sized};
use crate::error::Result;
use crate::options::Options;

/// How kc_open opens. Begin with KC_OPTIONS_INIT; zero means the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kc_options {
    /// sizeof(kc_options).
    pub size: u32,
    /// KC_OPEN_... bits.
    pub flags: u32,
    /// How long a call waits for others' locks. Default: 5,000. KC_NONE: not at all.
    pub busy_timeout_ms: u32,
    /// Users whose keys are kept unwrapped. Default: 65,536. KC_NONE: none.
    pub cache_users: u32,
}

/// In a field of kc_options: none, where zero would mean the default.
pub const KC_NONE: u32 = u32::MAX;
/// Never write, not even to roll back what a crashed program left.
pub const KC_OPEN_READ_ONLY: u32 = 1;
/// KC_E_NOT_FOUND rather than make a store that is missing.
pub const KC_OPEN_MUST_EXIST: u32 = 2;
/// This process will be snapshotted, and resumed more than once: from now on it takes every nonce, of any handle, by a
/// system call, so that nothing kept ahead is resumed twice. Open so before the first snapshot.
pub const KC_OPEN_SNAPSHOTS: u32 = 4;
/// From now on this process locks no memory for keys, of any handle. Else they are never swapped out, as far as half of
/// RLIMIT_MEMLOCK reaches, master keys and pool keys first; kc_stats tells what is locked.
pub const KC_OPEN_UNLOCKED: u32 = 8;

/// What a kc_options says, and where it lies. NULL: the defaults.
pub(super) fn read(given: *const kc_options) -> Result<(Options, Region)> {
    let mut options = Options::new();
    if given.is_null() {
        return Ok((options, Region::of(&[])));
    }
    let (given, region) = sized(given, "options")?;
    check_flags(given.flags, KC_OPEN_READ_ONLY | KC_OPEN_MUST_EXIST | KC_OPEN_SNAPSHOTS | KC_OPEN_UNLOCKED, "options")?;
    options = options
        .read_only(given.flags & KC_OPEN_READ_ONLY != 0)
        .must_exist(given.flags & KC_OPEN_MUST_EXIST != 0)
        .snapshots(given.flags & KC_OPEN_SNAPSHOTS != 0)
        .unlocked(given.flags & KC_OPEN_UNLOCKED != 0);
    if let Some(milliseconds) = chosen(given.busy_timeout_ms) {
        options = options.busy_timeout(Duration::from_millis(milliseconds.into()));
    }
    if let Some(users) = chosen(given.cache_users) {
        options = options.cache_users(users as usize);
    }
    Ok((options, region))
}

/// The value of a field where zero means the default, and KC_NONE zero.
fn chosen(field: u32) -> Option<u32> {
    match field {
        0 => None,
        KC_NONE => Some(0),
        value => Some(value),
    }
}
