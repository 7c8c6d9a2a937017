//! What the operations promise: a rotation of the master key that ends, erasure, new keys for users, checks, backups.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;
use std::time::Duration;

use keycask::{Call, MasterKeyState, Options, Status, Store, UserWalk};

use common::{Folder, again, assert_passed, execute, hex, open, raw_key, ring, sql, users, value};

const CACHED_ONLY: Call = Call { existing: false, cached_only: true, strict: false };

fn status<T>(result: keycask::Result<T>) -> Result<(), Status> {
    result.map(drop).map_err(|error| error.status())
}

/// Users of `store`, each with a token of their own name.
fn with_users(store: &Store, names: impl IntoIterator<Item = String>) -> BTreeMap<String, String> {
    names.into_iter().map(|name| (name.clone(), store.encrypt(&name, name.as_bytes()).unwrap())).collect()
}

fn named(prefix: &str, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |number| format!("{prefix} {number}"))
}

fn opens(store: &Store, user: &str, token: &str) -> bool {
    store.decrypt(user, token.as_bytes()).is_ok_and(|plaintext| plaintext.expose() == user.as_bytes())
}

fn all_open(store: &Store, tokens: &BTreeMap<String, String>) -> bool {
    tokens.iter().all(|(user, token)| opens(store, user, token))
}

/// Rewraps to the end; answers how many keys were moved, and skipped.
fn rewrap(store: &Store, limit: u64) -> (u64, u64) {
    let mut moved = 0;
    loop {
        let step = store.rewrap(limit).unwrap();
        assert!(step.done <= limit);
        moved += step.done;
        if step.remaining == 0 {
            return (moved, step.skipped);
        }
    }
}

/// The states of the registered master keys, by the key's number.
fn states(path: &str, numbers: &[u8]) -> Vec<Option<MasterKeyState>> {
    open(path, numbers).unwrap().check().unwrap().master_keys.iter().map(|of| of.state).collect()
}

/// How many rows of the store each of these master keys opens, read past keycask.
fn rows_under<const N: usize>(path: &str, numbers: [u8; N]) -> [usize; N] {
    let rows: Vec<Vec<u8>> = common::column(path, "SELECT encrypted_key FROM encryption_keys");
    numbers.map(|number| rows.iter().filter(|row| common::unwrapped(&raw_key(number), row).is_ok()).count())
}

const ACTIVE: Option<MasterKeyState> = Some(MasterKeyState::Active);
const RETIRING: Option<MasterKeyState> = Some(MasterKeyState::Retiring);
const RETIRED: Option<MasterKeyState> = Some(MasterKeyState::Retired);

// --- rotation of the master key -----------------------------------------------------------------------------------------

#[test]
fn a_rotation_moves_every_key_and_ends_with_the_old_master_key_retired() {
    for limit in [1, 7, 1000, u64::MAX] {
        let folder = Folder::new();
        let path = folder.path("keys.db");
        let tokens = with_users(&open(&path, &[1]).unwrap(), named("user", 20));
        let store = open(&path, &[2, 1]).unwrap();
        assert_eq!(rewrap(&store, limit), (20, 0), "limit {limit}");
        assert_eq!(rows_under(&path, [1, 2]), [0, 20]);
        assert_eq!(states(&path, &[2, 1]), [ACTIVE, RETIRED]);
        assert_eq!(status(open(&path, &[1])), Err(Status::MasterKeyWrong));
        assert!(all_open(&open(&path, &[2]).unwrap(), &tokens) && all_open(&store, &tokens));
        // Again, there is nothing to do.
        assert_eq!(rewrap(&store, limit), (0, 0));
    }
}

#[test]
fn a_store_of_the_module_is_rotated_too() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    common::make_module_store(&path);
    for name in named("user", 5) {
        common::add_module_row(&path, &name, &common::wrapped(&raw_key(1), &[7; 32]));
    }
    assert_eq!(rewrap(&open(&path, &[2, 1]).unwrap(), 100), (5, 0));
    assert_eq!(rows_under(&path, [1, 2]), [0, 5]);
    assert_eq!(states(&path, &[2, 1]), [ACTIVE, RETIRED]);
}

#[test]
fn with_the_old_master_key_in_front_nothing_is_moved_or_retired() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let mut tokens = with_users(&open(&path, &[1]).unwrap(), named("old", 3));
    tokens.append(&mut with_users(&open(&path, &[2, 1]).unwrap(), named("new", 3)));
    let old_first = open(&path, &[1, 2]).unwrap();
    assert_eq!(rewrap(&old_first, 100), (0, 0));
    assert_eq!(states(&path, &[1, 2]), [ACTIVE, ACTIVE]);
    assert_eq!(rows_under(&path, [1, 2]), [3, 3]);
    assert!(all_open(&old_first, &tokens));
    old_first.encrypt("another", b"").unwrap();
}

#[test]
fn a_rotation_without_the_previous_master_key_is_refused_and_moves_nothing() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    with_users(&open(&path, &[1]).unwrap(), named("user", 3));
    open(&path, &[2, 1]).unwrap().encrypt("new", b"").unwrap();
    for forgotten in [&[2][..], &[2, 3]] {
        assert_eq!(status(open(&path, forgotten).unwrap().rewrap(100)), Err(Status::MasterKeyWrong));
        assert_eq!(rows_under(&path, [1, 2]), [3, 1]);
    }
    assert_eq!(states(&path, &[1, 2]), [ACTIVE, ACTIVE]);
    assert_eq!(rewrap(&open(&path, &[2, 1, 1, 3]).unwrap(), 100), (3, 0));
}

#[test]
fn a_retired_master_key_in_front_opens_and_creates_nothing() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let tokens = with_users(&open(&path, &[1]).unwrap(), named("user", 3));
    rewrap(&open(&path, &[2, 1]).unwrap(), 100);
    let store = open(&path, &[1, 2]).unwrap();
    assert!(all_open(&store, &tokens));
    assert_eq!(status(store.encrypt("another", b"")), Err(Status::MasterKeyWrong));
    assert_eq!(status(store.rewrap(100)), Err(Status::MasterKeyWrong));
    assert_eq!(states(&path, &[1, 2]), [RETIRED, ACTIVE]);
    // Back again is with both, the new one in front.
    open(&path, &[2, 1]).unwrap().encrypt("another", b"").unwrap();
}

#[test]
fn a_process_with_the_old_ring_reads_on_and_creates_nothing_once_the_rotation_has_begun() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let running = open(&path, &[1]).unwrap();
    let tokens = with_users(&running, named("user", 10));
    let rotating = open(&path, &[2, 1]).unwrap();
    assert_eq!(rotating.rewrap(3).unwrap().done, 3);
    assert_eq!(states(&path, &[2, 1]), [ACTIVE, RETIRING]);
    assert_eq!(status(running.encrypt("another", b"")), Err(Status::MasterKeyWrong));
    let fresh = Store::open(&path, ring(&[1, 2]), &Options::new()).unwrap();
    assert!(all_open(&fresh, &tokens));
    running.expire(false);
    for (user, token) in &tokens {
        let moved = ["user 0", "user 1", "user 2"].contains(&user.as_str());
        let expected = if moved { Err(Status::MasterKeyWrong) } else { Ok(()) };
        assert_eq!(status(running.decrypt(user, token.as_bytes())), expected, "{user}");
    }
    rewrap(&rotating, 2);
    assert!(all_open(&open(&path, &[2]).unwrap(), &tokens));
}

#[test]
fn damaged_rows_are_counted_apart_and_left() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let tokens = with_users(&open(&path, &[1]).unwrap(), named("user", 6));
    let short = common::wrapped(&raw_key(1), &[9; 16]);
    let damaged = |value: &str| format!("UPDATE encryption_keys SET encrypted_key = {value} WHERE user_id = ");
    execute(
        &path,
        &format!(
            "{} 'user 1'; {} 'user 2'; {} 'user 3'; INSERT INTO encryption_keys VALUES (NULL, x'00', ''), ('', 7, '');",
            damaged("zeroblob(60)"),
            damaged("'text'"),
            damaged(&format!("x'{}'", hex(&short)))
        ),
    );
    let store = open(&path, &[2, 1]).unwrap();
    assert_eq!(rewrap(&store, 2), (4, 4), "a row that opens to a wrong length is moved as it is");
    let moved: Vec<u8> = value(&path, "SELECT encrypted_key FROM encryption_keys WHERE user_id = 'user 3'");
    assert_eq!(common::unwrapped(&raw_key(2), &moved).unwrap(), [9; 16]);
    assert_eq!(value::<Vec<u8>>(&path, "SELECT encrypted_key FROM encryption_keys WHERE user_id = 'user 1'"), [0; 60]);
    assert!(opens(&store, "user 0", &tokens["user 0"]));
    assert_eq!(states(&path, &[2, 1]), [ACTIVE, RETIRED]);
}

#[test]
fn damaged_earlier_keys_are_counted_apart_and_keep_no_sound_one_from_being_moved() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = open(&path, &[1]).unwrap();
    let tokens = with_users(&store, named("user", 9));
    for user in tokens.keys() {
        store.rotate_user(user).unwrap();
    }
    for limit in [1, 2, 3, 7, 1000] {
        let copy = folder.path(&format!("{limit}.db"));
        store.backup(&copy).unwrap();
        execute(
            &copy,
            "UPDATE keycask_version SET wrapped = zeroblob(60) WHERE user_id IN ('user 0', 'user 4', 'user 8')",
        );
        assert_eq!(rewrap(&open(&copy, &[2, 1]).unwrap(), limit), (9 + 6, 3), "a limit of {limit}");
        let store = open(&copy, &[2]).unwrap();
        for (user, token) in &tokens {
            let damaged = ["user 0", "user 4", "user 8"].contains(&user.as_str());
            assert_eq!(opens(&store, user, token), !damaged, "{user} after a limit of {limit}");
        }
        assert_eq!(states(&copy, &[2, 1]), [ACTIVE, RETIRED]);
    }
}

#[test]
fn two_rotations_at_once_and_services_beside_them_lose_nothing() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let old = with_users(&open(&path, &[1]).unwrap(), named("old", 300));
    let new = thread::scope(|scope| {
        let rotations: Vec<_> = (0..2).map(|_| scope.spawn(|| rewrap(&open(&path, &[2, 1]).unwrap(), 5).0)).collect();
        let service = scope.spawn(|| {
            let store = open(&path, &[2, 1]).unwrap();
            let tokens = with_users(&store, named("new", 30));
            assert!(all_open(&store, &old) && all_open(&store, &tokens));
            tokens
        });
        let moved: u64 = rotations.into_iter().map(|each| each.join().unwrap()).sum();
        assert_eq!(moved, 300, "every key once");
        service.join().unwrap()
    });
    let store = open(&path, &[2]).unwrap();
    assert!(all_open(&store, &old) && all_open(&store, &new));
    assert_eq!(rows_under(&path, [1, 2]), [0, 330]);
}

#[test]
fn a_user_is_erased_restored_and_given_other_keys_while_the_store_is_rotated() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = open(&path, &[1]).unwrap();
    with_users(&store, named("user", 200));
    drop(store);
    let token = thread::scope(|scope| {
        scope.spawn(|| rewrap(&open(&path, &[2, 1]).unwrap(), 5));
        let store = open(&path, &[2, 1]).unwrap();
        for _ in 0..20 {
            store.rotate_user("user 100").unwrap();
            store.erase_user("user 100").unwrap();
            assert_eq!(status(store.encrypt("user 100", b"")), Err(Status::UserDestroyed));
            store.restore_user("user 100").unwrap();
            store.encrypt("user 100", b"").unwrap();
        }
        store.rotate_user("user 100").unwrap();
        store.encrypt("user 100", b"user 100").unwrap()
    });
    rewrap(&open(&path, &[2, 1]).unwrap(), 1000);
    let store = open(&path, &[2]).unwrap();
    assert!(opens(&store, "user 100", &token));
    let found = store.check().unwrap();
    assert_eq!((found.good, found.damaged, found.unopened, found.versions, found.erased), (200, 0, 0, 1, 0));
}

#[test]
fn a_rotation_that_another_file_takes_the_place_of_begins_again() {
    let folder = Folder::new();
    let (path, backup) = (folder.path("keys.db"), folder.path("backup.db"));
    let first = open(&path, &[1]).unwrap();
    let tokens = with_users(&first, named("user", 30));
    first.backup(&backup).unwrap();
    let store = open(&path, &[2, 1]).unwrap();
    assert_eq!(store.rewrap(20).unwrap().done, 20);
    fs::rename(&backup, &path).unwrap();
    store.expire(false);
    rewrap(&store, 20);
    assert_eq!(rows_under(&path, [1, 2]), [0, 30]);
    assert!(all_open(&open(&path, &[2]).unwrap(), &tokens));
}

#[test]
fn a_rotation_under_way_misses_no_row_that_gets_another_place() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let tokens = with_users(&open(&path, &[1]).unwrap(), named("user", 30));
    execute(&path, "DELETE FROM encryption_keys WHERE rowid <= 10");
    let store = open(&path, &[2, 1]).unwrap();
    assert_eq!(store.rewrap(5).unwrap().done, 5);
    execute(&path, "VACUUM");
    rewrap(&store, 5);
    assert_eq!(rows_under(&path, [1, 2]), [0, 20]);
    let left: BTreeMap<_, _> = tokens.into_iter().filter(|(user, _)| users(&path).contains(user)).collect();
    assert!(left.len() == 20 && all_open(&open(&path, &[2]).unwrap(), &left));
}

#[test]
fn a_read_only_store_a_limit_of_nothing_and_a_newer_store_are_refused() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    with_users(&open(&path, &[1]).unwrap(), named("user", 3));
    let reader = Store::open(&path, ring(&[2, 1]), &Options::new().read_only(true)).unwrap();
    assert_eq!(status(reader.rewrap(1)), Err(Status::ReadOnly));
    assert_eq!(status(reader.erase_user("user 1")), Err(Status::ReadOnly));
    assert_eq!(status(reader.rotate_user("user 1")), Err(Status::ReadOnly));
    let store = open(&path, &[2, 1]).unwrap();
    assert_eq!(status(store.rewrap(0)), Err(Status::Argument));
    execute(&path, "UPDATE keycask_meta SET value = 2 WHERE name = 'must_write'");
    for refused in [
        status(store.rewrap(1)),
        status(store.erase_user("user 1")),
        status(store.restore_user("user 1")),
        status(store.rotate_user("user 1")),
        status(store.forget_versions("user 1")),
    ] {
        assert_eq!(refused, Err(Status::Unsupported));
    }
    assert_eq!(rows_under(&path, [1, 2]), [3, 0]);
}

#[test]
fn after_a_rotation_the_old_master_key_opens_no_place_of_a_file_that_was_written_without_secure_delete() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    common::make_module_store(&path);
    let host = sql(&path);
    host.execute_batch("PRAGMA secure_delete = OFF").unwrap();
    for number in 0..300 {
        let key = common::wrapped(&raw_key(1), &[number as u8; 32]);
        host.execute("INSERT INTO encryption_keys VALUES (?, ?, '')", (format!("user {number}"), key)).unwrap();
    }
    host.execute_batch("DELETE FROM encryption_keys WHERE rowid % 3 = 0").unwrap();
    let opened = |number: u8| {
        let bytes = fs::read(&path).unwrap();
        bytes.windows(60).filter(|place| common::unwrapped(&raw_key(number), place).is_ok()).count()
    };
    assert!(opened(1) > 200, "copies of moved and removed rows are left in the file");
    assert_eq!(rewrap(&open(&path, &[2, 1]).unwrap(), 1000), (200, 0));
    assert_eq!((opened(1), opened(2)), (0, 200 + 1), "users' keys, and the pool's");
}

// --- the pool -----------------------------------------------------------------------------------------------------------

#[test]
fn values_of_the_pool_stay_readable_through_rotations_and_are_told_stale() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let first = open(&path, &[1]).unwrap();
    with_users(&first, named("user", 2));
    let oldest = first.pool_key().encrypt(b"of the first").unwrap();
    let both = open(&path, &[2, 1]).unwrap();
    assert_eq!(both.pool_key().decrypt(oldest.as_bytes()).unwrap().expose(), b"of the first");
    let newer = both.pool_key().encrypt(b"of the second").unwrap();
    assert_eq!(open(&path, &[1, 2]).unwrap().pool_key().decrypt(newer.as_bytes()).unwrap().expose(), b"of the second");
    rewrap(&both, 100);
    rewrap(&open(&path, &[3, 2]).unwrap(), 100);
    let last = open(&path, &[3]).unwrap();
    let pool = last.pool_key();
    assert_eq!(status(pool.decrypt_with(oldest.as_bytes(), CACHED_ONLY)), Err(Status::WouldBlock));
    assert_eq!(pool.decrypt(oldest.as_bytes()).unwrap().expose(), b"of the first");
    assert_eq!(pool.decrypt(newer.as_bytes()).unwrap().expose(), b"of the second");
    assert_eq!(pool.decrypt_with(oldest.as_bytes(), CACHED_ONLY).unwrap().expose(), b"of the first");
    let foreign = open(":memory:", &[9]).unwrap().pool_key().encrypt(b"").unwrap();
    assert_eq!(status(pool.decrypt(foreign.as_bytes())), Err(Status::Authentication));
}

// --- erasure ------------------------------------------------------------------------------------------------------------

#[test]
fn an_erased_user_is_destroyed_for_every_call_until_restored_and_old_tokens_stay_dead() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let (store, other) = (open(&path, &[1]).unwrap(), open(&path, &[1]).unwrap());
    let tokens = with_users(&store, named("user", 3));
    let key = store.user_key("user 1").unwrap();
    assert!(opens(&other, "user 1", &tokens["user 1"]));
    store.erase_user("user 1").unwrap();
    store.erase_user("user 1").unwrap();
    let destroyed = Err(Status::UserDestroyed);
    for each in [&store, &open(&path, &[1]).unwrap()] {
        assert_eq!(status(each.decrypt("user 1", tokens["user 1"].as_bytes())), destroyed);
        assert_eq!(status(each.encrypt("user 1", b"")), destroyed);
        assert_eq!(status(each.user_key("user 1")), destroyed);
        assert_eq!(status(each.rotate_user("user 1")), destroyed);
    }
    assert_eq!(status(key.encrypt(b"")), destroyed);
    other.expire(false);
    assert_eq!(
        status(other.decrypt("user 1", tokens["user 1"].as_bytes())),
        destroyed,
        "in another process, a second later"
    );
    // Another program knows nothing of the mark.
    common::add_module_row(&path, "user 1", &common::wrapped(&raw_key(1), &[7; 32]));
    store.expire(false);
    assert_eq!(status(store.encrypt("user 1", b"")), destroyed);

    store.restore_user("user 1").unwrap();
    assert_eq!(users(&path), ["user 0", "user 2"], "the row made meanwhile is dropped");
    assert_eq!(status(store.decrypt("user 1", tokens["user 1"].as_bytes())), Err(Status::UnknownUser));
    let token = store.encrypt("user 1", b"user 1").unwrap();
    assert!(opens(&store, "user 1", &token));
    assert_eq!(status(store.decrypt("user 1", tokens["user 1"].as_bytes())), Err(Status::Authentication));
    store.restore_user("user 2").unwrap();
    assert!(opens(&store, "user 2", &tokens["user 2"]), "restoring somebody who was not erased changes nothing");
}

#[test]
fn a_user_without_a_key_can_be_erased_and_the_mark_names_nobody_and_survives_rotations() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = open(&path, &[1]).unwrap();
    store.erase_user("nobody yet").unwrap();
    with_users(&store, named("user", 2));
    assert_eq!(status(store.encrypt("nobody yet", b"")), Err(Status::UserDestroyed));
    assert!(!contains(&fs::read(&path).unwrap(), b"nobody yet"));
    rewrap(&open(&path, &[2, 1]).unwrap(), 100);
    let rotated = open(&path, &[2]).unwrap();
    assert_eq!(status(rotated.encrypt("nobody yet", b"")), Err(Status::UserDestroyed));
    assert_eq!(rotated.check().unwrap().erased, 1);
}

fn contains(bytes: &[u8], piece: &[u8]) -> bool {
    bytes.windows(piece.len()).any(|window| window == piece)
}

#[test]
fn an_erased_key_is_found_nowhere_in_the_files_of_a_store_that_was_written_without_secure_delete() {
    for wal in [false, true] {
        let folder = Folder::new();
        let path = folder.path("keys.db");
        common::make_module_store(&path);
        let host = sql(&path);
        host.execute_batch("PRAGMA secure_delete = OFF").unwrap();
        if wal {
            host.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(())).unwrap();
        }
        let wrapped: Vec<Vec<u8>> = (0..100).map(|number| common::wrapped(&raw_key(1), &[number; 32])).collect();
        for (number, key) in wrapped.iter().enumerate() {
            host.execute("INSERT INTO encryption_keys VALUES (?, ?, '')", (format!("user {number}"), key)).unwrap();
        }
        let store = open(&path, &[1]).unwrap();
        let mut found_before = 0;
        for (number, key) in wrapped.iter().enumerate().take(40) {
            found_before += usize::from(contains(&fs::read(&path).unwrap(), key));
            store.erase_user(&format!("user {number}")).unwrap();
            for file in [path.clone(), path.clone() + "-wal"] {
                let bytes = fs::read(&file).unwrap_or_default();
                assert!(!key.chunks(20).any(|piece| contains(&bytes, piece)), "user {number} is still in {file}");
            }
        }
        assert!(wal || found_before == 40);
        assert_eq!(users(&path).len(), 60);
        assert_eq!(store.check().unwrap().good, 60);
    }
}

/// A store of the module's with these keys, a copy of each in a free place of its file, and a sound user beside.
fn store_with_copies(path: &str, keys: &[Vec<u8>]) {
    common::make_module_store(path);
    let host = sql(path);
    host.execute_batch("PRAGMA secure_delete = OFF").unwrap();
    let sound = common::wrapped(&raw_key(1), &[99; 32]);
    let add = |user: String, key: &Vec<u8>| {
        host.execute("INSERT INTO encryption_keys VALUES (?, ?, '')", (user, key)).unwrap();
    };
    for prefix in ["user", "copy"] {
        keys.iter().enumerate().for_each(|(number, key)| add(format!("{prefix} {number}"), key));
        add(format!("{prefix}, sound"), &sound);
    }
    host.execute_batch("DELETE FROM encryption_keys WHERE user_id LIKE 'copy%'").unwrap();
}

/// How often a piece of the wrapped key is found in the file.
fn copies(path: &str, wrapped: &[u8]) -> usize {
    let piece = &wrapped[..20];
    fs::read(path).unwrap().windows(20).filter(|window| *window == piece).count()
}

#[test]
fn an_erased_key_of_a_damaged_length_is_found_nowhere_in_the_file() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let keys: Vec<Vec<u8>> = (0..3).map(|number| common::wrapped(&raw_key(1), &[number; 16])).collect();
    store_with_copies(&path, &keys);
    assert_eq!(copies(&path, &keys[1]), 2);
    open(&path, &[1]).unwrap().erase_user("user 1").unwrap();
    assert_eq!((copies(&path, &keys[0]), copies(&path, &keys[1])), (1, 0));
}

#[test]
fn a_key_erased_amid_a_rotation_is_found_under_neither_master_key() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let keys: Vec<Vec<u8>> = (0..5).map(|number| common::wrapped(&raw_key(1), &[number; 32])).collect();
    store_with_copies(&path, &keys);
    let store = open(&path, &[2, 1]).unwrap();
    assert_eq!(store.rewrap(3).unwrap().done, 3);
    let moved: Vec<u8> = value(&path, "SELECT encrypted_key FROM encryption_keys WHERE user_id = 'user 1'");
    assert_eq!((copies(&path, &keys[1]), copies(&path, &moved)), (1, 1));
    store.erase_user("user 1").unwrap();
    assert_eq!((copies(&path, &keys[1]), copies(&path, &moved)), (0, 0));
}

#[test]
fn a_rotation_ended_by_another_process_than_moved_the_keys_leaves_no_copy_under_the_old_master_key() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let keys: Vec<Vec<u8>> = (0..5).map(|number| common::wrapped(&raw_key(1), &[number; 32])).collect();
    store_with_copies(&path, &keys);
    assert_eq!(open(&path, &[2, 1]).unwrap().rewrap(6).unwrap().done, 6);
    assert_eq!(copies(&path, &keys[1]), 1);
    rewrap(&open(&path, &[2, 1]).unwrap(), 1000);
    assert_eq!(copies(&path, &keys[1]), 0);
}

#[test]
fn an_erasure_that_a_reader_keeps_from_cleaning_is_busy_and_ends_when_called_again() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = Store::open(&path, ring(&[1]), &Options::new().busy_timeout(Duration::from_millis(50))).unwrap();
    let tokens = with_users(&store, named("user", 3));
    let host = sql(&path);
    host.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(())).unwrap();
    let key: Vec<u8> = value(&path, "SELECT encrypted_key FROM encryption_keys WHERE user_id = 'user 1'");
    host.execute_batch("BEGIN; SELECT count(*) FROM encryption_keys;").unwrap();
    assert_eq!(status(store.erase_user("user 1")), Err(Status::Busy));
    assert_eq!(status(store.decrypt("user 1", tokens["user 1"].as_bytes())), Err(Status::UserDestroyed));
    host.execute_batch("COMMIT").unwrap();
    store.erase_user("user 1").unwrap();
    let bytes = [fs::read(&path).unwrap(), fs::read(path.clone() + "-wal").unwrap_or_default()].concat();
    assert!(!contains(&bytes, &key));
}

#[test]
fn an_erasure_that_ends_leaves_what_another_that_was_killed_has_still_to_clean() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let keys: Vec<Vec<u8>> = (0..5).map(|number| common::wrapped(&raw_key(1), &[number; 32])).collect();
    store_with_copies(&path, &keys);
    let store = Store::open(&path, ring(&[1]), &Options::new().busy_timeout(Duration::from_secs(60))).unwrap();
    let reader = sql(&path);
    reader.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(())).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM encryption_keys;").unwrap();
    thread::scope(|scope| {
        let ending = scope.spawn(|| store.erase_user("user, sound"));
        while users(&path).contains(&"user, sound".to_string()) {
            thread::yield_now();
        }
        // What a process writes that is killed before it cleans.
        execute(
            &path,
            "PRAGMA secure_delete = OFF; BEGIN IMMEDIATE; DELETE FROM encryption_keys WHERE user_id = 'user 1';
             INSERT INTO keycask_meta(name, value) VALUES ('purge_due', 1)
             ON CONFLICT(name) DO UPDATE SET value = value + 1; COMMIT;",
        );
        reader.execute_batch("COMMIT").unwrap();
        ending.join().unwrap().unwrap();
    });
    let due = "SELECT count(*) FROM keycask_meta WHERE name = 'purge_due'";
    assert_eq!(value::<i64>(&path, due), 1);
    store.erase_user("user 1").unwrap();
    assert_eq!((copies(&path, &keys[1]), value::<i64>(&path, due)), (0, 0));
}

#[test]
fn a_fill_of_the_cache_that_races_an_erasure_brings_no_key_back() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = open(&path, &[1]).unwrap();
    for round in 0..20 {
        let user = format!("user {round}");
        let token = store.encrypt(&user, user.as_bytes()).unwrap();
        let reader = open(&path, &[1]).unwrap();
        let until_destroyed = |store: &Store| loop {
            match status(store.decrypt(&user, token.as_bytes())) {
                Err(Status::UserDestroyed) => break,
                other => assert!(matches!(other, Ok(()) | Err(Status::Busy)), "{other:?}"),
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| until_destroyed(&store));
            scope.spawn(|| until_destroyed(&reader));
            store.erase_user(&user).unwrap();
            let at_once = status(store.decrypt(&user, token.as_bytes()));
            assert_eq!(at_once, Err(Status::UserDestroyed), "in the process that erases");
        });
        assert_eq!(status(reader.decrypt(&user, token.as_bytes())), Err(Status::UserDestroyed), "for ever");
    }
}

// --- a user's own key ---------------------------------------------------------------------------------------------------

#[test]
fn a_rotated_user_reads_old_tokens_as_stale_until_they_are_forgotten() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let (store, other) = (open(&path, &[1]).unwrap(), open(&path, &[1]).unwrap());
    let first = store.encrypt("alice", b"alice").unwrap();
    let key = store.user_key("alice").unwrap();
    assert!(opens(&other, "alice", &first));
    store.rotate_user("alice").unwrap();
    let second = store.encrypt("alice", b"alice").unwrap();
    store.rotate_user("alice").unwrap();
    let third = key.encrypt(b"alice").unwrap();
    for (token, stale) in [(&first, true), (&second, true), (&third, false)] {
        let (plaintext, told) = store.decrypt_told("alice", token.as_bytes(), Call::default()).unwrap();
        assert_eq!((plaintext.expose(), told), (&b"alice"[..], stale));
        assert!(opens(&other, "alice", token), "in another process");
        assert_eq!(key.decrypt(token.as_bytes()).unwrap().expose(), b"alice");
    }
    let anew = other.reencrypt("alice", first.as_bytes()).unwrap();
    assert!(!store.decrypt_told("alice", anew.as_bytes(), Call::default()).unwrap().1);
    assert_eq!(store.check().unwrap().versions, 2);

    store.forget_versions("alice").unwrap();
    assert_eq!(status(store.decrypt("alice", first.as_bytes())), Err(Status::Authentication));
    assert!(opens(&store, "alice", &third) && opens(&store, "alice", &anew));
    store.forget_versions("alice").unwrap();
    assert_eq!(status(store.rotate_user("nobody")), Err(Status::UnknownUser));
    assert_eq!(users(&path), ["alice"]);
}

#[test]
fn a_token_is_made_anew_under_the_key_that_another_process_has_just_given_the_user() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let (store, other) = (open(&path, &[1]).unwrap(), open(&path, &[1]).unwrap());
    let first = store.encrypt("alice", b"alice").unwrap();
    assert!(opens(&other, "alice", &first));
    store.rotate_user("alice").unwrap();
    // No second has passed since.
    let anew = other.reencrypt("alice", first.as_bytes()).unwrap();
    assert!(!store.decrypt_told("alice", anew.as_bytes(), Call::default()).unwrap().1);
}

#[test]
fn earlier_keys_survive_a_rotation_of_the_master_key_and_go_with_an_erasure() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = open(&path, &[1]).unwrap();
    let first = store.encrypt("alice", b"alice").unwrap();
    store.rotate_user("alice").unwrap();
    let kept: Vec<u8> = value(&path, "SELECT wrapped FROM keycask_version");
    rewrap(&open(&path, &[2, 1]).unwrap(), 1);
    let rotated = open(&path, &[2]).unwrap();
    assert!(opens(&rotated, "alice", &first));
    let moved: Vec<u8> = value(&path, "SELECT wrapped FROM keycask_version");
    rotated.erase_user("alice").unwrap();
    let bytes = fs::read(&path).unwrap();
    assert!(!contains(&bytes, &kept) && !contains(&bytes, &moved));
    assert_eq!(value::<i64>(&path, "SELECT count(*) FROM keycask_version"), 0);
}

// --- looking through ----------------------------------------------------------------------------------------------------

#[test]
fn a_check_counts_what_is_good_damaged_and_under_which_master_key() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    with_users(&open(&path, &[1]).unwrap(), named("old", 3));
    let store = open(&path, &[2, 1]).unwrap();
    with_users(&store, named("new", 2));
    store.rotate_user("new 0").unwrap();
    store.erase_user("new 1").unwrap();
    execute(&path, "UPDATE encryption_keys SET encrypted_key = zeroblob(60) WHERE user_id = 'old 1'");
    let found = store.check().unwrap();
    assert_eq!((found.users, found.good, found.damaged, found.unopened), (4, 3, 1, 0));
    assert_eq!((found.versions, found.erased, found.lacking, found.damaged_others), (1, 1, 0, 0));
    assert_eq!(found.findings, [""; 0]);
    // The new user's current and earlier key, and the marking key; two of the old ones.
    assert_eq!(found.master_keys.iter().map(|of| (of.keys, of.state)).collect::<Vec<_>>(), [(3, ACTIVE), (2, ACTIVE)]);
    let partly = open(&path, &[2]).unwrap().check().unwrap();
    assert_eq!((partly.good, partly.damaged, partly.unopened, partly.lacking), (1, 0, 3, 1));
}

#[test]
fn a_walk_names_every_user_once_and_the_damaged_ones() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = open(&path, &[1]).unwrap();
    with_users(&store, named("user", 5));
    store.rotate_user("user 2").unwrap();
    let huge = "x".repeat(10_000);
    execute(&path, "UPDATE encryption_keys SET encrypted_key = x'00' WHERE user_id = 'user 3'");
    execute(
        &path,
        &format!("INSERT INTO encryption_keys VALUES (NULL, x'00', ''), ('', x'00', ''), ('{huge}', x'00', '')"),
    );
    let mut walk = UserWalk::default();
    let mut found = Vec::new();
    while let Some(user) = store.next_user(&mut walk).unwrap() {
        found.push(user);
    }
    let names: Vec<_> = found.iter().map(|user| user.name.as_deref().unwrap_or("?")).collect();
    assert_eq!(names, ["user 0", "user 1", "user 2", "user 3", "user 4", "?", "?", &huge]);
    assert_eq!(found[2].versions, 1);
    assert_eq!((found[0].trouble, found[0].master_key), (None, Some(0)));
    assert_eq!((found[3].trouble, found[3].master_key), (Some(Status::Corrupt), None));
    assert!(found[0].created_at.ends_with("+00:00"));
    assert_eq!(store.next_user(&mut walk).unwrap(), None, "the end stays the end");
    execute(&path, "VACUUM");
    assert_eq!(status(store.next_user(&mut walk)), Err(Status::Busy));
}

#[test]
fn an_open_store_counts_what_it_does() {
    let folder = Folder::new();
    let store = open(&folder.path("keys.db"), &[1]).unwrap();
    let before = store.stats();
    let token = store.encrypt("alice", b"").unwrap();
    for _ in 0..10 {
        store.decrypt("alice", token.as_bytes()).unwrap();
    }
    let after = store.stats();
    assert_eq!((after.cached_users, after.misses, after.commits), (1, 1, 1));
    assert_eq!((after.hits, after.store_reads), (10, before.store_reads + 1));
}

// --- backups ------------------------------------------------------------------------------------------------------------

#[test]
fn a_backup_is_a_store_of_its_own_made_while_others_work() {
    for wal in [false, true] {
        let folder = Folder::new();
        let (path, copy) = (folder.path("keys.db"), folder.path("copy of keys.db"));
        let store = open(&path, &[1]).unwrap();
        if wal {
            sql(&path).query_row("PRAGMA journal_mode = WAL", (), |_| Ok(())).unwrap();
        }
        let tokens = with_users(&store, named("user", 50));
        thread::scope(|scope| {
            scope.spawn(|| with_users(&open(&path, &[1]).unwrap(), named("meanwhile", 20)));
            store.backup(&copy).unwrap();
        });
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::metadata(&copy).unwrap().len() > 0);
        assert!(all_open(&Store::open(&copy, ring(&[1]), &Options::new().read_only(true)).unwrap(), &tokens));
        let beside: Vec<_> =
            folder.names().into_iter().filter(|name| name.starts_with('.') || name.contains("copy")).collect();
        assert_eq!(beside, ["copy of keys.db"]);
        assert_eq!(value::<String>(&copy, "PRAGMA journal_mode"), "delete");
    }
}

#[test]
fn a_backup_overwrites_nothing_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = open(&path, &[1]).unwrap();
    with_users(&store, named("user", 5));
    fs::write(folder.path("taken"), "precious").unwrap();
    fs::create_dir(folder.path("folder")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path("link")).unwrap();
    for (name, expected) in [
        ("taken", Status::Exists),
        ("keys.db", Status::Exists),
        ("folder", Status::Exists),
        ("link", Status::Exists),
        ("none/copy.db", Status::Io),
    ] {
        assert_eq!(status(store.backup(&folder.path(name))), Err(expected), "{name}");
    }
    assert_eq!(status(store.backup(":memory:")), Err(Status::Argument));
    assert_eq!(status(store.backup("redis://host/0")), Err(Status::Unsupported));
    assert_eq!(fs::read_to_string(folder.path("taken")).unwrap(), "precious");
    assert_eq!(folder.names(), ["folder", "keys.db", "link", "taken"]);
    open(":memory:", &[1]).unwrap().backup(&folder.path("of memory.db")).unwrap();
}

// --- the environment ----------------------------------------------------------------------------------------------------

#[test]
fn a_backup_is_made_in_a_folder_that_may_be_written_and_not_read() {
    const SELF: &str = "a_backup_is_made_in_a_folder_that_may_be_written_and_not_read";
    let Some(path) = common::part() else {
        let folder = Folder::new();
        let path = folder.path("a/keys.db");
        open(&path, &[1]).unwrap().encrypt("alice", b"alice").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        fs::set_permissions(folder.path("a"), fs::Permissions::from_mode(0o333)).unwrap();
        folder.open_to_all();
        return assert_passed("", &again(SELF, &path).output().unwrap());
    };
    common::become_an_ordinary_user();
    let backup = path.clone() + ".backup";
    open(&path, &[1]).unwrap().backup(&backup).unwrap();
    assert!(open(&backup, &[1]).unwrap().user_key("alice").is_ok());
}

#[test]
fn previous_master_keys_come_from_the_environment_too() {
    const SELF: &str = "previous_master_keys_come_from_the_environment_too";
    let text = |number: u8| {
        let text = keycask::MasterKey::from_bytes(&raw_key(number)).to_text();
        String::from_utf8(text.expose().to_vec()).unwrap()
    };
    if let Some(part) = common::part() {
        let keys = keycask::MasterKeys::from_environment();
        match part.as_str() {
            "refused" => assert_eq!(status(keys), Err(Status::MasterKeyInvalid)),
            path => assert!(all_open(
                &Store::open(path, keys.unwrap(), &Options::new()).unwrap(),
                &BTreeMap::from([("alice".into(), std::env::var("TOKEN").unwrap())])
            )),
        }
        return;
    }
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let token = open(&path, &[1]).unwrap().encrypt("alice", b"alice").unwrap();
    fs::write(folder.path("previous"), format!("{},\n{}\n", text(3), text(1))).unwrap();
    let run = |part: &str, variables: &[(&str, String)]| {
        let mut command = again(SELF, part);
        command.env("TOKEN", &token).env("API_KEY_MASTER_KEY", text(2)).envs(variables.iter().map(|(n, v)| (n, v)));
        assert_passed(&format!("{variables:?}"), &command.output().unwrap());
    };
    run(&path, &[("API_KEY_MASTER_KEY_PREVIOUS", format!(" {} , {},", text(3), text(1)))]);
    run(&path, &[("API_KEY_MASTER_KEY_PREVIOUS_FILE", folder.path("previous"))]);
    run("refused", &[("API_KEY_MASTER_KEY_PREVIOUS", format!("{},short", text(1)))]);
}
