//! Operations

use std::ffi::c_char;

use super::boundary::{self, NumberOutput, Output, Region, check_apart};
use super::call::{self, kc_call};
use super::error::kc_error;
use super::handles;
use super::objects::kc_store;
use super::status::kc_status;
use crate::error::Result;
use crate::store::Store;
use crate::token;

/// Moves up to limit keys, users' and the store's own, from earlier master keys to the current one, in short
/// transactions that let readers and writers through. Call it until *remaining is 0.
///
/// It moves from those given master keys that were registered in the store before the current one, and marks
/// them first, so that no process creates anything under them any more (KC_E_MASTER_KEY_WRONG; it reads on).
/// When all has been moved, the file is written anew without what was overwritten, and they are retired for
/// ever. Their pool keys are kept, wrapped by the current master key: values of the pool stay readable.
///
/// limit: at least 1. done: receives how many keys this call moved. remaining: about how many may still have
/// to be moved; 0: the earlier master keys that were given open nothing in the store, and no running keycask
/// can change that. skipped: how many damaged rows were met, which no given master key opens, and which are
/// left as they are; kc_next_user names them. Each of the three may be NULL.
///
/// Killed at any moment it loses nothing: call it again. Several may run at once. Run with the old key in
/// front, it moves nothing.
///
/// Errors: KC_E_ARGUMENT, KC_E_HANDLE, KC_E_MASTER_KEY_WRONG (the current master key is itself being retired;
/// a row is under a master key that was not given), KC_E_READ_ONLY, KC_E_CORRUPT, KC_E_UNSUPPORTED, KC_E_BUSY,
/// KC_E_IO (a full disk), KC_E_RANDOM, KC_E_MEMORY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_rewrap(
    store: *mut kc_store,
    limit: u64,
    done: *mut u64,
    remaining: *mut u64,
    skipped: *mut u64,
    error: *mut kc_error,
) -> kc_status {
    boundary::run(error, || {
        let outputs = [done, remaining, skipped].map(NumberOutput::new);
        check_apart([], [outputs[0].region(), outputs[1].region(), outputs[2].region()])?;
        let rewrapped = handles::store(store)?.rewrap(limit)?;
        for (output, number) in outputs.iter().zip([rewrapped.done, rewrapped.remaining, rewrapped.skipped]) {
            output.write(number);
        }
        Ok(())
    })
}

/// Erases a user: their key and all earlier ones are destroyed, and with them every secret of theirs, wherever
/// its token lies. When this returns, the keys' bytes are neither in the tables nor in free or slack space of
/// the file nor in the WAL; where they are found there, the file is written anew. No process uses the key a
/// second later, five while the store is locked, but a child whose fork cut a call on the store (see Fork, above).
///
/// The user is marked, so that no key is silently made anew: their calls give KC_E_USER_DESTROYED, whatever
/// another program writes into the key table, until kc_restore_user. A user without a key can be marked too;
/// to erase twice is KC_OK. What cannot be reached: backups, blocks of deleted journals on the disk, see
/// docs/operations.md.
///
/// Errors: KC_E_ARGUMENT, KC_E_LIMIT, KC_E_HANDLE, KC_E_BUSY (the user is erased, and somebody keeps the file
/// from being cleaned: call again), KC_E_IO (a full disk: likewise), KC_E_MASTER_KEY_WRONG, KC_E_READ_ONLY,
/// KC_E_CORRUPT, KC_E_UNSUPPORTED, KC_E_RANDOM, KC_E_MEMORY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_erase_user(
    store: *mut kc_store,
    user: *const c_char,
    user_len: usize,
    error: *mut kc_error,
) -> kc_status {
    of_user(store, user, user_len, error, Store::erase_user)
}

/// Lifts the mark of an erased user: their next use makes a new key. Old tokens stay dead, and a row that
/// another program made meanwhile is dropped. Of a user who was not erased nothing changes, KC_OK.
///
/// Errors: those of kc_erase_user.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_restore_user(
    store: *mut kc_store,
    user: *const c_char,
    user_len: usize,
    error: *mut kc_error,
) -> kc_status {
    of_user(store, user, user_len, error, Store::restore_user)
}

/// Gives a user another key, after a leak of theirs. New tokens are made under it; the earlier key is kept for
/// reading until kc_forget_versions. kc_reencrypt turns a token into one under the new key, and KC_TELL_STALE
/// says which need it.
///
/// The key table holds the new key: the Python module, and whoever reads the table themselves, open new tokens
/// alone. Programs on keycask open both.
///
/// Errors: those of kc_erase_user, KC_E_UNKNOWN_USER, KC_E_USER_DESTROYED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_rotate_user(
    store: *mut kc_store,
    user: *const c_char,
    user_len: usize,
    error: *mut kc_error,
) -> kc_status {
    of_user(store, user, user_len, error, Store::rotate_user)
}

/// Destroys a user's earlier keys, as thoroughly as kc_erase_user does, when every token has been encrypted
/// anew: only then does a leak of one end. Without earlier keys nothing changes, KC_OK.
///
/// Errors: those of kc_erase_user.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_forget_versions(
    store: *mut kc_store,
    user: *const c_char,
    user_len: usize,
    error: *mut kc_error,
) -> kc_status {
    of_user(store, user, user_len, error, Store::forget_versions)
}

fn of_user(
    store: *mut kc_store,
    user: *const c_char,
    user_len: usize,
    error: *mut kc_error,
    work: impl FnOnce(&Store, &str) -> Result<()>,
) -> kc_status {
    boundary::run(error, || {
        let user = boundary::user(user, user_len)?;
        work(&*handles::store(store)?, user.name())
    })
}

/// Turns a token of a user into one under their current key, after it has looked which that is.
///
/// Most bytes written: kc_encrypted_size of the plaintext's length to new_token, its NUL included; a canonical
/// token's own length and NUL serve. With KC_TELL_STALE, KC_STALE where the token was under an earlier key,
/// and KC_OK where it was current already.
///
/// Errors: those of kc_decrypt, KC_E_RANDOM.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_reencrypt(
    store: *mut kc_store,
    user: *const c_char,
    user_len: usize,
    token: *const c_char,
    token_len: usize,
    call: *const kc_call,
    new_token: *mut c_char,
    new_token_capacity: usize,
    new_token_len: *mut usize,
    error: *mut kc_error,
) -> kc_status {
    boundary::run(error, || {
        let user = boundary::user(user, user_len)?;
        let token = boundary::text(token, token_len, "token")?;
        let given = call::read(call)?;
        let output = Output::text(new_token, new_token_capacity, new_token_len, "new_token")?;
        check_apart([Region::of(user.name().as_bytes()), Region::of(token), given.region], output.regions())?;
        let store = handles::store(store)?;
        token::read(token, given.call.strict, |sealed| {
            let len = token::text_len(sealed.plaintext_len())?;
            let opened = output.write(len, |text| store.write_again(user, sealed, given.call, text))?;
            Ok(given.news(opened))
        })
    })
}

/// Copies the store to a new file, consistent while everybody works on: made with mode 0600, synced, opened
/// and checked before it gets its name. Nothing is ever overwritten, and on a failure nothing is left behind.
///
/// location: the path of a file that does not exist, up to 4,096 bytes of UTF-8. The folder must exist, and
/// allow hard links. docs/operations.md says how a backup is put back.
///
/// Errors: KC_E_ARGUMENT, KC_E_LIMIT, KC_E_HANDLE, KC_E_EXISTS, KC_E_IO (a full disk, no such folder),
/// KC_E_CORRUPT (the copy is damaged), KC_E_UNSUPPORTED (a URL), KC_E_BUSY, KC_E_RANDOM, KC_E_MEMORY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn kc_backup(
    store: *mut kc_store,
    location: *const c_char,
    location_len: usize,
    error: *mut kc_error,
) -> kc_status {
    boundary::run(error, || {
        let location = boundary::utf8(boundary::text(location, location_len, "location")?, "location")?;
        handles::store(store)?.backup(location)
    })
}
