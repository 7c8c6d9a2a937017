//! A host program in Rust, whose rusqlite is the very SQLite that keycask uses, on the same file in the same process; and
//! several stores of one process on one file.

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use keycask::{Options, Status, Store};

use common::{Folder, execute, open, ring, sql, value};

/// An SQLite connection of the host's, which waits.
fn host(path: &str) -> rusqlite::Connection {
    let connection = sql(path);
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    connection
}

fn patient() -> Options {
    Options::new().busy_timeout(Duration::from_secs(30))
}

fn to_wal(path: &str) {
    sql(path).query_row("PRAGMA journal_mode = WAL", (), |_| Ok(())).unwrap();
}

#[test]
fn a_hosts_rusqlite_and_keycask_write_one_file_and_lose_nothing() {
    const ROWS: usize = 150;
    for wal in [false, true] {
        let folder = Folder::new();
        let path = folder.path("keys.db");
        open(&path, &[1]).unwrap();
        execute(&path, "CREATE TABLE host(number INTEGER)");
        if wal {
            to_wal(&path);
        }
        let tokens = thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..ROWS {
                    // Opened and closed at will.
                    let connection = host(&path);
                    connection.execute("INSERT INTO host VALUES (?)", [number as i64]).unwrap();
                    let seen: i64 = connection.query_row("SELECT count(*) FROM host", (), |row| row.get(0)).unwrap();
                    assert_eq!(seen, number as i64 + 1);
                }
            });
            let creator = scope.spawn(|| {
                let mut tokens = BTreeMap::new();
                for number in 0..ROWS {
                    let store = Store::open(&path, ring(&[1]), &patient()).unwrap();
                    let user = format!("user {number}");
                    let token = store.encrypt(&user, user.as_bytes()).unwrap();
                    tokens.insert(user, token);
                }
                tokens
            });
            creator.join().unwrap()
        });
        let store = open(&path, &[1]).unwrap();
        for (user, token) in &tokens {
            assert_eq!(store.decrypt(user, token.as_bytes()).unwrap().expose(), user.as_bytes(), "WAL: {wal}");
        }
        assert_eq!(value::<i64>(&path, "SELECT count(*) FROM host"), ROWS as i64);
        assert_eq!(value::<i64>(&path, "SELECT count(*) FROM encryption_keys"), ROWS as i64);
        assert_eq!(value::<String>(&path, "PRAGMA integrity_check"), "ok");
    }
}

#[test]
fn a_hosts_lock_holds_while_stores_are_opened_and_freed_and_is_heeded() {
    for wal in [false, true] {
        let folder = Folder::new();
        let path = folder.path("keys.db");
        let token = open(&path, &[1]).unwrap().encrypt("alice", b"sk-acme").unwrap();
        if wal {
            to_wal(&path);
        }
        let impatient = Options::new().busy_timeout(Duration::ZERO);
        let writer = host(&path);
        writer.execute_batch("BEGIN IMMEDIATE").unwrap();
        let refused = |what: &str| {
            let other = sql(&path);
            other.busy_timeout(Duration::ZERO).unwrap();
            let error = other.execute_batch("BEGIN IMMEDIATE").unwrap_err();
            assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy), "{what}, WAL: {wal}");
        };
        refused("at first");
        for _ in 0..20 {
            let store = Store::open(&path, ring(&[1]), &impatient).unwrap();
            refused("while a store is open");
            assert_eq!(store.decrypt("alice", token.as_bytes()).unwrap().expose(), b"sk-acme");
            assert_eq!(store.encrypt("bob", b"").unwrap_err().status(), Status::Busy);
            refused("after calls");
            drop(store);
            refused("after a store was freed");
        }
        writer.execute_batch("COMMIT").unwrap();
        open(&path, &[1]).unwrap().encrypt("bob", b"").unwrap();
    }
}

#[test]
fn stores_of_one_process_on_one_file_by_other_names_and_options_work_together() {
    for wal in [false, true] {
        let folder = Folder::new();
        let (path, link) = (folder.path("keys.db"), folder.path("link"));
        open(&path, &[1]).unwrap();
        if wal {
            to_wal(&path);
        }
        symlink(&path, &link).unwrap();
        let dotted =
            folder.path("../") + folder.path("").trim_end_matches('/').rsplit('/').next().unwrap() + "/./keys.db";
        let names = [path.as_str(), link.as_str(), dotted.as_str()];
        let options = [patient(), patient().cache_users(0), patient().cache_users(1)];
        let reader = Store::open(&link, ring(&[2, 1]), &patient().read_only(true)).unwrap();
        let all: Vec<(String, String)> = thread::scope(|scope| {
            let threads: Vec<_> = names
                .iter()
                .zip(&options)
                .map(|(name, options)| {
                    scope.spawn(move || {
                        let store = Store::open(name, ring(&[1]), options).unwrap();
                        let made = |number| {
                            let user = format!("user {number}");
                            let token = store.encrypt(&user, user.as_bytes()).unwrap();
                            (user, token)
                        };
                        (0..40).map(made).collect::<Vec<_>>()
                    })
                })
                .collect();
            threads.into_iter().flat_map(|each| each.join().unwrap()).collect()
        });
        assert_eq!(value::<i64>(&path, "SELECT count(*) FROM encryption_keys"), 40, "one key a user");
        for (user, token) in &all {
            assert_eq!(reader.decrypt(user, token.as_bytes()).unwrap().expose(), user.as_bytes());
        }
        assert_eq!(folder.names().iter().filter(|name| name.contains("journal")).count(), 0);
    }
}

#[test]
fn one_users_miss_keeps_no_other_users_hit_waiting() {
    let folder = Folder::new();
    let path = folder.path("keys.db");
    let store = Store::open(&path, ring(&[1]), &patient()).unwrap();
    let cached = store.encrypt("cached", b"sk-acme").unwrap();
    let uncached = open(&path, &[1]).unwrap().encrypt("uncached", b"sk-acme").unwrap();
    let locking = host(&path);
    locking.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let answered = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            store.decrypt("uncached", uncached.as_bytes()).unwrap();
            answered.store(true, Ordering::SeqCst);
        });
        // It waits for a lock that only this thread lets go.
        while store.stats().busy_waits < 3 {
            thread::yield_now();
        }
        for _ in 0..1_000 {
            store.decrypt("cached", cached.as_bytes()).unwrap();
            store.encrypt("cached", b"sk-acme").unwrap();
        }
        assert!(!answered.load(Ordering::SeqCst));
        locking.execute_batch("COMMIT").unwrap();
        waiting.join().unwrap();
    });
}
