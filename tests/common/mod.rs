//! What the tests share: keys and rings, folders, a look at a store past keycask, and processes of their own.

// Every test file is a program of its own, and uses a part of this.
#![allow(dead_code)]

#[cfg(feature = "capi")]
pub mod c;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;
use std::{env, fs};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use keycask::{KEY_SIZE, Key, MasterKey, MasterKeys, Options, Store};
use rusqlite::types::FromSql;

pub type RawKey = [u8; KEY_SIZE];

/// A master key of 32 equal bytes, by which a test tells its keys apart.
pub fn raw_key(number: u8) -> RawKey {
    [number; KEY_SIZE]
}

/// The ring of the master keys with these numbers, the current one first.
pub fn ring(numbers: &[u8]) -> MasterKeys {
    MasterKeys::new(numbers.iter().map(|&number| MasterKey::from_bytes(&raw_key(number))).collect()).unwrap()
}

/// Opens a store under these master keys with the default options.
pub fn open(path: &str, numbers: &[u8]) -> keycask::Result<Store> {
    Store::open(path, ring(numbers), &Options::new())
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "half a byte in {text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A folder that goes with the test.
pub struct Folder {
    path: PathBuf,
    owned: Option<tempfile::TempDir>,
}

impl Folder {
    pub fn new() -> Folder {
        let owned = tempfile::tempdir().unwrap();
        Folder { path: owned.path().to_path_buf(), owned: Some(owned) }
    }

    /// A folder of another process.
    pub fn at(path: &str) -> Folder {
        Folder { path: path.into(), owned: None }
    }

    /// The path of `name` in the folder.
    pub fn path(&self, name: &str) -> String {
        self.path.join(name).to_str().unwrap().to_string()
    }

    /// A copy of a file of `tests/vectors`, which itself stays as it is.
    pub fn copy_of_vector(&self, name: &str) -> String {
        let path = self.path(name);
        fs::copy(repository("tests/vectors").join(name), &path).unwrap();
        path
    }

    /// What lies in the folder, sorted.
    pub fn names(&self) -> Vec<String> {
        names_in(&self.path)
    }

    /// Lets every user of the machine into the folder.
    pub fn open_to_all(&self) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o777)).unwrap();
    }
}

impl Drop for Folder {
    /// Gives back the right to empty the folders in it, which a test may have taken away.
    fn drop(&mut self) {
        use std::os::unix::fs::PermissionsExt;
        for folder in fs::read_dir(&self.path).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if self.owned.is_some() && folder.is_dir() && !folder.is_symlink() {
                let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
            }
        }
    }
}

pub fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A file as a reader must leave it: its bytes, when they last changed, and what lies in its folder.
#[derive(PartialEq, Debug)]
pub struct Footprint {
    bytes: Vec<u8>,
    modified: SystemTime,
    beside: Vec<String>,
}

pub fn footprint(path: &str) -> Footprint {
    Footprint {
        bytes: fs::read(path).unwrap(),
        modified: fs::metadata(path).unwrap().modified().unwrap(),
        beside: names_in(Path::new(path).parent().unwrap()),
    }
}

/// The store's file as any other program sees it.
pub fn sql(path: &str) -> rusqlite::Connection {
    rusqlite::Connection::open(path).unwrap()
}

/// Runs statements on the store's file past keycask.
pub fn execute(path: &str, statements: &str) {
    sql(path).execute_batch(statements).unwrap();
}

/// The one value that `query` answers.
pub fn value<T: FromSql>(path: &str, query: &str) -> T {
    sql(path).query_row(query, (), |row| row.get(0)).unwrap()
}

/// The first column of what `query` answers.
pub fn column<T: FromSql>(path: &str, query: &str) -> Vec<T> {
    sql(path).prepare(query).unwrap().query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// The users in the store, in the order of their rows.
pub fn users(path: &str) -> Vec<String> {
    column(path, "SELECT user_id FROM encryption_keys ORDER BY rowid")
}

/// The tables in the store's file, sorted.
pub fn tables(path: &str) -> Vec<String> {
    column(path, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
}

/// A user's key wrapped by a master key. It has the layout of a token's bytes: nonce, ciphertext, tag.
pub fn wrapped(master_key: &RawKey, user_key: &[u8]) -> Vec<u8> {
    let token = Key::import(master_key).unwrap().encrypt(user_key).unwrap();
    URL_SAFE.decode(token.strip_prefix("v2:").unwrap()).unwrap()
}

/// What a wrapped key opens to under a master key.
pub fn unwrapped(master_key: &RawKey, wrapped: &[u8]) -> keycask::Result<Vec<u8>> {
    let token = format!("v2:{}", URL_SAFE.encode(wrapped));
    Key::import(master_key)?.decrypt(token.as_bytes()).map(|key| key.expose().to_vec())
}

/// The key table's statement as the Python module's own store holds it.
pub fn module_table() -> String {
    let folder = Folder::new();
    let path = folder.copy_of_vector("reference.db");
    value(&path, "SELECT sql FROM sqlite_schema WHERE name = 'encryption_keys'")
}

/// Makes a store as the Python module does, without a row.
pub fn make_module_store(path: &str) {
    execute(path, &module_table());
}

/// Adds a user's row as the Python module does.
pub fn add_module_row(path: &str, user: &str, wrapped: &[u8]) {
    sql(path)
        .execute("INSERT INTO encryption_keys VALUES (?, ?, '2026-11-24T03:58:02.725746+00:00')", (user, wrapped))
        .unwrap();
}

/// A store as a writer leaves it that crashed in the middle of a transaction, its journal beside it; and a token of alice,
/// whose row it held before.
pub fn crashed_store(folder: &Folder) -> (String, String) {
    let running = folder.path("running.db");
    let token = open(&running, &[1]).unwrap().encrypt("alice", b"sk-acme").unwrap();
    let writer = sql(&running);
    writer
        .execute_batch(
            "PRAGMA cache_size = 2; PRAGMA cache_spill = 1; BEGIN IMMEDIATE; DELETE FROM encryption_keys;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
             INSERT INTO encryption_keys SELECT 'user ' || i, zeroblob(60), '' FROM n;",
        )
        .unwrap();
    let crashed = folder.path("crashed/keys.db");
    fs::create_dir(folder.path("crashed")).unwrap();
    fs::copy(&running, &crashed).unwrap();
    fs::copy(running + "-journal", crashed.clone() + "-journal").unwrap();
    (crashed, token)
}

const PART: &str = "KEYCASK_TEST_PART";

/// The part that this process is to play in a test that runs itself again; none in the first one.
pub fn part() -> Option<String> {
    env::var(PART).ok()
}

/// Runs `test`, of the same file, again in a process of its own, to play `part`: for what belongs to a whole process,
/// the umask, the working directory, the environment, its rights, or for a second process itself.
pub fn again(test: &str, part: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(PART, part)
        .env_remove("API_KEY_MASTER_KEY")
        .env_remove("API_KEY_MASTER_KEY_FILE");
    command
}

/// Checks that a process made by [`again`] found its test, and that it passed.
pub fn assert_passed(what: &str, output: &Output) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stdout.contains("1 passed"), "{what}\n{stdout}\n{stderr}");
}

/// Gives up root's rights, for which no file is unwritable. For a process of its own.
pub fn become_an_ordinary_user() {
    // SAFETY: these calls change the rights of this process and take no pointer but an empty list.
    unsafe {
        if libc::geteuid() == 0 {
            assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
            assert_eq!(libc::setresgid(65534, 65534, 65534), 0);
            assert_eq!(libc::setresuid(65534, 65534, 65534), 0);
        }
    }
}
