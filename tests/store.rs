//! What an open store promises, by the Rust API: its file, who may open it, whose keys it makes, what it leaves alone.

mod common;

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::Stdio;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use keycask::{Call, Key, MasterKey, MasterKeys, Options, SecretBytes, Status, Store};

use common::{Folder, again, assert_passed, execute, footprint, open, raw_key, ring, sql, tables, users, value};

const EXISTING: Call = Call { existing: true, cached_only: false, strict: false };
const CACHED_ONLY: Call = Call { existing: false, cached_only: true, strict: false };

/// A store that another master key than 1 and 2 was never near: its key table as the module makes it.
fn module_store(folder: &Folder) -> String {
    let path = folder.path("keys.db");
    common::make_module_store(&path);
    path
}

/// The status of a call that has to fail.
fn status<T>(result: keycask::Result<T>) -> Result<(), Status> {
    result.map(drop).map_err(|error| error.status())
}

/// Whether `user` of `store` can be written for, and read.
fn works(store: &Store, user: &str) -> bool {
    let token = store.encrypt(user, b"sk-acme").unwrap();
    store.decrypt(user, token.as_bytes()).unwrap().expose() == b"sk-acme"
}

/// The user's key as the row of the store's file holds it, opened with the master key of this number.
fn key_in_row(path: &str, user: &str, number: u8) -> keycask::Result<Vec<u8>> {
    let blob: Vec<u8> = sql(path)
        .query_row("SELECT encrypted_key FROM encryption_keys WHERE user_id = ?", [user], |row| row.get(0))
        .unwrap();
    common::unwrapped(&raw_key(number), &blob)
}

/// The registered master keys and their states, in the order of their rows.
fn registered(path: &str) -> Vec<String> {
    common::column(path, "SELECT lower(hex(id)) || ' ' || state FROM keycask_master ORDER BY rowid")
}

/// How a master key is registered.
fn active(number: u8) -> String {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    open(&path, &[number]).unwrap().encrypt("alice", b"").unwrap();
    registered(&path).pop().unwrap()
}

fn set_state(path: &str, number: u8, state: &str) {
    let id = active(number).split(' ').next().unwrap().to_string();
    let changed = sql(path).execute("UPDATE keycask_master SET state = ? WHERE lower(hex(id)) = ?", [state, &id]);
    assert_eq!(changed, Ok(1));
}

/// `2026-11-24T03:58:02.725746+00:00`.
fn is_timestamp(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000000+00:00"
}

// The file.

#[test]
fn a_new_store_and_its_folders_are_their_owners_alone_whatever_the_umask() {
    const SELF: &str = "a_new_store_and_its_folders_are_their_owners_alone_whatever_the_umask";
    if let Some(umask) = common::part() {
        let folder = Folder::new();
        // SAFETY: umask takes and gives a number. This process runs this test alone.
        unsafe { libc::umask(libc::mode_t::from_str_radix(&umask, 8).unwrap()) };
        let path = folder.path("a/b/keys.db");
        assert!(works(&open(&path, &[1]).unwrap(), "alice"));
        let mode = |path: &str| format!("{:o}", fs::metadata(path).unwrap().permissions().mode() & 0o7777);
        assert_eq!(mode(&path), "600");
        assert_eq!([mode(&folder.path("a")), mode(&folder.path("a/b"))], ["700", "700"]);
        return;
    }
    for umask in ["0", "022", "077", "277", "777"] {
        assert_passed(umask, &again(SELF, umask).output().unwrap());
    }
}

#[test]
fn the_mode_of_a_store_that_is_there_is_left_alone() {
    let folder = Folder::new();
    let path = module_store(&folder);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(works(&open(&path, &[1]).unwrap(), "alice"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
}

#[test]
fn a_new_store_is_one_file_with_the_modules_table_and_no_other() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = open(&path, &[1]).unwrap();
    assert_eq!(folder.names(), ["keys.db"]);
    assert_eq!(tables(&path), ["encryption_keys"]);
    assert_eq!(value::<String>(&path, "SELECT sql FROM sqlite_schema WHERE type = 'table'"), common::module_table());
    assert_eq!(value::<String>(&path, "PRAGMA journal_mode"), "delete");

    assert!(works(&store, "alice"));
    assert_eq!(folder.names(), ["keys.db"], "a journal or a WAL was left behind");
}

#[test]
fn own_tables_are_made_with_the_first_key_and_by_nothing_before() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let token = open(":memory:", &[1]).unwrap().encrypt("alice", b"sk-acme").unwrap();
    {
        let store = open(&path, &[1]).unwrap();
        assert_eq!(status(store.decrypt("alice", token.as_bytes())), Err(Status::UnknownUser));
        assert_eq!(status(store.encrypt_with("alice", b"", EXISTING)), Err(Status::UnknownUser));
        let _ = store.pool_key();
    }
    open(&path, &[2]).unwrap();
    assert_eq!(tables(&path), ["encryption_keys"]);

    open(&path, &[1]).unwrap().encrypt("alice", b"").unwrap();
    assert_eq!(tables(&path), ["encryption_keys", "keycask_master", "keycask_meta"]);
    let statement =
        |table: &str| -> String { value(&path, &format!("SELECT sql FROM sqlite_schema WHERE name = '{table}'")) };
    assert_eq!(statement("keycask_meta"), "CREATE TABLE keycask_meta(name TEXT PRIMARY KEY, value)");
    assert_eq!(
        statement("keycask_master"),
        "CREATE TABLE keycask_master(id BLOB PRIMARY KEY, state TEXT, created_at TEXT)"
    );
    let meta: Vec<String> = common::column(
        &path,
        "SELECT name || ' ' || typeof(value) || ' ' || length(value) FROM keycask_meta ORDER BY 1",
    );
    assert_eq!(meta, ["must_read integer 1", "must_write integer 1", "store_id blob 16"]);
    let demands: Vec<i64> = common::column(&path, "SELECT value FROM keycask_meta WHERE name GLOB 'must_*'");
    assert_eq!(demands, [0, 0]);
    assert_eq!(
        common::column::<String>(&path, "SELECT typeof(id) || length(id) || state FROM keycask_master"),
        ["blob16active"]
    );
}

#[test]
fn a_store_keeps_its_id_and_two_stores_have_two() {
    let folder = Folder::new();
    let ids: Vec<Vec<u8>> = ["a.db", "b.db"]
        .iter()
        .map(|name| {
            let path = folder.path(name);
            let id = |user: &str| -> Vec<u8> {
                open(&path, &[1]).unwrap().encrypt(user, b"").unwrap();
                value(&path, "SELECT value FROM keycask_meta WHERE name = 'store_id'")
            };
            let first = id("alice");
            assert_eq!(first, id("bob"));
            first
        })
        .collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn the_first_key_and_own_tables_are_one_transaction() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = open(&path, &[1]).unwrap();
    // SQLite's change counter goes up by one a transaction (fileformat2.html, 1.3.7).
    let transactions = || u32::from_be_bytes(fs::read(&path).unwrap()[24..28].try_into().unwrap());
    let before = transactions();
    store.encrypt("alice", b"").unwrap();
    assert_eq!(transactions(), before + 1);
    store.encrypt("alice", b"").unwrap();
    assert_eq!(transactions(), before + 1, "a user's second token wrote");
}

#[test]
fn a_refused_creation_leaves_no_own_tables() {
    let folder = Folder::new();
    let path = module_store(&folder);
    let store = open(&path, &[1]).unwrap();
    common::add_module_row(&path, "alice", &common::wrapped(&raw_key(2), &raw_key(9)));
    let before = footprint(&path);
    let refused = store.encrypt("bob", b"").unwrap_err();
    assert_eq!(refused.status(), Status::MasterKeyWrong, "{refused}");
    assert_eq!((tables(&path), footprint(&path)), (vec!["encryption_keys".to_string()], before));
}

#[test]
fn created_at_is_the_time_in_utc_with_microseconds() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let now = || -> String { value(":memory:", "SELECT strftime('%Y-%m-%dT%H:%M:%S')") };
    let before = now();
    let store = open(&path, &[1]).unwrap();
    // So many that some fall into the first tenth of a second, whose digits begin with a zero.
    for user in 0..100 {
        store.encrypt(&user.to_string(), b"").unwrap();
    }
    let after = now() + "~";
    for (table, rows) in [("encryption_keys", 100), ("keycask_master", 1)] {
        let times: Vec<String> = common::column(&path, &format!("SELECT created_at FROM {table} ORDER BY rowid"));
        assert_eq!(times.len(), rows);
        for time in &times {
            assert!(is_timestamp(time), "{time}");
            assert!((&before..=&after).contains(&time), "{before} <= {time} <= {after}");
        }
    }
}

#[test]
fn a_store_in_wal_mode_works_and_stays_in_it() {
    let folder = Folder::new();
    let path = module_store(&folder);
    assert_eq!(value::<String>(&path, "PRAGMA journal_mode = WAL"), "wal");
    {
        let store = open(&path, &[1]).unwrap();
        assert!(works(&store, "alice"));
        assert!(fs::exists(path.clone() + "-wal").unwrap());
        let beside = open(&path, &[1]).unwrap();
        assert_eq!(
            store.user_key("alice").unwrap().export().unwrap().expose(),
            beside.user_key("alice").unwrap().export().unwrap().expose()
        );
    }
    assert_eq!(value::<String>(&path, "PRAGMA journal_mode"), "wal");
    assert_eq!(users(&path), ["alice"]);
    let reader = Store::open(&path, ring(&[1]), &Options::new().read_only(true)).unwrap();
    assert!(works(&reader, "alice"));
}

#[test]
fn an_empty_file_and_an_empty_database_become_a_store() {
    let folder = Folder::new();
    let (file, database) = (folder.path("file"), folder.path("database"));
    fs::write(&file, "").unwrap();
    execute(&database, "CREATE TABLE t(x); DROP TABLE t;");
    assert!(fs::metadata(&database).unwrap().len() > 0);
    for path in [file, database] {
        assert!(works(&open(&path, &[1]).unwrap(), "alice"));
        assert_eq!(users(&path), ["alice"]);
    }
}

#[test]
fn a_database_of_something_else_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let shapes = [
        "CREATE TABLE invoices(id INTEGER PRIMARY KEY)",
        "CREATE VIEW encryption_keys AS SELECT 'a' AS user_id, x'' AS encrypted_key, '' AS created_at",
        "CREATE TABLE encryption_keys(user_id TEXT PRIMARY KEY, encrypted_key BLOB)",
        "CREATE TABLE encryption_keys(user_id TEXT PRIMARY KEY, encrypted_key BLOB, created_at TEXT, note TEXT)",
        "CREATE TABLE encryption_keys(user_id TEXT, encrypted_key BLOB, created_at TEXT)",
        "CREATE TABLE encryption_keys(user_id TEXT COLLATE NOCASE PRIMARY KEY, encrypted_key BLOB, created_at TEXT)",
        "CREATE TABLE encryption_keys(user_id INTEGER PRIMARY KEY, encrypted_key BLOB, created_at TEXT)",
        "CREATE TABLE encryption_keys(user_id TEXT PRIMARY KEY, encrypted_key TEXT, created_at TEXT)",
        "CREATE TABLE encryption_keys(user_id TEXT PRIMARY KEY, encrypted_key BLOB, created_at TEXT) WITHOUT ROWID",
        "CREATE TABLE encryption_keys(user_id TEXT PRIMARY KEY, encrypted_key BLOB,
            created_at TEXT AS (hex(encrypted_key)))",
        "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES ('table', 'encryption_keys', 'encryption_keys', 0,
            'CREATE VIRTUAL TABLE encryption_keys USING a_module_of_others(user_id, encrypted_key, created_at)')",
    ];
    for (number, shape) in shapes.iter().enumerate() {
        let path = folder.path(&number.to_string());
        execute(&path, shape);
        let before = footprint(&path);
        assert_eq!(status(open(&path, &[1])), Err(Status::Unsupported), "{shape}");
        assert_eq!(footprint(&path), before, "{shape}");
    }
}

#[test]
fn a_file_that_is_no_database_is_corrupt_and_left_as_it_is() {
    let folder = Folder::new();
    let whole = fs::read(folder.copy_of_vector("reference.db")).unwrap();
    let text = b"not a database, but long enough to be one\n".repeat(100);
    for (name, bytes) in
        [("text", text.as_slice()), ("short", b"SQLite"), ("cut", &whole[..100]), ("half", &whole[..5000])]
    {
        let path = folder.path(name);
        fs::write(&path, bytes).unwrap();
        let before = footprint(&path);
        assert_eq!(status(open(&path, &[1])), Err(Status::Corrupt), "{name}");
        assert_eq!(footprint(&path), before, "{name}");
    }
}

// Locations.

#[test]
fn a_location_is_the_name_of_a_file_however_odd() {
    let folder = Folder::new();
    let names = [
        "with space.db",
        "пользователь.db",
        "a?mode=memory&cache=shared",
        "%61.db",
        "a:b.db",
        "-x.db",
        "a'\"; DROP TABLE encryption_keys;--",
        "two\nlines",
        ":memory",
        "keys#1.db",
    ];
    for name in names {
        assert!(works(&open(&folder.path(name), &[1]).unwrap(), "alice"), "{name}");
    }
    let mut made = names.map(String::from).to_vec();
    made.sort();
    assert_eq!(folder.names(), made);
}

#[test]
fn dots_in_a_location_lead_to_the_same_store() {
    let folder = Folder::new();
    fs::create_dir(folder.path("a")).unwrap();
    let key = open(&folder.path("keys.db"), &[1]).unwrap().user_key("alice").unwrap().export().unwrap();
    for location in ["a/../keys.db", "./keys.db", "a//..//.//keys.db"] {
        let store = open(&folder.path(location), &[1]).unwrap();
        assert_eq!(store.user_key("alice").unwrap().export().unwrap().expose(), key.expose(), "{location}");
    }
    assert_eq!(folder.names(), ["a", "keys.db"]);
}

#[test]
fn the_longest_location_is_4096_bytes() {
    let folder = Folder::new();
    let padded = |len| {
        let path = folder.path("keys.db");
        "/".repeat(len - path.len()) + &path
    };
    assert_eq!(status(open(&padded(4097), &[1])), Err(Status::Limit));
    assert_eq!(status(open(&padded(4096), &[1])), Ok(()));
}

#[test]
fn a_path_longer_than_sqlite_opens_is_over_the_limit_and_nothing_is_made() {
    let folder = Folder::new();
    // Folders of 9 letters, for no name may have more than 255 bytes.
    let path = |len: usize| -> String {
        let rest = len - folder.path("").len() - "/k.db".len();
        let folders: String = (0..rest).map(|at| if at % 10 == 9 && at + 1 < rest { '/' } else { 'x' }).collect();
        folder.path(&(folders + "/k.db"))
    };
    assert_eq!(status(open(&path(505), &[1])), Err(Status::Limit));
    symlink(path(505), folder.path("link.db")).unwrap();
    assert_eq!(status(open(&folder.path("link.db"), &[1])), Err(Status::Limit));
    assert_eq!(folder.names(), ["link.db"]);
    assert!(works(&open(&path(504), &[1]).unwrap(), "alice"));
}

#[test]
fn a_symbolic_link_is_resolved_once_at_opening() {
    let folder = Folder::new();
    let link = folder.path("link.db");
    let key = |store: &Store| store.user_key("alice").unwrap().export().unwrap().expose().to_vec();
    let first = key(&open(&folder.path("first.db"), &[1]).unwrap());
    let second = key(&open(&folder.path("second.db"), &[1]).unwrap());
    symlink("first.db", &link).unwrap();

    let uncached = Options::new().cache_users(0);
    let store = Store::open(&link, ring(&[1]), &uncached).unwrap();
    assert_eq!(key(&store), first);
    fs::remove_file(&link).unwrap();
    symlink("second.db", &link).unwrap();
    assert_eq!(key(&store), first, "an open store followed its link elsewhere");
    store.encrypt("bob", b"").unwrap();
    assert_eq!((users(&folder.path("first.db")).len(), users(&folder.path("second.db")).len()), (2, 1));
    assert_eq!(key(&open(&link, &[1]).unwrap()), second);
}

#[test]
fn a_dangling_link_stays_a_link_and_the_store_is_made_where_it_points() {
    let folder = Folder::new();
    let link = folder.path("link.db");
    symlink("chain.db", &link).unwrap();
    symlink("deep/down/keys.db", folder.path("chain.db")).unwrap();
    assert!(works(&open(&link, &[1]).unwrap(), "alice"));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(users(&folder.path("deep/down/keys.db")), ["alice"]);
    assert_eq!(fs::metadata(&link).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_loop_of_links_is_an_error_of_the_system() {
    let folder = Folder::new();
    symlink("b", folder.path("a")).unwrap();
    symlink("a", folder.path("b")).unwrap();
    let error = open(&folder.path("a"), &[1]).unwrap_err();
    assert_eq!((error.status(), error.os_error()), (Status::Io, libc::ELOOP));
}

#[test]
fn a_relative_location_stays_where_it_was_when_the_working_directory_changes() {
    const SELF: &str = "a_relative_location_stays_where_it_was_when_the_working_directory_changes";
    if common::part().is_none() {
        return assert_passed("", &again(SELF, "").output().unwrap());
    }
    let folder = Folder::new();
    fs::create_dir(folder.path("elsewhere")).unwrap();
    std::env::set_current_dir(folder.path("")).unwrap();
    let store = Store::open("keys.db", ring(&[1]), &Options::new().cache_users(0)).unwrap();
    store.encrypt("alice", b"").unwrap();
    std::env::set_current_dir(folder.path("elsewhere")).unwrap();
    assert!(works(&store, "alice") && works(&store, "bob"));
    assert_eq!(users(&folder.path("keys.db")), ["alice", "bob"]);
    assert!(common::names_in(Path::new(&folder.path("elsewhere"))).is_empty());
}

#[test]
fn a_store_in_memory_is_each_openings_own() {
    let (one, other) = (open(":memory:", &[1]).unwrap(), open(":memory:", &[1]).unwrap());
    let token = one.encrypt("alice", b"sk-acme").unwrap();
    assert!(works(&one, "alice"));
    assert_eq!(status(other.decrypt("alice", token.as_bytes())), Err(Status::UnknownUser));
    assert!(!fs::exists(":memory:").unwrap());
}

#[test]
fn a_file_that_was_moved_away_is_noticed_at_a_write() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = open(&path, &[1]).unwrap();
    store.encrypt("alice", b"").unwrap();
    fs::rename(&path, folder.path("elsewhere.db")).unwrap();
    assert_eq!(status(store.encrypt("bob", b"")), Err(Status::Io));
    assert_eq!(users(&folder.path("elsewhere.db")), ["alice"]);
    fs::rename(folder.path("elsewhere.db"), &path).unwrap();
    assert!(works(&store, "bob"));
}

// Must exist, read-only.

#[test]
fn must_exist_makes_nothing() {
    let folder = Folder::new();
    let must_exist = Options::new().must_exist(true);
    for location in [folder.path("keys.db"), folder.path("a/keys.db"), ":memory:".into()] {
        assert_eq!(status(Store::open(&location, ring(&[1]), &must_exist)), Err(Status::NotFound), "{location}");
    }
    symlink("keys.db", folder.path("link.db")).unwrap();
    assert_eq!(status(Store::open(&folder.path("link.db"), ring(&[1]), &must_exist)), Err(Status::NotFound));
    assert_eq!(folder.names(), ["link.db"]);

    let path = module_store(&folder);
    assert!(works(&Store::open(&path, ring(&[1]), &must_exist).unwrap(), "alice"));
}

#[test]
fn read_only_reads_and_writes_nothing() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let token = open(&path, &[1]).unwrap().encrypt("alice", b"sk-acme").unwrap();
    let before = footprint(&path);
    {
        let store = Store::open(&path, ring(&[1]), &Options::new().read_only(true)).unwrap();
        assert_eq!(store.decrypt("alice", token.as_bytes()).unwrap().expose(), b"sk-acme");
        assert!(works(&store, "alice"), "encrypting for a user who has a key writes nothing");
        assert_eq!(status(store.encrypt("bob", b"")), Err(Status::ReadOnly));
        assert_eq!(status(store.user_key("bob")), Err(Status::ReadOnly));
        assert_eq!(status(store.decrypt("bob", token.as_bytes())), Err(Status::UnknownUser));
        assert_eq!(status(store.encrypt_with("bob", b"", EXISTING)), Err(Status::UnknownUser));
        assert_eq!(footprint(&path), before);
    }
    assert_eq!(footprint(&path), before);
}

#[test]
fn a_read_only_opening_makes_no_store_of_what_is_none() {
    let folder = Folder::new();
    let read_only = Options::new().read_only(true);
    let empty = folder.path("empty.db");
    fs::write(&empty, "").unwrap();
    let before = footprint(&empty);
    assert_eq!(status(Store::open(&empty, ring(&[1]), &read_only)), Err(Status::ReadOnly));
    assert_eq!(status(Store::open(":memory:", ring(&[1]), &read_only)), Err(Status::NotFound));
    assert_eq!(status(Store::open(&folder.path("none/keys.db"), ring(&[1]), &read_only)), Err(Status::NotFound));
    assert_eq!(footprint(&empty), before);
}

#[test]
fn what_a_crashed_writer_left_is_undone_by_a_writer_and_refused_to_a_reader() {
    let folder = Folder::new();
    let (path, token) = common::crashed_store(&folder);
    let before = footprint(&path);
    let reader = Store::open(&path, ring(&[1]), &Options::new().read_only(true));
    assert_eq!(status(reader), Err(Status::ReadOnly));
    assert_eq!(footprint(&path), before, "a reader undid a writer's work");

    let store = open(&path, &[1]).unwrap();
    assert_eq!(store.decrypt("alice", token.as_bytes()).unwrap().expose(), b"sk-acme");
    assert_eq!(users(&path), ["alice"]);
}

#[test]
fn a_file_that_may_not_be_written_opens_read_only_alone() {
    const SELF: &str = "a_file_that_may_not_be_written_opens_read_only_alone";
    let Some(path) = common::part() else {
        let folder = Folder::new();
        let path = folder.path("keys.db");
        open(&path, &[1]).unwrap().encrypt("alice", b"sk-acme").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        folder.open_to_all();
        let before = footprint(&path);
        assert_passed("", &again(SELF, &path).output().unwrap());
        return assert_eq!(footprint(&path), before);
    };
    common::become_an_ordinary_user();
    assert_eq!(status(open(&path, &[1])), Err(Status::ReadOnly));
    let store = Store::open(&path, ring(&[1]), &Options::new().read_only(true)).unwrap();
    assert!(works(&store, "alice"));
    assert_eq!(status(store.encrypt("bob", b"")), Err(Status::ReadOnly));
}

#[test]
fn a_store_in_wal_mode_that_takes_a_file_beside_it_is_read_only_where_none_can_be_made() {
    const SELF: &str = "a_store_in_wal_mode_that_takes_a_file_beside_it_is_read_only_where_none_can_be_made";
    let Some(path) = common::part() else {
        let folder = Folder::new();
        let path = folder.path("a/keys.db");
        open(&path, &[1]).unwrap().encrypt("alice", b"sk-acme").unwrap();
        assert_eq!(value::<String>(&path, "PRAGMA journal_mode = WAL"), "wal");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        fs::set_permissions(folder.path("a"), fs::Permissions::from_mode(0o555)).unwrap();
        folder.open_to_all();
        return assert_passed("", &again(SELF, &path).output().unwrap());
    };
    common::become_an_ordinary_user();
    let error = Store::open(&path, ring(&[1]), &Options::new().read_only(true)).unwrap_err();
    assert_eq!(error.status(), Status::ReadOnly, "{error}");
}

#[test]
fn an_existing_store_in_a_folder_that_may_not_be_written_reads_and_makes_no_key() {
    const SELF: &str = "an_existing_store_in_a_folder_that_may_not_be_written_reads_and_makes_no_key";
    let Some(path) = common::part() else {
        let folder = Folder::new();
        let path = folder.path("a/keys.db");
        open(&path, &[1]).unwrap().encrypt("alice", b"sk-acme").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        fs::set_permissions(folder.path("a"), fs::Permissions::from_mode(0o555)).unwrap();
        folder.open_to_all();
        return assert_passed("", &again(SELF, &path).output().unwrap());
    };
    common::become_an_ordinary_user();
    let store = open(&path, &[1]).unwrap();
    assert!(works(&store, "alice"));
    let error = store.encrypt("bob", b"").unwrap_err();
    assert_eq!(error.status(), Status::ReadOnly, "{error}");
}

#[test]
fn what_root_makes_beside_a_store_in_wal_mode_is_its_owners() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    open(&path, &[1]).unwrap().encrypt("alice", b"sk-acme").unwrap();
    assert_eq!(value::<String>(&path, "PRAGMA journal_mode = WAL"), "wal");
    // Only root can give it away; to anybody else what they make is their own.
    let _ = chown(&path, Some(65534), Some(65534));
    let of = |file: &str| fs::metadata(file).map(|found| (found.uid(), found.gid(), found.mode() & 0o777)).unwrap();
    let store = open(&path, &[1]).unwrap();
    store.encrypt("bob", b"sk-acme").unwrap();
    for beside in ["-wal", "-shm"] {
        assert_eq!(of(&(path.clone() + beside)), of(&path), "{beside}");
    }
}

#[test]
fn threads_that_look_at_once_wait_for_each_other_whatever_the_timeout() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = Store::open(&path, ring(&[1]), &Options::new().busy_timeout(Duration::ZERO)).unwrap();
    let (alices, bobs) = (store.encrypt("alice", b"sk").unwrap(), store.encrypt("bob", b"sk").unwrap());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    store.expire(true);
                    assert_eq!(status(store.decrypt("alice", alices.as_bytes())), Ok(()));
                    assert_eq!(status(store.decrypt("alice", bobs.as_bytes())), Err(Status::Authentication));
                }
            });
        }
    });
}

// Users.

#[test]
fn a_user_has_1_to_4096_bytes_and_is_compared_byte_by_byte() {
    let store = open(":memory:", &[1]).unwrap();
    let longest = "ü".repeat(2048);
    let names = ["a", "A", "a ", " a", "a\0", "a\0b", "\u{e9}", "e\u{301}", "*", "%", "'", longest.as_str()];
    let keys: HashSet<Vec<u8>> =
        names.iter().map(|user| store.user_key(user).unwrap().export().unwrap().expose().to_vec()).collect();
    assert_eq!(keys.len(), names.len(), "two names share a key");
    assert!(names.iter().all(|user| works(&store, user)));
    assert_eq!(status(store.encrypt("", b"")), Err(Status::Argument));
    assert_eq!(status(store.encrypt(&(longest + "x"), b"")), Err(Status::Limit));
}

#[test]
fn decrypting_for_an_unknown_user_makes_no_row() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = open(&path, &[1]).unwrap();
    let token = store.encrypt("alice", b"sk-acme").unwrap();
    let before = footprint(&path);
    for token in [token.as_str(), "v2:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="] {
        assert_eq!(status(store.decrypt("mallory", token.as_bytes())), Err(Status::UnknownUser));
    }
    assert_eq!(status(store.decrypt("mallory", b"sk-plain")), Err(Status::Format), "the token is looked at first");
    assert_eq!((users(&path), footprint(&path)), (vec!["alice".to_string()], before));
}

#[test]
fn a_token_opens_with_its_users_key_alone() {
    let store = open(":memory:", &[1]).unwrap();
    let token = store.encrypt("alice", b"sk-acme").unwrap();
    store.encrypt("bob", b"").unwrap();
    assert_eq!(status(store.decrypt("bob", token.as_bytes())), Err(Status::Authentication));
    assert_eq!(status(store.pool_key().decrypt(token.as_bytes())), Err(Status::Authentication));
    let key = store.user_key("alice").unwrap();
    assert_eq!(key.decrypt(token.as_bytes()).unwrap().expose(), b"sk-acme");
    let by_key = key.encrypt(b"by key").unwrap();
    assert_eq!(store.decrypt("alice", by_key.as_bytes()).unwrap().expose(), b"by key");
    let imported = Key::import(key.export().unwrap().expose()).unwrap();
    assert_eq!(imported.decrypt(token.as_bytes()).unwrap().expose(), b"sk-acme");
}

#[test]
fn keys_and_nonces_are_new_each_time() {
    let store = open(":memory:", &[1]).unwrap();
    let tokens: HashSet<String> =
        (0..1000).map(|_| store.encrypt("alice", b"same").unwrap()[..19].to_string()).collect();
    assert_eq!(tokens.len(), 1000, "a nonce came twice");
    let keys: HashSet<Vec<u8>> = (0..100)
        .map(|user| store.user_key(&user.to_string()).unwrap().export().unwrap().expose().to_vec())
        .chain((0..100).map(|_| MasterKey::generate().unwrap().to_text().expose().to_vec()))
        .collect();
    assert_eq!(keys.len(), 200, "a key came twice");
}

#[test]
fn rows_that_the_module_made_work_beside_ours() {
    let folder = Folder::new();
    let path = module_store(&folder);
    common::add_module_row(&path, "before", &common::wrapped(&raw_key(1), &raw_key(8)));
    let store = open(&path, &[1]).unwrap();
    assert!(works(&store, "ours"));
    common::add_module_row(&path, "after", &common::wrapped(&raw_key(1), &raw_key(9)));
    for (user, key) in [("before", raw_key(8)), ("after", raw_key(9))] {
        assert!(works(&store, user));
        assert_eq!(store.user_key(user).unwrap().export().unwrap().expose(), key);
    }
    // What the module would do with our row.
    let key = key_in_row(&path, "ours", 1).unwrap();
    assert_eq!(store.user_key("ours").unwrap().export().unwrap().expose(), key);
    assert_eq!(users(&path), ["before", "ours", "after"]);
}

#[test]
fn a_user_who_is_nobody_in_the_module_does_no_harm() {
    let folder = Folder::new();
    let path = module_store(&folder);
    sql(&path)
        .execute(
            "INSERT INTO encryption_keys VALUES (NULL, ?1, ''), (NULL, ?1, ''), ('', ?1, ''), (?2, ?1, ''),
             (x'616c696365', ?1, ''), (17, ?1, '')",
            (common::wrapped(&raw_key(1), &raw_key(9)), "u".repeat(5 << 20)),
        )
        .unwrap();
    let store = open(&path, &[1]).unwrap();
    assert!(works(&store, "alice"));
    assert_ne!(store.user_key("alice").unwrap().export().unwrap().expose(), raw_key(9), "a BLOB was taken for a name");
    assert!(works(&store, "17"));
    assert_eq!(status(open(&path, &[2])), Err(Status::MasterKeyWrong));
    assert_eq!(value::<i64>(&path, "SELECT count(*) FROM encryption_keys"), 7);
}

#[test]
fn triggers_and_views_in_the_file_are_not_run() {
    let folder = Folder::new();
    let path = module_store(&folder);
    execute(
        &path,
        "CREATE TABLE stolen(what);
         CREATE TRIGGER a BEFORE INSERT ON encryption_keys BEGIN INSERT INTO stolen VALUES (new.encrypted_key); END;
         CREATE TRIGGER b AFTER INSERT ON encryption_keys BEGIN DELETE FROM encryption_keys; END;
         CREATE VIEW other AS SELECT user_id FROM encryption_keys;",
    );
    // Anyone else would run them.
    let anyone = sql(&path);
    anyone.execute_batch("BEGIN; INSERT INTO encryption_keys VALUES ('mallory', x'00', '')").unwrap();
    assert_eq!(anyone.query_row("SELECT count(*) FROM stolen", (), |row| row.get::<_, i64>(0)), Ok(1));
    anyone.execute_batch("ROLLBACK").unwrap();

    let store = open(&path, &[1]).unwrap();
    assert!(works(&store, "alice") && works(&store, "bob"));
    assert_eq!(users(&path), ["alice", "bob"]);
    assert_eq!(value::<i64>(&path, "SELECT count(*) FROM stolen"), 0);
}

#[test]
fn a_view_in_the_place_of_own_tables_is_not_run() {
    let folder = Folder::new();
    let path = module_store(&folder);
    execute(&path, "CREATE VIEW keycask_meta AS SELECT 'must_read' AS name, 0 AS value");
    let store = open(&path, &[1]).unwrap();
    let refused = store.encrypt("alice", b"").unwrap_err();
    assert_eq!(refused.status(), Status::Corrupt, "{refused}");
    assert!(users(&path).is_empty());
}

#[test]
fn what_others_add_to_the_key_table_is_not_taken_for_a_defect_of_ours() {
    let folder = Folder::new();
    let path = module_store(&folder);
    execute(&path, "CREATE UNIQUE INDEX one ON encryption_keys(created_at > '')");
    let store = open(&path, &[1]).unwrap();
    assert!(works(&store, "alice"));
    assert_eq!(status(store.encrypt("bob", b"")), Err(Status::Corrupt));
    assert_eq!(users(&path), ["alice"]);
}

#[test]
fn a_hostile_file_puts_no_control_character_and_no_flood_into_a_message() {
    let folder = Folder::new();
    let path = module_store(&folder);
    let name = format!("\u{1b}[2J{}", "x".repeat(900));
    let file = sql(&path);
    file.execute_batch("CREATE TABLE other(x); PRAGMA writable_schema = ON").unwrap();
    file.execute("UPDATE sqlite_schema SET name = ?1, tbl_name = ?1, sql = ?1 WHERE name = 'other'", [name]).unwrap();
    drop(file);
    let error = open(&path, &[1]).unwrap_err();
    assert_eq!(error.status(), Status::Corrupt);
    assert!(!error.message().contains(char::is_control) && error.message().len() <= 400, "{error}");
}

#[test]
fn a_message_has_at_most_400_bytes_whatever_the_alphabet_of_paths_and_users() {
    let folder = Folder::new();
    for letter in ["x", "ж", "鍵", "🔑", "\u{7}"] {
        let location = folder.path(&format!("{}/{}.db", letter.repeat(60), letter.repeat(60)));
        let store = open(&location, &[1]).unwrap();
        let error = store.encrypt_with(&letter.repeat(1000), b"", EXISTING).unwrap_err();
        assert_eq!(error.status(), Status::UnknownUser);
        assert!(error.message().len() <= 400 && error.message().ends_with("encrypt for them first"), "{error}");
    }
}

// Damaged rows that no vector holds.

#[test]
fn a_row_without_a_wrapped_key_is_corrupt_and_never_replaced() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    // A table that lacks the module's NOT NULL, in which a row can hold anything.
    execute(&path, "CREATE TABLE encryption_keys(user_id TEXT PRIMARY KEY, encrypted_key BLOB, created_at TEXT)");
    let store = open(&path, &[1]).unwrap();
    assert!(works(&store, "good"));
    execute(
        &path,
        "INSERT INTO encryption_keys VALUES ('null', NULL, NULL), ('text', 'abc', ''), ('integer', 5, ''), ('real', 0.5, ''),
         ('empty', x'', ''), ('short', zeroblob(59), ''), ('long', zeroblob(61), ''), ('huge', zeroblob(5000000), ''),
         ('zeros', zeroblob(60), '')",
    );
    let before = footprint(&path);
    let token = store.encrypt("good", b"sk-acme").unwrap();
    for user in users(&path).iter().filter(|user| *user != "good") {
        assert_eq!(status(store.decrypt(user, token.as_bytes())), Err(Status::Corrupt), "{user}");
        assert_eq!(status(store.encrypt(user, b"")), Err(Status::Corrupt), "{user}");
        assert_eq!(status(store.user_key(user)), Err(Status::Corrupt), "{user}");
    }
    assert_eq!(footprint(&path), before);
    assert!(works(&open(&path, &[1]).unwrap(), "good"), "damaged rows keep a store from opening");
}

// Races for a first key.

#[test]
fn threads_that_race_for_first_keys_end_with_one_key_a_user() {
    const USERS: usize = 20;
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let stores = [open(&path, &[1]).unwrap(), open(&path, &[1]).unwrap()];
    let barrier = Barrier::new(8);
    let tokens: Vec<(usize, keycask::Result<String>)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (store, barrier) = (&stores[number % 2], &barrier);
                scope.spawn(move || {
                    (0..USERS)
                        .map(|user| {
                            barrier.wait();
                            (user, store.encrypt(&user.to_string(), b"sk-acme"))
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!((tokens.len(), users(&path).len()), (8 * USERS, USERS));
    let later = open(&path, &[1]).unwrap();
    for (user, token) in tokens {
        let token = token.unwrap();
        for store in [&stores[0], &stores[1], &later] {
            assert_eq!(store.decrypt(&user.to_string(), token.as_bytes()).unwrap().expose(), b"sk-acme");
        }
    }
}

#[test]
fn processes_that_race_for_a_new_store_and_first_keys_end_with_one_key_a_user() {
    const SELF: &str = "processes_that_race_for_a_new_store_and_first_keys_end_with_one_key_a_user";
    const USERS: usize = 40;
    if let Some(path) = common::part() {
        // All begin when the first process lets go of their standard input.
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        let store = open(&path, &[1]).unwrap();
        for user in 0..USERS {
            eprintln!("token {user} {}", store.encrypt(&user.to_string(), b"sk-acme").unwrap());
        }
        return;
    }
    let folder = Folder::new();
    let path = folder.path("a/b/keys.db");
    let mut racers: Vec<_> = (0..4)
        .map(|_| {
            again(SELF, &path).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let gates: Vec<_> = racers.iter_mut().map(|racer| racer.stdin.take()).collect();
    drop(gates);
    let outputs: Vec<_> = racers.into_iter().map(|racer| racer.wait_with_output().unwrap()).collect();

    let store = open(&path, &[1]).unwrap();
    let mut opened = 0;
    for output in &outputs {
        assert_passed("a racer", output);
        for line in String::from_utf8_lossy(&output.stderr).lines().filter(|line| line.starts_with("token ")) {
            let [_, user, token] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            assert_eq!(store.decrypt(user, token.as_bytes()).unwrap().expose(), b"sk-acme", "user {user}");
            opened += 1;
        }
    }
    assert_eq!((opened, users(&path).len(), registered(&path).len()), (4 * USERS, USERS, 1));
}

#[test]
fn those_who_race_to_make_a_store_all_open_it() {
    const STORES: usize = 100;
    let folder = Folder::new();
    let barrier = Barrier::new(4);
    let failures: Vec<keycask::Error> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..STORES)
                        .filter_map(|number| {
                            barrier.wait();
                            open(&folder.path(&format!("{number}/keys.db")), &[1]).err()
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(folder.names().len(), STORES);
}

#[test]
fn two_master_keys_never_both_fill_a_new_store() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let stores = [open(&path, &[1]).unwrap(), open(&path, &[2]).unwrap()];
    let barrier = Barrier::new(2);
    let refused: Vec<Option<Status>> = thread::scope(|scope| {
        let threads: Vec<_> = stores
            .iter()
            .zip(["alice", "bob"])
            .map(|(store, user)| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    store.encrypt(user, b"").err().map(|error| error.status())
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let winner = refused.iter().position(Option::is_none).unwrap();
    assert_eq!(refused[1 - winner], Some(Status::MasterKeyWrong));
    let (winner, loser) = (winner as u8 + 1, 2 - winner as u8);
    assert_eq!(registered(&path), [active(winner)]);
    assert_eq!(users(&path).len(), 1);
    assert_eq!(status(open(&path, &[loser])), Err(Status::MasterKeyWrong));
    assert_eq!(status(stores[usize::from(loser) - 1].user_key(&users(&path)[0])), Err(Status::MasterKeyWrong));
}

// Master keys.

#[test]
fn the_wrong_master_key_is_refused_at_opening_and_nothing_is_written() {
    let folder = Folder::new();
    let registered = folder.path("registered.db");
    open(&registered, &[1]).unwrap().encrypt("alice", b"").unwrap();
    let unregistered = module_store(&folder);
    common::add_module_row(&unregistered, "alice", &common::wrapped(&raw_key(1), &raw_key(9)));
    for path in [registered, unregistered] {
        let before = footprint(&path);
        for options in [Options::new(), Options::new().read_only(true)] {
            assert_eq!(status(Store::open(&path, ring(&[2]), &options)), Err(Status::MasterKeyWrong));
            assert_eq!(status(Store::open(&path, ring(&[2, 3, 4]), &options)), Err(Status::MasterKeyWrong));
        }
        assert_eq!(footprint(&path), before);
    }
}

#[test]
fn a_store_without_rows_takes_any_master_key() {
    let folder = Folder::new();
    let path = module_store(&folder);
    for number in 1..4 {
        open(&path, &[number]).unwrap();
    }
    assert!(works(&open(&path, &[9]).unwrap(), "alice"));
}

#[test]
fn of_a_store_without_registered_keys_the_first_1000_rows_are_tried() {
    let folder = Folder::new();
    let path = module_store(&folder);
    let fill = |others: i64| {
        let file = sql(&path);
        file.execute_batch("BEGIN; DELETE FROM encryption_keys").unwrap();
        let other = common::wrapped(&raw_key(2), &raw_key(9));
        let ours = common::wrapped(&raw_key(1), &raw_key(8));
        // Names in falling order: the rows count in the order of their making, not of their names.
        for row in 0..others {
            let user = format!("user {:04}", 5000 - row);
            file.execute("INSERT INTO encryption_keys VALUES (?, ?, '')", (user, &other)).unwrap();
        }
        file.execute("INSERT INTO encryption_keys VALUES ('alice', ?, '')", [&ours]).unwrap();
        file.execute_batch("COMMIT").unwrap();
    };
    fill(999);
    assert!(works(&open(&path, &[1]).unwrap(), "alice"));
    fill(1000);
    assert_eq!(status(open(&path, &[1])), Err(Status::MasterKeyWrong));
    assert!(works(&open(&path, &[2]).unwrap(), "user 5000"));
}

#[test]
fn where_master_keys_are_registered_rows_are_not_asked() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    open(&path, &[1]).unwrap().encrypt("alice", b"").unwrap();
    execute(&path, "UPDATE encryption_keys SET encrypted_key = zeroblob(60)");
    let store = open(&path, &[1]).unwrap();
    assert_eq!(status(store.user_key("alice")), Err(Status::Corrupt));
    assert_eq!(status(open(&path, &[2])), Err(Status::MasterKeyWrong));
}

#[test]
fn rows_under_any_given_key_open_and_new_ones_are_made_under_the_first() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let tokens: Vec<String> = [vec![1], vec![2, 1], vec![3, 2, 1]]
        .iter()
        .map(|numbers| {
            let user = format!("user of {}", numbers[0]);
            open(&path, numbers).unwrap().encrypt(&user, b"sk-acme").unwrap()
        })
        .collect();
    for number in 1..4 {
        assert!(key_in_row(&path, &format!("user of {number}"), number).is_ok());
    }
    assert_eq!(registered(&path), [active(1), active(2), active(3)]);
    for numbers in [[1, 2, 3], [3, 1, 2]] {
        let store = open(&path, &numbers).unwrap();
        for (token, number) in tokens.iter().zip(1..) {
            let opened = store.decrypt(&format!("user of {number}"), token.as_bytes()).unwrap();
            assert_eq!(opened.expose(), b"sk-acme");
        }
        let user = format!("new, {numbers:?}");
        store.encrypt(&user, b"").unwrap();
        assert!(key_in_row(&path, &user, numbers[0]).is_ok());
    }
}

#[test]
fn a_row_under_a_key_that_was_not_given_is_no_damage() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    open(&path, &[1]).unwrap().encrypt("alice", b"").unwrap();
    open(&path, &[2, 1]).unwrap().encrypt("bob", b"").unwrap();
    let store = open(&path, &[1]).unwrap();
    assert!(works(&store, "alice"));
    assert_eq!(status(store.user_key("bob")), Err(Status::MasterKeyWrong));
    assert_eq!(status(store.encrypt("bob", b"")), Err(Status::MasterKeyWrong));
    // Once the missing key is no active one, the row can be of no use to anyone.
    set_state(&path, 2, "retired");
    assert_eq!(status(store.user_key("bob")), Err(Status::Corrupt));
}

#[test]
fn a_key_given_twice_counts_once_and_16_are_the_most() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    assert!(works(&open(&path, &[1, 1, 1]).unwrap(), "alice"));
    assert_eq!(registered(&path), [active(1)]);
    let numbers: Vec<u8> = (1..=16).collect();
    assert!(works(&open(&path, &numbers).unwrap(), "alice"));
    let raw: Vec<u8> = (1..=17).flat_map(raw_key).collect();
    assert_eq!(status(MasterKeys::from_bytes(&raw)), Err(Status::Limit));
    assert_eq!(status(MasterKeys::from_bytes(&raw[..33])), Err(Status::MasterKeyInvalid));
    assert_eq!(status(MasterKeys::from_bytes(&[])), Err(Status::MasterKeyMissing));
    assert_eq!(status(MasterKeys::new(Vec::new())), Err(Status::MasterKeyMissing));
}

#[test]
fn a_new_master_key_is_registered_only_beside_an_active_one() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    open(&path, &[1]).unwrap().encrypt("alice", b"").unwrap();
    open(&path, &[2, 1]).unwrap().user_key("alice").unwrap();
    assert_eq!(registered(&path), [active(1)], "reading registered a key");
    open(&path, &[2, 1]).unwrap().encrypt("bob", b"").unwrap();
    assert_eq!(registered(&path), [active(1), active(2)]);

    // A store that was opened in time finds its active key retired when it is to register another.
    let store = open(&path, &[3, 1]).unwrap();
    set_state(&path, 1, "retired");
    assert_eq!(status(store.encrypt("carol", b"")), Err(Status::MasterKeyWrong));
    assert_eq!(users(&path), ["alice", "bob"]);
    assert_eq!(registered(&path).len(), 2);
}

#[test]
fn the_first_creation_in_a_store_of_the_module_registers_the_keys_that_open_it() {
    for (given, due) in
        [(vec![1], vec![1]), (vec![2, 1], vec![1, 2]), (vec![1, 2], vec![1]), (vec![4, 3, 1], vec![3, 1, 4])]
    {
        let folder = Folder::new();
        let path = module_store(&folder);
        // Rows of two master keys, as a rotation by other means would leave them.
        common::add_module_row(&path, "alice", &common::wrapped(&raw_key(1), &raw_key(8)));
        if given.contains(&3) {
            execute(&path, "DELETE FROM encryption_keys");
            common::add_module_row(&path, "carol", &common::wrapped(&raw_key(3), &raw_key(8)));
            common::add_module_row(&path, "alice", &common::wrapped(&raw_key(1), &raw_key(8)));
        }
        open(&path, &given).unwrap().encrypt("bob", b"").unwrap();
        let due: Vec<String> = due.into_iter().map(active).collect();
        assert_eq!(registered(&path), due, "{given:?}");
        assert!(key_in_row(&path, "bob", given[0]).is_ok());
    }
}

#[test]
fn a_key_that_is_not_active_opens_no_store_alone() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    open(&path, &[1]).unwrap().encrypt("alice", b"").unwrap();
    open(&path, &[2, 1]).unwrap().encrypt("bob", b"").unwrap();
    for state in ["retiring", "retired"] {
        set_state(&path, 1, state);
        assert_eq!(status(open(&path, &[1])), Err(Status::MasterKeyWrong), "{state}");
        assert_eq!(status(open(&path, &[1, 3])), Err(Status::MasterKeyWrong), "{state}");

        let rolled_back = open(&path, &[1, 2]).unwrap();
        assert!(works(&rolled_back, "alice") && works(&rolled_back, "bob"), "{state}");
        assert_eq!(status(rolled_back.encrypt("carol", b"")), Err(Status::MasterKeyWrong), "{state}");

        let user = format!("new beside {state}");
        assert!(works(&open(&path, &[2, 1]).unwrap(), &user), "{state}");
        assert!(key_in_row(&path, &user, 2).is_ok(), "{state}");
        let states: Vec<String> = common::column(&path, "SELECT state FROM keycask_master ORDER BY rowid");
        assert_eq!(states, [state, "active"], "a state was changed back");
    }
}

#[test]
fn a_store_whose_key_is_retired_while_it_is_open_reads_on_and_creates_nothing() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = open(&path, &[1]).unwrap();
    assert!(works(&store, "alice"));
    open(&path, &[2, 1]).unwrap().encrypt("bob", b"").unwrap();
    set_state(&path, 1, "retiring");
    assert!(works(&store, "alice"));
    let refused = store.encrypt("carol", b"").unwrap_err();
    assert_eq!(refused.status(), Status::MasterKeyWrong, "{refused}");
    assert_eq!(users(&path), ["alice", "bob"]);
}

#[test]
fn a_registry_that_is_no_registry_is_corrupt() {
    let damages = [
        "UPDATE keycask_master SET state = 'Active'",
        "UPDATE keycask_master SET state = NULL",
        "UPDATE keycask_master SET id = x'00'",
        "UPDATE keycask_master SET id = 'sixteen letters!'",
        "DELETE FROM keycask_meta WHERE name = 'must_read'",
        "DELETE FROM keycask_meta WHERE name = 'must_write'",
        "UPDATE keycask_meta SET value = -1 WHERE name = 'must_read'",
        "UPDATE keycask_meta SET value = NULL WHERE name = 'must_read'",
        "UPDATE keycask_meta SET value = 'none' WHERE name = 'must_write'",
        "DROP TABLE keycask_meta; CREATE TABLE keycask_meta(x)",
        "DROP TABLE keycask_master; CREATE TABLE keycask_master(x)",
    ];
    for damage in damages {
        let folder = Folder::new();
        let path = folder.path("keys.db");
        open(&path, &[1]).unwrap().encrypt("alice", b"").unwrap();
        execute(&path, damage);
        let before = footprint(&path);
        assert_eq!(status(open(&path, &[1])), Err(Status::Corrupt), "{damage}");
        assert_eq!(footprint(&path), before, "{damage}");
    }
}

// Demands of newer releases.

fn demand(path: &str, name: &str, bits: i64) {
    let changed = sql(path).execute("UPDATE keycask_meta SET value = ? WHERE name = ?", (bits, name));
    assert_eq!(changed, Ok(1));
}

#[test]
fn an_unknown_bit_in_must_read_forbids_opening_and_creating() {
    for bits in [2, 1 << 40, i64::MAX] {
        let folder = Folder::new();
        let path = folder.path("keys.db");
        let store = open(&path, &[1]).unwrap();
        assert!(works(&store, "alice"));
        demand(&path, "must_read", bits);
        let before = footprint(&path);
        assert_eq!(status(open(&path, &[1])), Err(Status::Unsupported));
        assert_eq!(status(Store::open(&path, ring(&[1]), &Options::new().read_only(true))), Err(Status::Unsupported));
        assert_eq!(status(store.encrypt("bob", b"")), Err(Status::Unsupported));
        assert_eq!(footprint(&path), before);
    }
}

#[test]
fn an_unknown_bit_in_must_write_forbids_creating_alone() {
    for bits in [2, 1 << 40, i64::MAX] {
        let folder = Folder::new();
        let path = folder.path("keys.db");
        open(&path, &[1]).unwrap().encrypt("alice", b"").unwrap();
        demand(&path, "must_write", bits);
        let before = footprint(&path);
        let store = open(&path, &[1]).unwrap();
        assert!(works(&store, "alice"));
        assert_eq!(status(store.encrypt("bob", b"")), Err(Status::Unsupported));
        assert_eq!(footprint(&path), before);
    }
}

// Waiting for others.

#[test]
fn a_store_that_others_have_locked_is_busy_when_the_timeout_has_passed() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let token = open(&path, &[1]).unwrap().encrypt("alice", b"sk-acme").unwrap();
    let patient = Store::open(&path, ring(&[1]), &Options::new().busy_timeout(Duration::from_secs(60))).unwrap();
    let impatient = Options::new().busy_timeout(Duration::ZERO).cache_users(0);
    let store = Store::open(&path, ring(&[1]), &impatient).unwrap();
    let other = sql(&path);

    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(status(store.encrypt("bob", b"")), Err(Status::Busy));
    assert_eq!(store.decrypt("alice", token.as_bytes()).unwrap().expose(), b"sk-acme", "a reader need not wait");
    other.execute_batch("COMMIT; BEGIN EXCLUSIVE").unwrap();
    assert_eq!(status(store.decrypt("alice", token.as_bytes())), Err(Status::Busy));
    assert_eq!(status(Store::open(&path, ring(&[1]), &impatient)), Err(Status::Busy));

    thread::scope(|scope| {
        let waiting = scope.spawn(|| works(&patient, "carol"));
        other.execute_batch("COMMIT").unwrap();
        assert!(waiting.join().unwrap());
    });
    assert!(works(&store, "bob"));
}

// The cache.

#[test]
fn cached_only_touches_no_store() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let token = open(&path, &[1]).unwrap().encrypt("alice", b"sk-acme").unwrap();
    let store = open(&path, &[1]).unwrap();
    assert_eq!(status(store.decrypt_with("alice", token.as_bytes(), CACHED_ONLY)), Err(Status::WouldBlock));
    assert_eq!(status(store.encrypt_with("alice", b"", CACHED_ONLY)), Err(Status::WouldBlock));
    assert_eq!(status(store.encrypt_with("bob", b"", CACHED_ONLY)), Err(Status::WouldBlock));
    assert_eq!(users(&path), ["alice"]);

    store.decrypt("alice", token.as_bytes()).unwrap();
    // Whoever touched the store now would have to wait for it.
    let other = sql(&path);
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let opened = store.decrypt_with("alice", token.as_bytes(), CACHED_ONLY).unwrap();
    assert_eq!(opened.expose(), b"sk-acme");
    assert!(store.encrypt_with("alice", b"", CACHED_ONLY).is_ok());
    assert_eq!(status(store.decrypt_with("bob", token.as_bytes(), CACHED_ONLY)), Err(Status::WouldBlock));

    let uncached = Options::new().cache_users(0);
    other.execute_batch("COMMIT").unwrap();
    let store = Store::open(&path, ring(&[1]), &uncached).unwrap();
    assert!(works(&store, "alice"));
    assert_eq!(status(store.encrypt_with("alice", b"", CACHED_ONLY)), Err(Status::WouldBlock));
}

#[test]
fn a_cache_of_any_size_gives_every_user_their_own_key() {
    for size in [0, 1, 2, 65_536] {
        let folder = Folder::new();
        let store = Store::open(&folder.path("keys.db"), ring(&[1]), &Options::new().cache_users(size)).unwrap();
        let names = ["alice", "bob", "carol"];
        let tokens: Vec<String> = names.iter().map(|user| store.encrypt(user, user.as_bytes()).unwrap()).collect();
        for _ in 0..3 {
            for (user, token) in names.iter().zip(&tokens) {
                assert_eq!(store.decrypt(user, token.as_bytes()).unwrap().expose(), user.as_bytes(), "cache of {size}");
                let other = if *user == "alice" { "bob" } else { "alice" };
                assert_eq!(
                    status(store.decrypt(other, token.as_bytes())),
                    Err(Status::Authentication),
                    "cache of {size}"
                );
            }
        }
    }
}

#[test]
fn a_cache_of_one_keeps_the_last_user() {
    let store = Store::open(":memory:", ring(&[1]), &Options::new().cache_users(1)).unwrap();
    store.encrypt("alice", b"").unwrap();
    assert!(store.encrypt_with("alice", b"", CACHED_ONLY).is_ok());
    store.encrypt("bob", b"").unwrap();
    assert!(store.encrypt_with("bob", b"", CACHED_ONLY).is_ok());
    assert_eq!(status(store.encrypt_with("alice", b"", CACHED_ONLY)), Err(Status::WouldBlock));
}

#[test]
fn existing_makes_no_key_and_serves_who_has_one() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = open(&path, &[1]).unwrap();
    assert_eq!(status(store.encrypt_with("alice", b"", EXISTING)), Err(Status::UnknownUser));
    assert!(users(&path).is_empty());
    store.encrypt("alice", b"").unwrap();
    assert!(store.encrypt_with("alice", b"", EXISTING).is_ok());
}

#[test]
fn a_key_from_a_store_works_when_the_store_is_dropped() {
    let (key, token) = {
        let store = open(":memory:", &[1]).unwrap();
        (store.user_key("alice").unwrap(), store.encrypt("alice", b"sk-acme").unwrap())
    };
    assert_eq!(key.decrypt(token.as_bytes()).unwrap().expose(), b"sk-acme");
}

// Secrets.

#[test]
fn nothing_prints_a_secret() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let raw = raw_key(0xa7);
    let master_key = MasterKey::from_bytes(&raw);
    let master_key_text = String::from_utf8(master_key.to_text().expose().to_vec()).unwrap();
    let store = open(&path, &[0xa7]).unwrap();
    let token = store.encrypt("alice", b"sk-acme").unwrap();
    let secret: SecretBytes = store.decrypt("alice", token.as_bytes()).unwrap();
    let printed = [
        format!("{store:?} {store:#?}"),
        format!("{:?}", store.user_key("alice").unwrap()),
        format!("{:?}", store.pool_key()),
        format!("{:?}", Key::import(&raw).unwrap()),
        format!("{:?} {:?}", master_key, master_key.to_text()),
        format!("{:?}", ring(&[0xa7, 1])),
        format!("{secret:?}"),
        format!("{:?}", store.decrypt("bob", token.as_bytes()).unwrap_err()),
        format!("{:?}", store.decrypt("alice", b"sk-acme").unwrap_err()),
    ];
    let user_key = store.user_key("alice").unwrap().export().unwrap().expose().to_vec();
    let forms = |bytes: &[u8]| [common::hex(bytes), format!("{bytes:?}"), format!("{bytes:02x?}")];
    let mut secrets: Vec<String> = [forms(&raw), forms(&user_key), forms(b"sk-acme")].concat();
    secrets.extend([master_key_text, "sk-acme".into(), token]);
    for (printed, secret) in printed.iter().flat_map(|printed| secrets.iter().map(move |secret| (printed, secret))) {
        let inner = secret.trim_matches(['[', ']']);
        assert!(!printed.contains(inner), "{printed} holds {secret}");
    }
    assert!(printed[0].contains(&path), "{}", printed[0]);
}

#[test]
fn nothing_of_a_secret_is_in_the_stores_file() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = open(&path, &[0xa7]).unwrap();
    let token = store.encrypt("alice", b"sk-acme-0123456789").unwrap();
    let file = fs::read(&path).unwrap();
    let user_key = store.user_key("alice").unwrap().export().unwrap();
    let pool_key = store.pool_key().export().unwrap();
    for secret in [&raw_key(0xa7)[..], user_key.expose(), pool_key.expose(), b"sk-acme-0123456789", token.as_bytes()] {
        assert!(!file.windows(secret.len()).any(|window| window == secret));
    }
    assert!(file.windows(5).any(|window| window == b"alice"), "the file was read before it was written");
}

// What changes elsewhere ----------------------------------------------------------------------------------------------

/// A store with the key of alice cached, a token of hers, and the key as a value of its own.
fn with_alice(path: &str) -> (Store, String, Key) {
    let store = open(path, &[1]).unwrap();
    let token = store.encrypt("alice", b"sk-acme").unwrap();
    let key = store.user_key("alice").unwrap();
    (store, token, key)
}

#[test]
fn a_key_that_another_program_removed_is_used_no_longer_once_a_look_is_due() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let (store, token, key) = with_alice(&path);
    execute(&path, "DELETE FROM encryption_keys WHERE user_id = 'alice'");
    store.expire(false);
    assert_eq!(status(store.decrypt("alice", token.as_bytes())), Err(Status::UnknownUser));
    assert_eq!(status(key.decrypt(token.as_bytes())), Err(Status::UnknownUser));
    assert_eq!(status(key.encrypt(b"")), Err(Status::UnknownUser));
    assert_eq!(status(key.export()), Err(Status::UnknownUser));
    // A key made anew is another one.
    assert!(works(&store, "alice"));
    assert_eq!(status(store.decrypt("alice", token.as_bytes())), Err(Status::Authentication));
}

#[test]
fn users_that_are_made_here_cost_those_who_are_cached_no_read() {
    let folder = Folder::new();
    let (store, token, key) = with_alice(&folder.path("keys.db"));
    let mut reads = Vec::new();
    for newcomer in ["bob", "carol"] {
        store.encrypt(newcomer, b"").unwrap();
        store.expire(false);
        assert_eq!(status(store.decrypt("alice", token.as_bytes())), Ok(()));
        assert_eq!(status(key.decrypt(token.as_bytes())), Ok(()));
        reads.push(store.stats().store_reads);
    }
    assert_eq!(reads[1] - reads[0], 1, "carol was looked for once, and alice not at all");
}

#[test]
fn what_another_program_does_beside_users_that_are_made_here_is_seen() {
    for journal in ["DELETE", "WAL"] {
        for foreign_first in [true, false] {
            let folder = Folder::new();
            let path = folder.path("keys.db");
            let (store, token, _) = with_alice(&path);
            execute(&path, &format!("PRAGMA journal_mode = {journal}"));
            store.expire(false);
            store.encrypt("bob", b"").unwrap();
            assert_eq!(status(store.decrypt("alice", token.as_bytes())), Ok(()));
            let remove = || execute(&path, "DELETE FROM encryption_keys WHERE user_id = 'alice'");
            if foreign_first {
                remove();
            }
            store.encrypt("carol", b"").unwrap();
            if !foreign_first {
                remove();
            }
            store.expire(false);
            let opened = status(store.decrypt("alice", token.as_bytes()));
            assert_eq!(opened, Err(Status::UnknownUser), "{journal}, {foreign_first}");
        }
    }
}

#[test]
fn a_key_that_another_program_replaced_is_taken_over_at_once_by_a_token_that_it_made() {
    for journal in ["DELETE", "WAL"] {
        let folder = Folder::new();
        let path = folder.path("keys.db");
        let (_, old_token, _) = with_alice(&path);
        execute(&path, &format!("PRAGMA journal_mode = {journal}"));
        let (store, _, key) = with_alice(&path);
        let foreign = Key::import(&raw_key(8)).unwrap().encrypt(b"").unwrap();
        for number in [9, 10] {
            // Also when the store has been looked at a moment ago.
            assert_eq!(status(store.decrypt("alice", foreign.as_bytes())), Err(Status::Authentication));
            let replaced = Key::import(&raw_key(number)).unwrap();
            sql(&path)
                .execute(
                    "UPDATE encryption_keys SET encrypted_key = ? WHERE user_id = 'alice'",
                    [common::wrapped(&raw_key(1), &raw_key(number))],
                )
                .unwrap();
            // No second has passed: the refused token makes the store look.
            let new_token = replaced.encrypt(b"sk-new").unwrap();
            assert_eq!(store.decrypt("alice", new_token.as_bytes()).unwrap().expose(), b"sk-new", "{journal}");
            assert_eq!(key.decrypt(new_token.as_bytes()).unwrap().expose(), b"sk-new");
            assert_eq!(status(store.decrypt("alice", old_token.as_bytes())), Err(Status::Authentication));
            assert_eq!(replaced.decrypt(key.encrypt(b"sk").unwrap().as_bytes()).unwrap().expose(), b"sk");
        }
    }
}

#[test]
fn a_token_of_another_key_is_refused_without_waiting_for_whoever_has_the_store_locked() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    with_alice(&path);
    let store = Store::open(&path, ring(&[1]), &Options::new().busy_timeout(Duration::ZERO)).unwrap();
    store.encrypt("alice", b"sk-acme").unwrap();
    let foreign = Key::import(&raw_key(9)).unwrap().encrypt(b"").unwrap();
    let refused = || status(store.decrypt("alice", foreign.as_bytes()));
    assert_eq!(refused(), Err(Status::Authentication));
    let other = sql(&path);
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(refused(), Err(Status::Authentication));
    other.execute_batch("DELETE FROM encryption_keys; COMMIT").unwrap();
    assert_eq!(refused(), Err(Status::UnknownUser));
}

#[test]
fn cached_only_never_looks_when_a_look_is_due() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let (store, token, _) = with_alice(&path);
    let cached_only = || status(store.decrypt_with("alice", token.as_bytes(), CACHED_ONLY));
    assert_eq!(cached_only(), Ok(()));
    store.expire(false);
    assert_eq!(cached_only(), Err(Status::WouldBlock));
    store.decrypt("alice", token.as_bytes()).unwrap();
    assert_eq!(cached_only(), Ok(()));
    let foreign = Key::import(&raw_key(9)).unwrap().encrypt(b"").unwrap();
    assert_eq!(status(store.decrypt_with("alice", foreign.as_bytes(), CACHED_ONLY)), Err(Status::WouldBlock));
}

#[test]
fn a_locked_store_serves_cached_keys_and_says_busy_when_that_has_lasted_too_long() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    with_alice(&path);
    let store = Store::open(&path, ring(&[1]), &Options::new().busy_timeout(Duration::ZERO)).unwrap();
    let token = store.encrypt("alice", b"sk-acme").unwrap();
    let other = sql(&path);
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    store.expire(false);
    assert_eq!(status(store.decrypt("alice", token.as_bytes())), Ok(()));
    store.expire(true);
    assert_eq!(status(store.decrypt("alice", token.as_bytes())), Err(Status::Busy));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(status(store.decrypt("alice", token.as_bytes())), Ok(()));
}

#[test]
fn a_restored_backup_is_picked_up_as_opening_would() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let (store, token, _) = with_alice(&path);
    fs::copy(&path, folder.path("backup.db")).unwrap();
    let later = store.encrypt("bob", b"sk-bob").unwrap();
    fs::rename(folder.path("backup.db"), &path).unwrap();
    store.expire(false);
    assert_eq!(store.decrypt("alice", token.as_bytes()).unwrap().expose(), b"sk-acme");
    assert_eq!(status(store.decrypt("bob", later.as_bytes())), Err(Status::UnknownUser));
    assert!(works(&store, "bob"), "nothing can be made in the restored store");
    assert_eq!(users(&path), ["alice", "bob"]);

    open(&folder.path("foreign.db"), &[3]).unwrap().encrypt("alice", b"").unwrap();
    fs::rename(folder.path("foreign.db"), &path).unwrap();
    let before = footprint(&path);
    store.expire(false);
    assert_eq!(status(store.decrypt("alice", token.as_bytes())), Err(Status::MasterKeyWrong));
    assert_eq!(status(store.encrypt("carol", b"")), Err(Status::MasterKeyWrong));
    assert_eq!(footprint(&path), before);
}

#[test]
fn a_bit_that_a_newer_program_set_meanwhile_ends_reading() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let (store, token, _) = with_alice(&path);
    execute(&path, "UPDATE keycask_meta SET value = 4 WHERE name = 'must_read'");
    store.expire(false);
    assert_eq!(status(store.decrypt("alice", token.as_bytes())), Err(Status::Unsupported));
    execute(&path, "UPDATE keycask_meta SET value = 0 WHERE name = 'must_read'");
    store.expire(false);
    assert_eq!(status(store.decrypt("alice", token.as_bytes())), Ok(()));
}

#[test]
fn a_full_cache_keeps_those_who_were_used_last() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = Store::open(&path, ring(&[1]), &Options::new().cache_users(64)).unwrap();
    let names: Vec<String> = (0..400).map(|number| format!("user {number}")).collect();
    let insert = |connection: &rusqlite::Connection, user: &str| {
        connection
            .execute(
                "INSERT INTO encryption_keys VALUES (?, ?, '')",
                rusqlite::params![user, common::wrapped(&raw_key(1), &raw_key(7))],
            )
            .unwrap();
    };
    let connection = sql(&path);
    connection.execute_batch("BEGIN").unwrap();
    names.iter().for_each(|user| insert(&connection, user));
    connection.execute_batch("COMMIT").unwrap();

    let cached = |user: &str| store.encrypt_with(user, b"", CACHED_ONLY).is_ok();
    store.encrypt("user 0", b"").unwrap();
    for user in &names[1..] {
        store.encrypt(user, b"").unwrap();
        store.encrypt("user 0", b"").unwrap();
    }
    assert!(cached("user 0"), "the one who is always used has left");
    let kept = names.iter().filter(|user| cached(user)).count();
    assert!((32..=64).contains(&kept), "{kept} of at most 64 users are cached");
    let late = names[336..].iter().filter(|user| cached(user)).count();
    assert!(late > kept / 2, "of {kept} cached users only {late} are among the last 64");
}

#[test]
fn threads_that_ask_for_one_uncached_user_all_get_their_key() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let (_, token, _) = with_alice(&path);
    let store = open(&path, &[1]).unwrap();
    let together = Barrier::new(32);
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                together.wait();
                assert_eq!(store.decrypt("alice", token.as_bytes()).unwrap().expose(), b"sk-acme");
                assert_eq!(status(store.decrypt("nobody", token.as_bytes())), Err(Status::UnknownUser));
            });
        }
    });
}
