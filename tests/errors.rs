//! `docs/errors.md` says what every bad input gives. Here each is given, through the C ABI.

#![cfg(feature = "capi")]

mod common;

use std::ffi::{CString, c_char, c_void};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::ptr::{null, null_mut, without_provenance_mut};

use common::c::{self, Failure, Outcome, outcome};
use common::{Folder, execute, raw_key};
use keycask::ffi::call::{KC_CACHED_ONLY, KC_EXISTING, KC_STRICT, kc_call};
use keycask::ffi::census::{kc_check, kc_next_user, kc_user_walk};
use keycask::ffi::error::kc_error;
use keycask::ffi::keys::kc_key_export;
use keycask::ffi::lengths::{KC_FROM_ENVIRONMENT, KC_NUL_TERMINATED};
use keycask::ffi::library::kc_handle_count;
use keycask::ffi::objects::{kc_key, kc_store};
use keycask::ffi::operations::{kc_backup, kc_erase_user, kc_rewrap, kc_rotate_user};
use keycask::ffi::options::{KC_NONE, KC_OPEN_MUST_EXIST, KC_OPEN_READ_ONLY, kc_options};
use keycask::ffi::secrets::{kc_decrypt, kc_encrypt, kc_encrypted_size};
use keycask::ffi::status::kc_status;
use keycask::ffi::store::kc_open;

/// What to do for one row of the table.
struct Case {
    /// The row's first column.
    input: &'static str,
    how: How,
}

enum How {
    Here(fn(&Folder) -> Failure),
    /// In a process of its own, with these variables; `{folder}` stands for the folder's path.
    Alone(&'static [(&'static str, &'static str)], fn(&Folder) -> Failure),
}

const fn here(input: &'static str, run: fn(&Folder) -> Failure) -> Case {
    Case { input, how: How::Here(run) }
}

const fn alone(
    input: &'static str,
    environment: &'static [(&'static str, &'static str)],
    run: fn(&Folder) -> Failure,
) -> Case {
    Case { input, how: How::Alone(environment, run) }
}

/// The table's groups and their rows.
const GROUPS: &[(&str, &[Case])] = &[
    ("User", USER),
    ("Plaintext", PLAINTEXT),
    ("Token", TOKEN),
    ("Master key", MASTER_KEY),
    ("Location", LOCATION),
    ("Store", STORE),
    ("Options and call", OPTIONS_AND_CALL),
    ("Buffers", BUFFERS),
    ("Handles", HANDLES),
    ("Stored rows", STORED_ROWS),
    ("Operations", OPERATIONS),
    ("The system", SYSTEM),
];

const OVER_PTRDIFF_MAX: usize = isize::MAX as usize + 1;

const USER: &[Case] = &[
    here("`NULL`, length `KC_NUL_TERMINATED`", |_| encrypt(|it| (it.user, it.user_len) = (null(), KC_NUL_TERMINATED))),
    here("`NULL`, length 5", |_| encrypt(|it| it.user = null())),
    here("empty", |_| encrypt(|it| it.user_len = 0)),
    here("`NULL`, length 0", |_| encrypt(|it| (it.user, it.user_len) = (null(), 0))),
    here("4,097 bytes", |_| failure(memory().encrypt("u".repeat(4097), b"", 0))),
    here("not UTF-8 (Latin-1)", |_| encrypt(|it| (it.user, it.user_len) = (c"andr\xe9".as_ptr(), 5))),
    here("unknown, to decrypt", |place| failure(store(place).decrypt("mallory", token().as_bytes(), 0))),
    here("unknown, to encrypt with `KC_EXISTING`", |place| failure(store(place).encrypt("mallory", b"", KC_EXISTING))),
    here("not cached, with `KC_CACHED_ONLY`", |place| failure(store(place).encrypt("alice", b"", KC_CACHED_ONLY))),
];

const PLAINTEXT: &[Case] = &[
    here("`NULL`, length 7", |_| encrypt(|it| it.plaintext = null())),
    here("length `KC_NUL_TERMINATED`", |_| encrypt(|it| it.plaintext_len = KC_NUL_TERMINATED)),
    here("length over `PTRDIFF_MAX`", |_| encrypt(|it| it.plaintext_len = OVER_PTRDIFF_MAX)),
    here("over 64 MiB", |_| failure(key(1).encrypt(&vec![0; (64 << 20) + 1], 0))),
];

const TOKEN: &[Case] = &[
    here("`NULL`, length `KC_NUL_TERMINATED`", |_| {
        decrypt(|it| (it.token, it.token_len) = (null(), KC_NUL_TERMINATED))
    }),
    here("`NULL`, length 5", |_| decrypt(|it| (it.token, it.token_len) = (null(), 5))),
    here("empty", |_| decrypt_text("")),
    here("plaintext from before tokens: `sk-plain-acme`", |_| decrypt_text("sk-plain-acme")),
    here("a character that is not base64: `v2:AAAA!AAA`", |_| decrypt_text("v2:AAAA!AAA")),
    here("white space before the prefix", |_| decrypt_text(&format!(" {}", token()))),
    here("cut: a character more than a multiple of 4", |_| decrypt_text(&format!("v2:{}", "A".repeat(45)))),
    here("cut: one `=` where two belong", |_| decrypt_text(&format!("v2:{}=", "A".repeat(38)))),
    here("text behind the padding", |_| decrypt_text(&format!("v2:{}==AAAA", "A".repeat(38)))),
    here("27 bytes in it", |_| decrypt_text(&format!("v2:{}", "A".repeat(36)))),
    here("`v3:`", |_| decrypt_text("v3:AAAA")),
    here("no prefix, with `KC_STRICT`", |_| failure(key(1).decrypt(&token().as_bytes()[3..], KC_STRICT))),
    here("a line feed behind it, with `KC_STRICT`", |_| {
        failure(key(1).decrypt((token() + "\n").as_bytes(), KC_STRICT))
    }),
    here("over 64 MiB in it", |_| failure(key(1).decrypt(&vec![b'A'; (64 << 20) / 3 * 4 + 44], 0))),
    here("altered", |_| {
        let mut token = token().into_bytes();
        token[20] = if token[20] == b'A' { b'B' } else { b'A' };
        failure(key(1).decrypt(&token, 0))
    }),
    here("of another user", |place| {
        let store = store(place);
        let token = store.encrypt("bob", b"sk-acme", 0).unwrap();
        failure(store.decrypt("alice", token.as_bytes(), 0))
    }),
];

const MASTER_KEY: &[Case] = &[
    here("none: length 0", |_| open(|it| (it.master_keys, it.master_keys_len) = (null(), 0))),
    alone("none: neither variable is set", &[], |_| from_environment()),
    alone("none: both variables are blank", &[(KEY, " \n"), (KEY_FILE, "\t")], |_| from_environment()),
    alone("`API_KEY_MASTER_KEY`: not base64", &[(KEY, "not a key at all!")], |_| from_environment()),
    alone("`API_KEY_MASTER_KEY`: 31 bytes", &[(KEY, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")], |_| {
        from_environment()
    }),
    alone("`API_KEY_MASTER_KEY`: not ASCII", &[(KEY, "“AAAA”")], |_| from_environment()),
    alone("`API_KEY_MASTER_KEY_PREVIOUS`: the second of two is no key", &[(KEY, GOOD), (PREVIOUS, TWO)], |_| {
        from_environment()
    }),
    alone("`API_KEY_MASTER_KEY_FILE`: missing", &[(KEY_FILE, "{folder}/none")], |_| from_environment()),
    alone(
        "`API_KEY_MASTER_KEY_FILE`: the key itself",
        &[(KEY_FILE, "Rhc0fmYm3gxtNc7_0tHKjUz25oi25n_Fwld13YWvUXE=")],
        |_| from_environment(),
    ),
    alone("`API_KEY_MASTER_KEY_FILE`: a directory", &[(KEY_FILE, "{folder}")], |_| from_environment()),
    alone("`API_KEY_MASTER_KEY_FILE`: unreadable", &[(KEY_FILE, "{folder}/key")], |place| {
        fs::write(place.path("key"), "").unwrap();
        fs::set_permissions(place.path("key"), fs::Permissions::from_mode(0o000)).unwrap();
        common::become_an_ordinary_user();
        from_environment()
    }),
    alone("`API_KEY_MASTER_KEY_FILE`: blank", &[(KEY_FILE, "{folder}/key")], |place| {
        fs::write(place.path("key"), "\n").unwrap();
        from_environment()
    }),
    alone("`API_KEY_MASTER_KEY_FILE`: over 64 KiB", &[(KEY_FILE, "/dev/zero")], |_| from_environment()),
    here("`NULL`, length 32", |_| open(|it| it.master_keys = null())),
    here("not `NULL`, with `KC_FROM_ENVIRONMENT`", |_| open(|it| it.master_keys_len = KC_FROM_ENVIRONMENT)),
    here("44 bytes: its text, not decoded", |_| failure(c::Store::open(":memory:", &[b'A'; 44], &c::options(0)))),
    here("17 keys", |_| failure(c::Store::open(":memory:", &[1; 17 * 32], &c::options(0)))),
    here("not the store's: another one is registered", |place| failure(open_file(&made(place), 3))),
    here("not the store's: none is registered, and it opens no row", |place| {
        failure(open_file(&place.copy_of_vector("reference.db"), 2))
    }),
    here("not the store's, filled meanwhile by another, to create", |place| {
        let path = place.path("keys.db");
        let store = open_file(&path, 2).unwrap();
        open_file(&path, 1).unwrap().encrypt("alice", b"", 0).unwrap();
        failure(store.encrypt("bob", b"", 0))
    }),
    here("the first one is being retired, to create", |place| {
        execute(&made(place), "UPDATE keycask_master SET state = 'retiring' WHERE rowid = 1");
        failure(with_two(place).encrypt("bob", b"", 0))
    }),
    here("the first one is retired, to create", |place| {
        execute(&made(place), "UPDATE keycask_master SET state = 'retired' WHERE rowid = 1");
        failure(with_two(place).encrypt("bob", b"", 0))
    }),
    here("one in use is not given, and the row is under it", |place| {
        failure(open_file(&made(place), 1).unwrap().user_key("under 2", 0))
    }),
    here("`kc_master_key_decode`: blank", |_| failure(c::master_key_decode(b" \n"))),
    here("`kc_key_import`: 16 bytes", |_| failure(c::Key::import(&[1; 16]))),
];

const LOCATION: &[Case] = &[
    here("`NULL`", |_| open(|it| it.location = null())),
    here("empty", |_| open(|it| it.location = c"".as_ptr())),
    here("a NUL in it", |_| failure(open_file("keys.db\0", 1))),
    here("not UTF-8 (Latin-1)", |_| open(|it| it.location = c"cl\xe9s.db".as_ptr())),
    here("4,097 bytes", |_| failure(open_file(&"x".repeat(4097), 1))),
    here("a path of 505 bytes", |place| {
        let start = place.path(&format!("{}/", "x".repeat(200)));
        failure(open_file(&format!("{start}{}", "y".repeat(505 - start.len())), 1))
    }),
    here("an unknown scheme", |_| failure(open_file("postgres://keeper:password@host/keys", 1))),
    here("`file:`", |_| failure(open_file("file:keys.db?mode=memory", 1))),
    here("a directory", |place| failure(open_file(&place.path(""), 1))),
    here("below a file", |place| {
        fs::write(place.path("file"), "").unwrap();
        failure(open_file(&place.path("file/keys.db"), 1))
    }),
    here("a loop of links", |place| {
        symlink("loop", place.path("loop")).unwrap();
        failure(open_file(&place.path("loop"), 1))
    }),
    here("a FIFO", |place| {
        let path = CString::new(place.path("fifo")).unwrap();
        // SAFETY: the path ends in a NUL.
        assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
        failure(open_file(&place.path("fifo"), 1))
    }),
    here("a device", |_| failure(open_file("/dev/null", 1))),
    here("missing, with `KC_OPEN_MUST_EXIST`", |place| with_flags(&place.path("keys.db"), KC_OPEN_MUST_EXIST)),
    here("empty, with `KC_OPEN_MUST_EXIST`", |place| {
        fs::write(place.path("keys.db"), "").unwrap();
        with_flags(&place.path("keys.db"), KC_OPEN_MUST_EXIST)
    }),
    here("missing, with `KC_OPEN_READ_ONLY`", |place| with_flags(&place.path("keys.db"), KC_OPEN_READ_ONLY)),
    here("`:memory:`, with `KC_OPEN_MUST_EXIST`", |_| with_flags(":memory:", KC_OPEN_MUST_EXIST)),
    here("`:memory:`, with `KC_OPEN_READ_ONLY`", |_| with_flags(":memory:", KC_OPEN_READ_ONLY)),
    here("a file whose absolute path has 505 bytes", |place| {
        let folder = place.path(&"folder/".repeat(60));
        failure(open_file(&format!("{folder}{}", "x".repeat(505 - folder.len())), 1))
    }),
    alone("missing, in a folder that may not be written", &[], |place| {
        fs::create_dir(place.path("folder")).unwrap();
        fs::set_permissions(place.path("folder"), fs::Permissions::from_mode(0o555)).unwrap();
        common::become_an_ordinary_user();
        failure(open_file(&place.path("folder/keys.db"), 1))
    }),
    alone("missing, with a folder that may not be made", &[], |place| {
        fs::create_dir(place.path("folder")).unwrap();
        fs::set_permissions(place.path("folder"), fs::Permissions::from_mode(0o555)).unwrap();
        common::become_an_ordinary_user();
        failure(open_file(&place.path("folder/new/keys.db"), 1))
    }),
    alone("a file that may not be read", &[], |place| {
        fs::set_permissions(made(place), fs::Permissions::from_mode(0o000)).unwrap();
        common::become_an_ordinary_user();
        failure(open_file(&place.path("keys.db"), 1))
    }),
    alone("a file that may not be written", &[], |place| {
        fs::set_permissions(made(place), fs::Permissions::from_mode(0o444)).unwrap();
        common::become_an_ordinary_user();
        failure(open_file(&place.path("keys.db"), 1))
    }),
    here("no SQLite file", |place| {
        fs::write(place.path("text"), "text\n".repeat(1000)).unwrap();
        failure(open_file(&place.path("text"), 1))
    }),
    here("an SQLite database of something else", |place| {
        execute(&place.path("shop.db"), "CREATE TABLE invoices(id INTEGER PRIMARY KEY)");
        failure(open_file(&place.path("shop.db"), 1))
    }),
    here("an SQLite database with another `encryption_keys`", |place| {
        execute(&place.path("other.db"), "CREATE TABLE encryption_keys(id INTEGER PRIMARY KEY)");
        failure(open_file(&place.path("other.db"), 1))
    }),
];

const STORE: &[Case] = &[
    here("opened read-only, and the user has no key, to encrypt", |place| {
        let store = c::Store::open(&made(place), &raw_key(1), &c::options(KC_OPEN_READ_ONLY)).unwrap();
        failure(store.encrypt("bob", b"", 0))
    }),
    here("opened read-only, and the file is empty", |place| {
        fs::write(place.path("keys.db"), "").unwrap();
        with_flags(&place.path("keys.db"), KC_OPEN_READ_ONLY)
    }),
    here("opened read-only, and a crashed program left a journal", |place| {
        with_flags(&common::crashed_store(place).0, KC_OPEN_READ_ONLY)
    }),
    alone("in WAL mode, opened read-only where `-shm` cannot be made", &[], |place| {
        let path = place.path("folder/keys.db");
        open_file(&path, 1).unwrap().encrypt("alice", b"", 0).unwrap();
        assert_eq!(common::value::<String>(&path, "PRAGMA journal_mode = WAL"), "wal");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        fs::set_permissions(place.path("folder"), fs::Permissions::from_mode(0o555)).unwrap();
        common::become_an_ordinary_user();
        with_flags(&path, KC_OPEN_READ_ONLY)
    }),
    alone("in a folder that may not be written, to create", &[], |place| {
        let path = place.path("folder/keys.db");
        open_file(&path, 1).unwrap().encrypt("alice", b"", 0).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        fs::set_permissions(place.path("folder"), fs::Permissions::from_mode(0o555)).unwrap();
        common::become_an_ordinary_user();
        failure(open_file(&path, 1).unwrap().encrypt("bob", b"", 0))
    }),
    here("locked by another program, to open", |place| {
        let other = common::sql(&made(place));
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        failure(c::Store::open(&place.path("keys.db"), &raw_key(1), &impatient()))
    }),
    here("locked by another program, to read", |place| {
        let store = c::Store::open(&made(place), &raw_key(1), &impatient()).unwrap();
        let other = common::sql(&place.path("keys.db"));
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        failure(store.decrypt("alice", token().as_bytes(), 0))
    }),
    here("locked by another program, to create", |place| {
        let store = c::Store::open(&made(place), &raw_key(1), &impatient()).unwrap();
        let other = common::sql(&place.path("keys.db"));
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        failure(store.encrypt("bob", b"", 0))
    }),
    here("moved away while open, to create", |place| {
        let store = store(place);
        fs::rename(place.path("keys.db"), place.path("elsewhere.db")).unwrap();
        failure(store.encrypt("bob", b"", 0))
    }),
    here("its tables dropped while open", |place| {
        let store = store(place);
        execute(&place.path("keys.db"), "DROP TABLE encryption_keys");
        failure(store.encrypt("bob", b"", 0))
    }),
    here("its file overwritten while open", |place| {
        let store = store(place);
        let mut bytes = fs::read(place.path("keys.db")).unwrap();
        bytes[24..].fill(0xff);
        fs::write(place.path("keys.db"), bytes).unwrap();
        failure(store.encrypt("bob", b"", 0))
    }),
    here("a bit in `must_read` that this release does not know", |place| {
        execute(&made(place), "UPDATE keycask_meta SET value = 5 WHERE name = 'must_read'");
        failure(open_file(&place.path("keys.db"), 1))
    }),
    here("a bit in `must_write` that this release does not know, to create", |place| {
        execute(&made(place), "UPDATE keycask_meta SET value = 5 WHERE name = 'must_write'");
        failure(store_at(place).encrypt("bob", b"", 0))
    }),
    here("`keycask_meta` without `must_read`", |place| {
        execute(&made(place), "DELETE FROM keycask_meta WHERE name = 'must_read'");
        failure(open_file(&place.path("keys.db"), 1))
    }),
    here("`keycask_master` with an unknown state", |place| {
        execute(&made(place), "UPDATE keycask_master SET state = 'new'");
        failure(open_file(&place.path("keys.db"), 1))
    }),
    here("`keycask_master` with a short id", |place| {
        execute(&made(place), "UPDATE keycask_master SET id = x'00' WHERE rowid = 1");
        failure(open_file(&place.path("keys.db"), 1))
    }),
    alone("the file may grow no further", &[], |place| {
        let store = store(place);
        // SAFETY: both calls read what they are given, and change this process alone.
        unsafe {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            let limit = libc::rlimit { rlim_cur: 1024, rlim_max: 1024 };
            assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
        }
        failure(store.encrypt("bob", b"", 0))
    }),
];

const OPTIONS_AND_CALL: &[Case] = &[
    here("options of size 0", |_| with_options(&[0])),
    here("options of over 4,096 bytes", |_| with_options(&[4097])),
    here("options with a surplus that is not zero", |_| with_options(&[20, 0, 0, 0, 1])),
    here("options with an unknown flag", |_| with_options(&[16, 16, 0, 0])),
    here("call of size 8", |_| with_call(&[8, 0, 0, 0, 0, 0])),
    here("call of over 4,096 bytes", |_| with_call(&[5000, 0, 0, 0, 0, 0])),
    here("call with a surplus that is not zero", |_| with_call(&[28, 0, 0, 0, 0, 0, 7])),
    here("call with an unknown flag", |_| with_call(&[24, 0x30, 0, 0, 0, 0])),
    here("call with associated data", |_| {
        let call = kc_call { associated_data: c"row 7".as_ptr().cast(), associated_data_len: 5, ..c::call(0) };
        encrypt(|it| it.call = &raw const call)
    }),
    here("call with associated data `NULL`, length 5", |_| {
        let call = kc_call { associated_data_len: 5, ..c::call(0) };
        encrypt(|it| it.call = &raw const call)
    }),
];

const BUFFERS: &[Case] = &[
    here("token of 10 bytes", |_| encrypt(|it| it.token_capacity = 10)),
    here("token `NULL`, capacity 0: asks for the size", |_| {
        encrypt(|it| (it.token, it.token_capacity) = (null_mut(), 0))
    }),
    here("token `NULL`, capacity 100", |_| encrypt(|it| (it.token, it.token_capacity) = (null_mut(), 100))),
    here("token's capacity over `PTRDIFF_MAX`", |_| encrypt(|it| it.token_capacity = OVER_PTRDIFF_MAX)),
    here("plaintext of 1 byte", |_| decrypt(|it| it.plaintext_capacity = 1)),
    here("plaintext `NULL`, capacity 100", |_| decrypt(|it| (it.plaintext, it.plaintext_capacity) = (null_mut(), 100))),
    here("raw key of 31 bytes", |_| {
        let (key, mut raw) = (key(1), [0_u8; 31]);
        failure(outcome(|error| unsafe { kc_key_export(key.0, raw.as_mut_ptr().cast(), 31, null_mut(), error) }))
    }),
    here("token over the plaintext", |_| {
        let mut memory = [0_u8; 300];
        let start = memory.as_mut_ptr();
        encrypt(|it| (it.token, it.plaintext) = (start.cast(), start.wrapping_add(60).cast()))
    }),
    here("the token's length within the token", |_| encrypt(|it| it.token_len = it.token.cast())),
    here("store `NULL`, in `kc_open`", |_| open(|it| it.store = null_mut())),
    here("store over the master keys, in `kc_open`", |_| open(|it| it.store = it.master_keys.cast_mut().cast())),
];

const HANDLES: &[Case] = &[
    here("`NULL`", |_| encrypt(|it| it.store = null_mut())),
    here("freed", |_| {
        let freed = memory().0;
        encrypt(|it| it.store = freed)
    }),
    here("foreign: an address", |_| {
        let mut memory = 0_u64;
        encrypt(|it| it.store = (&raw mut memory).cast())
    }),
    here("foreign: -1", |_| encrypt(|it| it.store = without_provenance_mut(usize::MAX))),
    here("a `kc_key` where a `kc_store` belongs", |_| {
        let key = key(1);
        encrypt(|it| it.store = key.0.cast())
    }),
    here("a `kc_store` where a `kc_key` belongs", |_| {
        let (store, mut raw) = (memory(), [0_u8; 32]);
        let key: *mut kc_key = store.0.cast();
        failure(outcome(|error| unsafe { kc_key_export(key, raw.as_mut_ptr().cast(), 32, null_mut(), error) }))
    }),
    here("a `kc_key` whose store was freed", |_| {
        let store = memory();
        let key = store.user_key("alice", 0).unwrap();
        drop(store);
        failure(key.encrypt(b"", 0))
    }),
];

const STORED_ROWS: &[Case] = &[
    here("short", |place| with_row(place, "zeroblob(20)")),
    here("altered", |place| with_row(place, "zeroblob(60)")),
    here("`NULL`", |place| with_row(place, "NULL")),
    here("a TEXT", |place| with_row(place, "'sixty letters'")),
    here("a number", |place| with_row(place, "60")),
    here("a wrapped key of 16 bytes", |place| {
        let wrapped = common::wrapped(&raw_key(1), &[9; 16]);
        with_row(place, &format!("x'{}'", common::hex(&wrapped)))
    }),
    here("under a retiring master key that was not given", |place| {
        let path = made(place);
        execute(&path, "UPDATE keycask_master SET state = 'retiring' WHERE rowid = 1");
        failure(open_file(&path, 2).unwrap().decrypt("alice", token().as_bytes(), 0))
    }),
    here("under another master key, while every one in use is given", |place| {
        let wrapped = common::wrapped(&raw_key(3), &raw_key(9));
        with_row(place, &format!("x'{}'", common::hex(&wrapped)))
    }),
];

const OPERATIONS: &[Case] = &[
    here("`kc_rewrap` with a limit of 0", |place| {
        let store = store(place);
        failure(outcome(|error| unsafe { kc_rewrap(store.0, 0, null_mut(), null_mut(), null_mut(), error) }))
    }),
    here("`kc_rewrap` without a master key that is in use", |place| {
        let (_, both) = (store(place), with_two(place));
        both.encrypt("bob", b"", 0).unwrap();
        execute(&place.path("keys.db"), "UPDATE keycask_master SET state = 'active'");
        failure(rewrap(&open_file(&place.path("keys.db"), 2).unwrap()))
    }),
    here("`kc_rewrap` under a master key that is retired", |place| {
        let store = store(place);
        execute(&place.path("keys.db"), "UPDATE keycask_master SET state = 'retired'");
        failure(rewrap(&store))
    }),
    here("`kc_rewrap` of a store opened read-only", |place| {
        made(place);
        failure(rewrap(&c::Store::open(&place.path("keys.db"), &raw_key(1), &c::options(KC_OPEN_READ_ONLY)).unwrap()))
    }),
    here("`kc_encrypt` for an erased user", |place| {
        let store = store(place);
        of_user(&store, "alice", kc_erase_user).unwrap();
        failure(store.encrypt("alice", b"", 0))
    }),
    here("`kc_erase_user` while a reader holds the WAL", |place| {
        made(place);
        let mut options = c::options(0);
        options.busy_timeout_ms = KC_NONE;
        let store = c::Store::open(&place.path("keys.db"), &raw_key(1), &options).unwrap();
        let reader = common::sql(&place.path("keys.db"));
        reader.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(())).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM encryption_keys").unwrap();
        failure(of_user(&store, "alice", kc_erase_user))
    }),
    here("`kc_rotate_user` of an unknown user", |place| failure(of_user(&store(place), "mallory", kc_rotate_user))),
    here("`kc_backup` to a file that exists", |place| failure(backup(&store(place), &place.path("keys.db")))),
    here("`kc_backup` into a folder that is missing", |place| failure(backup(&store(place), &place.path("none/copy")))),
    here("`kc_backup` to `:memory:`", |place| failure(backup(&store(place), ":memory:"))),
    here("`kc_check` without a report", |place| {
        let store = store(place);
        failure(outcome(|error| unsafe { kc_check(store.0, null_mut(), error) }))
    }),
    here("`kc_next_user` after the file was rebuilt", |place| {
        let store = store(place);
        let (mut walk, mut name) = (kc_user_walk { size: 40, begun: 0, place: [0; 4] }, [0 as c_char; 100]);
        let mut next = || {
            let (walk, name) = (&raw mut walk, name.as_mut_ptr());
            outcome(|error| unsafe { kc_next_user(store.0, walk, name, 100, null_mut(), null_mut(), error) })
        };
        next().unwrap();
        execute(&place.path("keys.db"), "VACUUM");
        failure(next())
    }),
    here("a key of the store's own that was altered", |place| {
        let store = store(place);
        of_user(&store, "bob", kc_erase_user).unwrap();
        execute(&place.path("keys.db"), "UPDATE keycask_key SET wrapped = zeroblob(60)");
        failure(store.encrypt("carol", b"", 0))
    }),
];

/// A function that takes a user and gives nothing.
type OfUser = unsafe extern "C" fn(*mut kc_store, *const c_char, usize, *mut kc_error) -> kc_status;

fn of_user(store: &c::Store, user: &str, function: OfUser) -> Outcome<()> {
    outcome(|error| unsafe { function(store.0, user.as_ptr().cast(), user.len(), error) })
}

fn rewrap(store: &c::Store) -> Outcome<()> {
    outcome(|error| unsafe { kc_rewrap(store.0, 100, null_mut(), null_mut(), null_mut(), error) })
}

fn backup(store: &c::Store, path: &str) -> Outcome<()> {
    outcome(|error| unsafe { kc_backup(store.0, path.as_ptr().cast(), path.len(), error) })
}

const SYSTEM: &[Case] = &[
    alone("the system call getrandom is refused", &[], |_| {
        let key = key(1);
        refuse_getrandom();
        failure(key.encrypt(b"sk-acme", 0))
    }),
    alone("no memory is left", &[], |_| {
        let (key, plaintext) = (key(1), vec![0_u8; 64 << 20]);
        let capacity = kc_encrypted_size(plaintext.len());
        let mut token = vec![0_u8; capacity];
        let pages: u64 = fs::read_to_string("/proc/self/statm").unwrap().split(' ').next().unwrap().parse().unwrap();
        let limit = libc::rlimit { rlim_cur: pages * 4096 + (32 << 20), rlim_max: libc::RLIM_INFINITY };
        // SAFETY: setrlimit reads what it is given, and changes this process alone.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
        failure(outcome(|error| unsafe {
            let (start, len) = (plaintext.as_ptr().cast(), plaintext.len());
            let token = token.as_mut_ptr().cast();
            keycask::ffi::keys::kc_key_encrypt(key.0, start, len, null(), token, capacity, null_mut(), error)
        }))
    }),
];

const KEY: &str = "API_KEY_MASTER_KEY";
const KEY_FILE: &str = "API_KEY_MASTER_KEY_FILE";
const PREVIOUS: &str = "API_KEY_MASTER_KEY_PREVIOUS";
const GOOD: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const TWO: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,not a key";

fn failure<T: std::fmt::Debug>(outcome: Outcome<T>) -> Failure {
    outcome.expect_err("the input is bad")
}

fn key(number: u8) -> c::Key {
    c::Key::import(&raw_key(number)).unwrap()
}

/// A token of key 1.
fn token() -> String {
    key(1).encrypt(b"sk-acme", 0).unwrap()
}

fn memory() -> c::Store {
    open_file(":memory:", 1).unwrap()
}

fn open_file(location: &str, number: u8) -> Outcome<c::Store> {
    c::Store::open(location, &raw_key(number), &c::options(0))
}

fn with_flags(location: &str, flags: u32) -> Failure {
    failure(c::Store::open(location, &raw_key(1), &c::options(flags)))
}

fn impatient() -> kc_options {
    kc_options { busy_timeout_ms: KC_NONE, ..c::options(0) }
}

fn from_environment() -> Failure {
    failure(c::Store::from_environment(":memory:"))
}

/// A store in the folder, where master keys 1 and 2 are registered and each made the key of a user.
fn made(place: &Folder) -> String {
    let path = place.path("keys.db");
    open_file(&path, 1).unwrap().encrypt("alice", b"", 0).unwrap();
    with_two_at(&path, [2, 1]).encrypt("under 2", b"", 0).unwrap();
    path
}

fn with_two_at(path: &str, numbers: [u8; 2]) -> c::Store {
    c::Store::open(path, &numbers.map(raw_key).concat(), &c::options(0)).unwrap()
}

/// That store opened with both, the older one first.
fn with_two(place: &Folder) -> c::Store {
    with_two_at(&place.path("keys.db"), [1, 2])
}

fn store_at(place: &Folder) -> c::Store {
    open_file(&place.path("keys.db"), 1).unwrap()
}

fn store(place: &Folder) -> c::Store {
    made(place);
    store_at(place)
}

/// What the row of alice gives when it holds `value`, an SQL expression.
fn with_row(place: &Folder, value: &str) -> Failure {
    let path = place.path("keys.db");
    // The module's table but for its NOT NULL.
    execute(&path, "CREATE TABLE encryption_keys(user_id TEXT PRIMARY KEY, encrypted_key BLOB, created_at TEXT)");
    let store = open_file(&path, 1).unwrap();
    store.encrypt("bob", b"", 0).unwrap();
    execute(&path, &format!("INSERT INTO encryption_keys VALUES ('alice', {value}, '')"));
    failure(store.decrypt("alice", token().as_bytes(), 0))
}

fn decrypt_text(token: &str) -> Failure {
    failure(key(1).decrypt(token.as_bytes(), 0))
}

fn with_options(words: &[u32]) -> Failure {
    open(|it| it.options = words.as_ptr().cast())
}

fn with_call(words: &[u32]) -> Failure {
    encrypt(|it| it.call = words.as_ptr().cast())
}

/// The arguments of a kc_open that would succeed.
struct Open {
    location: *const c_char,
    master_keys: *const c_void,
    master_keys_len: usize,
    options: *const kc_options,
    store: *mut *mut kc_store,
}

/// What kc_open answers when one of its arguments is spoilt.
fn open(spoil: impl FnOnce(&mut Open)) -> Failure {
    let mut store = null_mut();
    let mut master_keys = raw_key(1);
    let mut it = Open {
        location: c":memory:".as_ptr(),
        master_keys: master_keys.as_mut_ptr().cast(),
        master_keys_len: 32,
        options: null(),
        store: &raw mut store,
    };
    spoil(&mut it);
    failure(outcome(|error| unsafe {
        kc_open(it.location, KC_NUL_TERMINATED, it.master_keys, it.master_keys_len, it.options, it.store, error)
    }))
}

/// The arguments of a kc_encrypt that would succeed.
struct Encrypt {
    store: *mut kc_store,
    user: *const c_char,
    user_len: usize,
    plaintext: *const c_void,
    plaintext_len: usize,
    call: *const kc_call,
    token: *mut c_char,
    token_capacity: usize,
    token_len: *mut usize,
}

/// What kc_encrypt answers when one of its arguments is spoilt.
fn encrypt(spoil: impl FnOnce(&mut Encrypt)) -> Failure {
    let store = memory();
    let mut token = [0 as c_char; 256];
    let mut it = Encrypt {
        store: store.0,
        user: c"alice".as_ptr(),
        user_len: 5,
        plaintext: c"sk-acme".as_ptr().cast(),
        plaintext_len: 7,
        call: null(),
        token: token.as_mut_ptr(),
        token_capacity: token.len(),
        token_len: null_mut(),
    };
    spoil(&mut it);
    failure(outcome(|error| unsafe {
        kc_encrypt(
            it.store,
            it.user,
            it.user_len,
            it.plaintext,
            it.plaintext_len,
            it.call,
            it.token,
            it.token_capacity,
            it.token_len,
            error,
        )
    }))
}

/// The arguments of a kc_decrypt that would succeed.
struct Decrypt {
    token: *const c_char,
    token_len: usize,
    plaintext: *mut c_void,
    plaintext_capacity: usize,
}

/// What kc_decrypt answers when one of its arguments is spoilt.
fn decrypt(spoil: impl FnOnce(&mut Decrypt)) -> Failure {
    let store = memory();
    let token = store.encrypt("alice", b"sk-acme", 0).unwrap();
    let mut plaintext = [0_u8; 100];
    let mut it = Decrypt {
        token: token.as_ptr().cast(),
        token_len: token.len(),
        plaintext: plaintext.as_mut_ptr().cast(),
        plaintext_capacity: plaintext.len(),
    };
    spoil(&mut it);
    failure(outcome(|error| unsafe {
        let (token, token_len) = (it.token, it.token_len);
        let (user, out, capacity) = (c"alice".as_ptr(), it.plaintext, it.plaintext_capacity);
        kc_decrypt(store.0, user, 5, token, token_len, null(), out, capacity, null_mut(), error)
    }))
}

/// From now on the kernel answers EPERM to getrandom in this thread (seccomp(2)).
fn refuse_getrandom() {
    let statement = |code: u32, jt: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf: 0, k };
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        libc::sock_filter {
            jf: 1,
            ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, libc::SYS_getrandom as u32)
        },
        statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which is valid, before prctl returns.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}

// The walk.

/// A row of the table: its group, what was given, the status, the message.
type Row = [String; 4];

/// The rows of the document's table, which is the one whose first column is headed "bad input".
fn rows() -> Vec<Row> {
    let document = fs::read_to_string(common::repository("docs/errors.md")).unwrap();
    let table = document.lines().skip_while(|line| !line.starts_with("| bad input ")).skip(2);
    let mut group = String::new();
    let mut rows = Vec::new();
    for line in table.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        match cells[..] {
            [title, "", ""] => group = title.trim_matches('*').to_string(),
            [input, status, message] => rows.push([&group, input, status, message].map(String::from)),
            _ => panic!("a row of other than three columns: {line}"),
        }
    }
    rows
}

/// A message as the table gives it: paths and users' names as `…`.
fn general(message: &str) -> String {
    let mut pieces: Vec<&str> = message.split('\'').collect();
    for at in (1..pieces.len()).step_by(2) {
        if pieces[at].starts_with('/') || pieces[at - 1].ends_with("user ") {
            pieces[at] = "…";
        }
    }
    pieces.join("'")
}

/// What holds for every failure.
fn check(input: &str, failure: &Failure) {
    assert!(failure.message.len() <= 400, "{input}: {} bytes: {}", failure.message.len(), failure.message);
    let moved = failure.message.contains("moved or removed");
    assert_eq!(
        failure.os_error != 0,
        matches!(failure.name(), "KC_E_IO" | "KC_E_RANDOM") && !moved,
        "{input}: {failure:?}"
    );
    if let Some((_, number)) = failure.message.split_once("(os error ") {
        assert_eq!(number.split(')').next(), Some(failure.os_error.to_string().as_str()), "{input}");
    }
    for secret in ["password", "sk-acme", "sk-plain", "AAAA"] {
        assert!(!failure.message.contains(secret), "{input}: {}", failure.message);
    }
}

const SELF: &str = "every_bad_input_gives_the_status_and_the_message_of_the_table";

/// Gives a case's bad input.
fn run(case: &Case) -> Failure {
    let folder = Folder::new();
    let (environment, _) = match case.how {
        How::Here(run) => return run(&folder),
        How::Alone(environment, run) => (environment, run),
    };
    folder.open_to_all();
    let path = folder.path("");
    let mut process = common::again(SELF, case.input);
    process.env("FOLDER", &path);
    for (name, value) in environment {
        process.env(name, value.replace("{folder}/", &path).replace("{folder}", &path));
    }
    let output = process.output().unwrap();
    common::assert_passed(case.input, &output);
    let answer = String::from_utf8(output.stderr).unwrap();
    let answer = answer.lines().find_map(|line| line.strip_prefix("answer ")).expect("an answer");
    let [status, os_error, engine_error, message] = answer.splitn(4, ' ').collect::<Vec<_>>()[..] else {
        panic!("{answer}")
    };
    let [status, os_error, engine_error] = [status, os_error, engine_error].map(|number| number.parse().unwrap());
    Failure { status, os_error, engine_error, message: message.to_string() }
}

/// The part of a process of its own.
fn answer(input: &str) {
    let folder = Folder::at(&std::env::var("FOLDER").unwrap());
    let case = GROUPS.iter().flat_map(|(_, cases)| *cases).find(|case| case.input == input).unwrap();
    let How::Alone(_, run) = case.how else { panic!("{input} needs no process of its own") };
    let Failure { status, os_error, engine_error, message } = run(&folder);
    eprintln!("answer {status} {os_error} {engine_error} {message}");
}

#[test]
fn every_bad_input_gives_the_status_and_the_message_of_the_table() {
    if let Some(input) = common::part() {
        return answer(&input);
    }
    let mut given: Vec<Row> = Vec::new();
    for (group, cases) in GROUPS {
        for case in *cases {
            let failure = run(case);
            check(case.input, &failure);
            given.push([group, case.input, failure.name(), &general(&failure.message)].map(String::from));
        }
    }
    assert_eq!(kc_handle_count(), 0, "a failure left a handle open");
    let stated = rows();
    for (given, stated) in given.iter().zip(&stated) {
        assert_eq!(given, stated, "the call (left) and its row in docs/errors.md");
    }
    let one_sided = given.iter().chain(&stated).nth(given.len().min(stated.len()));
    assert_eq!(given.len(), stated.len(), "cases (left) and rows; beginning with {one_sided:?}");
}
