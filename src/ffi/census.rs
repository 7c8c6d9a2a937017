//! Looking through a store

use std::ffi::c_char;

use super::boundary::{self, News, Output, StructOutput, check_apart};
use super::error::kc_error;
use super::handles;
use super::objects::kc_store;
use super::status::{KC_END, KC_OK, kc_status};
use crate::census::{Checked, KnownUser, UserWalk};
use crate::keystore::{Layout, MasterKeyState, Place};

/// In a kc_check_report: what the store knows of a master key. Nothing.
pub const KC_MASTER_KEY_UNREGISTERED: u32 = 0;
/// It opens and creates.
pub const KC_MASTER_KEY_ACTIVE: u32 = 1;
/// It opens; what hangs on it is being moved.
pub const KC_MASTER_KEY_RETIRING: u32 = 2;
/// It opens nothing in the store any more.
pub const KC_MASTER_KEY_RETIRED: u32 = 3;

/// What kc_check found. Begin with KC_CHECK_REPORT_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kc_check_report {
    /// sizeof(kc_check_report).
    pub size: u32,
    /// What SQLite itself found wrong: 0, or how many findings (100 at most).
    pub findings: u32,
    /// Users with a row in the key table.
    pub users: u64,
    /// Of these, with a key that opens to 32 bytes.
    pub good: u64,
    /// With one that does not.
    pub damaged: u64,
    /// With one that may be under a master key that was not given.
    pub unopened: u64,
    /// Earlier keys of users.
    pub versions: u64,
    /// Earlier keys, and keys of the store's own, that do not open.
    pub damaged_others: u64,
    /// Users who were erased.
    pub erased: u64,
    /// Master keys that the store uses and that were not given.
    pub lacking: u64,
    /// Keys that each given master key wraps, in the order of kc_open.
    pub keys: [u64; 16],
    /// KC_MASTER_KEY_..., in the same order.
    pub states: [u32; 16],
    /// SQLite's first finding; ends in a NUL.
    pub finding: [c_char; 160],
}

/// Where a walk over the users stands. Begin with KC_USER_WALK_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kc_user_walk {
    /// sizeof(kc_user_walk).
    pub size: u32,
    /// keycask's own, as all below.
    pub begun: u32,
    /// Leave it as it is.
    pub place: [u64; 4],
}

/// What kc_next_user knows of a user. Begin with KC_USER_INFO_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kc_user_info {
    /// sizeof(kc_user_info).
    pub size: u32,
    /// KC_OK; KC_E_CORRUPT; KC_E_MASTER_KEY_WRONG: one was not given.
    pub key: kc_status,
    /// The given master key that wraps it: 1 for the first; 0: none.
    pub master_key: u32,
    /// 0.
    pub reserved: u32,
    /// Earlier keys that are kept.
    pub versions: u64,
    /// When the key was made: UTC, ISO 8601; ends in a NUL.
    pub created_at: [c_char; 40],
}

/// What an open store has done. Begin with KC_STORE_STATS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kc_store_stats {
    /// sizeof(kc_store_stats).
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// Users whose keys are cached now.
    pub cached_users: u64,
    /// Calls that found their key in the cache.
    pub hits: u64,
    /// Calls that did not.
    pub misses: u64,
    /// Reading transactions.
    pub store_reads: u64,
    /// Writing transactions.
    pub commits: u64,
    /// Times that a call waited for a lock of others.
    pub busy_waits: u64,
    /// Handles open in this process, as kc_handle_count.
    pub handles: u64,
    /// Bytes of keys and their schedules in this process's locked memory.
    pub locked_bytes: u64,
    /// Bytes of them in memory that could not be locked, or was not to be.
    pub unlocked_bytes: u64,
}

/// Looks at every row: whether it opens, to what length, under which master key; then has SQLite check its
/// file. It writes nothing, and lets others work.
///
/// report: receives what was found. KC_OK says that the check was made, not that all is well: look at
/// findings, damaged, unopened and damaged_others. kc_next_user names the damaged users.
///
/// Errors: KC_E_ARGUMENT, KC_E_HANDLE, KC_E_CORRUPT, KC_E_READ_ONLY (a read-only opening meets what a crashed
/// writer left), KC_E_UNSUPPORTED, KC_E_BUSY, KC_E_IO, KC_E_MEMORY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_check(
    store: *mut kc_store,
    report: *mut kc_check_report,
    error: *mut kc_error,
) -> kc_status {
    boundary::run(error, || {
        let output = StructOutput::new(report, "report")?;
        output.write(as_report(output.given().size, &handles::store(store)?.check()?));
        Ok(())
    })
}

fn as_report(size: u32, checked: &Checked) -> kc_check_report {
    let mut report = kc_check_report {
        size,
        findings: checked.findings.len() as u32,
        users: checked.users,
        good: checked.good,
        damaged: checked.damaged,
        unopened: checked.unopened,
        versions: checked.versions,
        damaged_others: checked.damaged_others,
        erased: checked.erased,
        lacking: checked.lacking,
        keys: [0; 16],
        states: [KC_MASTER_KEY_UNREGISTERED; 16],
        finding: boundary::fixed_text(checked.findings.first().map_or("", String::as_str)),
    };
    for (at, of) in checked.master_keys.iter().enumerate() {
        report.keys[at] = of.keys;
        report.states[at] = match of.state {
            None => KC_MASTER_KEY_UNREGISTERED,
            Some(MasterKeyState::Active) => KC_MASTER_KEY_ACTIVE,
            Some(MasterKeyState::Retiring) => KC_MASTER_KEY_RETIRING,
            Some(MasterKeyState::Retired) => KC_MASTER_KEY_RETIRED,
        };
    }
    report
}

/// The next user of a walk over all users with a row, one a call, in no order that means anything. KC_END
/// behind the last.
///
/// walk: where the walk stands; it is moved on success alone, so that a user whose name did not fit comes
/// again. Several walks may go on at once; users who come meanwhile may be missed. Most bytes written:
/// user_len + 1 to user. A row that has no text for a user, or an empty one, gives length 0. info may be NULL.
///
/// Errors: KC_E_ARGUMENT, KC_E_HANDLE, KC_E_BUFFER, KC_E_BUSY (the file was rebuilt or replaced meanwhile:
/// begin anew), KC_E_CORRUPT, KC_E_READ_ONLY, KC_E_UNSUPPORTED, KC_E_IO, KC_E_MEMORY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_next_user(
    store: *mut kc_store,
    walk: *mut kc_user_walk,
    user: *mut c_char,
    user_capacity: usize,
    user_len: *mut usize,
    info: *mut kc_user_info,
    error: *mut kc_error,
) -> kc_status {
    boundary::run(error, || {
        let walk = StructOutput::new(walk, "walk")?;
        let info = if info.is_null() { None } else { Some(StructOutput::new(info, "info")?) };
        let output = Output::text(user, user_capacity, user_len, "user")?;
        let [user_region, len_region] = output.regions();
        let info_region = info.as_ref().map_or(boundary::Region::of(&[]), StructOutput::region);
        check_apart([], [walk.region(), user_region, len_region, info_region])?;
        let mut place = place_of(&walk.given());
        let Some(found) = handles::store(store)?.next_user(&mut place)? else { return Ok(News(KC_END)) };
        let name = found.name.as_deref().unwrap_or_default().as_bytes();
        output.write(name.len(), |user| {
            user.copy_from_slice(name);
            Ok(())
        })?;
        if let Some(info) = info {
            info.write(as_info(info.given().size, &found));
        }
        walk.write(as_walk(walk.given().size, place));
        Ok(News(KC_OK))
    })
}

fn place_of(walk: &kc_user_walk) -> UserWalk {
    let [one, two, three, place] = walk.place;
    UserWalk((walk.begun != 0).then_some((Layout([one, two, three]), Place(place.cast_signed()))))
}

fn as_walk(size: u32, walk: UserWalk) -> kc_user_walk {
    let place =
        walk.0.map_or([0; 4], |(Layout([one, two, three]), Place(place))| [one, two, three, place.cast_unsigned()]);
    kc_user_walk { size, begun: walk.0.is_some().into(), place }
}

fn as_info(size: u32, user: &KnownUser) -> kc_user_info {
    kc_user_info {
        size,
        key: user.trouble.map_or(KC_OK, crate::status::Status::code),
        master_key: user.master_key.map_or(0, |at| at as u32 + 1),
        reserved: 0,
        versions: user.versions,
        created_at: boundary::fixed_text(&user.created_at),
    }
}

/// What this store has done since it was opened. It does not touch the store's file.
///
/// Errors: KC_E_ARGUMENT, KC_E_HANDLE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_stats(store: *mut kc_store, stats: *mut kc_store_stats, error: *mut kc_error) -> kc_status {
    boundary::run(error, || {
        let output = StructOutput::new(stats, "stats")?;
        let stats = handles::store(store)?.stats();
        output.write(kc_store_stats {
            size: output.given().size,
            reserved: 0,
            cached_users: stats.cached_users,
            hits: stats.hits,
            misses: stats.misses,
            store_reads: stats.store_reads,
            commits: stats.commits,
            busy_waits: stats.busy_waits,
            handles: handles::count() as u64,
            locked_bytes: stats.locked_bytes,
            unlocked_bytes: stats.unlocked_bytes,
        });
        Ok(())
    })
}
