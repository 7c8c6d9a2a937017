//! Every case of `tests/vectors`, by the Rust API and by the exported functions, which have to answer alike.

#![cfg(feature = "capi")]

mod common;

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use keycask::ffi::call::{KC_CACHED_ONLY, KC_EXISTING, KC_STRICT};
use keycask::ffi::secrets::kc_encrypted_size;
use keycask::{Call, Key, MasterKey, MasterKeys, Options, Store};
use serde_json::Value;

use common::{Folder, c, footprint, hex, repository, unhex};

/// A value, or the name of the status.
type Answer<T> = Result<T, String>;

/// What both sides answered, in everything that a caller sees: the value; or the status, the message and the numbers.
fn both<T: PartialEq + Debug>(what: &str, rust: keycask::Result<T>, c: c::Outcome<T>) -> Answer<T> {
    let rust = rust.map_err(|error| c::Failure {
        status: error.status().code(),
        os_error: error.os_error(),
        engine_error: error.engine_error(),
        message: error.message().to_string(),
    });
    assert_eq!(rust, c, "{what}: Rust (left) and C answer differently");
    rust.map_err(|failure| failure.name().to_string())
}

fn read(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(repository("tests/vectors").join(name)).unwrap()).unwrap()
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("no text '{field}' in {case}"))
}

fn bytes(case: &Value, field: &str) -> Vec<u8> {
    unhex(text(case, field))
}

/// The cases of a section, of which there are some.
fn cases<'a>(vectors: &'a Value, section: &str) -> &'a [Value] {
    let cases = vectors[section].as_array().unwrap_or_else(|| panic!("no list '{section}'"));
    assert!(!cases.is_empty(), "no case in '{section}'");
    cases
}

/// An answer as `keycask.json` states one.
fn stated(answer: &Value) -> Answer<Vec<u8>> {
    match answer.get("ok_hex") {
        Some(_) => Ok(bytes(answer, "ok_hex")),
        None => Err(text(answer, "status").to_string()),
    }
}

/// Where keycask is to answer otherwise than the module: by section and case of `vectors.json`.
struct Differences(Vec<Value>);

impl Differences {
    fn read() -> Differences {
        Differences(cases(&read("keycask.json"), "differences").to_vec())
    }

    fn of(&self, section: &str, case: &str) -> Option<&Value> {
        self.0.iter().find(|it| text(it, "section") == section && text(it, "case") == case).map(|it| &it["keycask"])
    }

    /// The answer due where the module's rule gives `reference`.
    fn due(&self, section: &str, case: &str, reference: Answer<Vec<u8>>) -> Answer<Vec<u8>> {
        let due = self.of(section, case).map(stated);
        assert_ne!(due.as_ref(), Some(&reference), "{section}, {case}: a listed difference that is none");
        due.unwrap_or(reference)
    }
}

fn decode(what: &str, key: &[u8], token: &[u8], strict: bool) -> Answer<Vec<u8>> {
    let call = Call { strict, ..Call::default() };
    let rust = Key::import(key).and_then(|key| key.decrypt_with(token, call)).map(|it| it.expose().to_vec());
    let c = c::Key::import(key).and_then(|key| key.decrypt(token, if strict { KC_STRICT } else { 0 }));
    both(what, rust, c)
}

/// The module's answer in keycask's terms. One that keycask never gives stays what it is, for a difference to replace.
fn reference_decode(case: &Value) -> Answer<Vec<u8>> {
    let reference = &case["reference"];
    match reference.get("ok") {
        Some(_) => Ok(text(reference, "ok").as_bytes().to_vec()),
        None => Err(match text(reference, "error") {
            "InvalidTag" => "KC_E_AUTHENTICATION",
            "Error" | "ValueError" => "KC_E_FORMAT",
            other => other,
        }
        .to_string()),
    }
}

fn is_canonical(token: &str) -> bool {
    token.strip_prefix("v2:").is_some_and(|body| URL_SAFE.decode(body).is_ok_and(|sealed| sealed.len() >= 28))
}

#[test]
fn no_section_of_the_vectors_goes_untested() {
    let sections = |name: &str| -> HashSet<String> { read(name).as_object().unwrap().keys().cloned().collect() };
    let tested = [
        "about",
        "format",
        "tokens",
        "decode",
        "pool",
        "master_key_env",
        "hashes",
        "is_encrypted",
        "reference_db",
        "damaged_db",
    ];
    assert_eq!(sections("vectors.json"), tested.map(String::from).into());
    let tested = ["about", "decode", "master_key_env", "master_key_id", "differences"];
    assert_eq!(sections("keycask.json"), tested.map(String::from).into());
    let tested = ["about", "good", "tokens", "master_keys", "stores", "calls"];
    assert_eq!(sections("failures.json"), tested.map(String::from).into());
}

#[test]
fn every_difference_is_one_of_a_case_that_exists_and_has_a_reason() {
    let vectors = read("vectors.json");
    for difference in &Differences::read().0 {
        let section = text(difference, "section");
        let name = if section == "is_encrypted" { "value" } else { "name" };
        let found = cases(&vectors, section).iter().filter(|case| case[name] == difference["case"]).count();
        assert_eq!(found, 1, "{difference}");
        assert!(!text(difference, "reason").is_empty(), "{difference}");
    }
}

#[test]
fn tokens_of_the_module_open_and_ours_have_their_form() {
    for case in cases(&read("vectors.json"), "tokens") {
        let (key, token, plaintext) = (bytes(case, "key"), text(case, "token"), text(case, "plaintext").as_bytes());
        for strict in [false, true] {
            assert_eq!(decode(token, &key, token.as_bytes(), strict), Ok(plaintext.to_vec()), "{token}");
        }
        let ours = Key::import(&key).unwrap().encrypt(plaintext).unwrap();
        let ours_by_c = c::Key::import(&key).unwrap().encrypt(plaintext, 0).unwrap();
        assert_ne!(ours, ours_by_c, "a nonce was used twice");
        for ours in [ours, ours_by_c] {
            assert!(is_canonical(&ours), "{ours}");
            assert_eq!((ours.len(), kc_encrypted_size(plaintext.len())), (token.len(), token.len() + 1));
            assert_eq!(decode(&ours, &key, ours.as_bytes(), true), Ok(plaintext.to_vec()));
        }
    }
}

#[test]
fn a_token_decodes_as_the_module_decodes_it_but_for_the_listed_differences() {
    let differences = Differences::read();
    for case in cases(&read("vectors.json"), "decode") {
        let (name, key, token) = (text(case, "name"), bytes(case, "key"), text(case, "token"));
        let due = differences.due("decode", name, reference_decode(case));
        let due_strictly = if is_canonical(token) { due.clone() } else { Err("KC_E_FORMAT".into()) };
        assert_eq!(decode(name, &key, token.as_bytes(), false), due, "{name}");
        assert_eq!(decode(name, &key, token.as_bytes(), true), due_strictly, "{name}, strictly");
    }
}

#[test]
fn a_token_decodes_as_the_format_says_plainly_and_strictly() {
    for case in cases(&read("keycask.json"), "decode") {
        let (name, key, token) = (text(case, "name"), bytes(case, "key"), text(case, "token"));
        let (due, due_strictly) = (stated(&case["keycask"]), stated(&case["strict"]));
        if let (Ok(due), Ok(reference)) = (&due, reference_decode(case)) {
            assert_eq!(*due, reference, "{name}: another plaintext than the module's");
        }
        assert_eq!(decode(name, &key, token.as_bytes(), false), due, "{name}");
        assert_eq!(decode(name, &key, token.as_bytes(), true), due_strictly, "{name}, strictly");
    }
}

#[test]
fn the_pool_key_and_its_tokens_are_the_modules() {
    for case in cases(&read("vectors.json"), "pool") {
        let raw = bytes(case, "master_key");
        let master_keys = MasterKeys::from_bytes(&raw).unwrap();
        let rust = Store::open(":memory:", master_keys, &Options::new()).unwrap().pool_key();
        let store = c::Store::open(":memory:", &raw, &c::options(0)).unwrap();
        let c = store.pool_key().unwrap();
        assert_eq!(hex(rust.export().unwrap().expose()), text(case, "pool_key"));
        assert_eq!(hex(&c.export().unwrap()), text(case, "pool_key"));
        for token in cases(case, "tokens") {
            let (token, plaintext) = (text(token, "token").as_bytes(), text(token, "plaintext").as_bytes());
            let opened = both("pool", rust.decrypt(token).map(|it| it.expose().to_vec()), c.decrypt(token, 0));
            assert_eq!(opened, Ok(plaintext.to_vec()));
        }
        let (by_rust, by_c) = (rust.encrypt(b"pool").unwrap(), c.encrypt(b"pool", 0).unwrap());
        assert_eq!(c.decrypt(by_rust.as_bytes(), 0).unwrap(), b"pool");
        assert_eq!(rust.decrypt(by_c.as_bytes()).unwrap().expose(), b"pool");
    }
}

#[test]
fn lookup_hashes_are_the_modules() {
    for case in cases(&read("vectors.json"), "hashes") {
        let api_key = text(case, "api_key").as_bytes();
        let hash = both("hash", Ok(keycask::lookup_hash(api_key)), c::hash(api_key));
        assert_eq!(hash.as_deref(), Ok(text(case, "hex")));
    }
}

#[test]
fn tokens_are_told_from_plaintext_as_the_module_tells_them_but_for_the_listed_differences() {
    let differences = Differences::read();
    for case in cases(&read("vectors.json"), "is_encrypted") {
        let value = text(case, "value");
        let mut due = case["encrypted"].as_bool().unwrap();
        if let Some(difference) = differences.of("is_encrypted", value) {
            assert_ne!(difference["encrypted"].as_bool(), Some(due), "{value}: a listed difference that is none");
            due = difference["encrypted"].as_bool().unwrap();
        }
        assert_eq!(keycask::is_encrypted(value.as_bytes()), due, "{value}");
        assert_eq!(c::is_encrypted(value.as_bytes()), due, "{value}");
    }
}

#[test]
fn a_master_key_is_registered_under_its_id() {
    for case in cases(&read("keycask.json"), "master_key_id") {
        let raw = bytes(case, "master_key");
        let folder = Folder::new();
        let (rust, c) = (folder.path("rust.db"), folder.path("c.db"));
        Store::open(&rust, MasterKeys::from_bytes(&raw).unwrap(), &Options::new())
            .unwrap()
            .encrypt("alice", b"")
            .unwrap();
        c::Store::open(&c, &raw, &c::options(0)).unwrap().encrypt("alice", b"", 0).unwrap();
        for path in [rust, c] {
            let ids: Vec<Vec<u8>> = common::column(&path, "SELECT id FROM keycask_master");
            assert_eq!(ids, [bytes(case, "id")]);
        }
    }
}

/// A master key's text, and the answer due when the environment holds it.
struct MasterKeyText {
    name: String,
    /// None where the variable is unset.
    value: Option<String>,
    due: Answer<Vec<u8>>,
}

/// All cases of both files.
fn master_key_texts() -> Vec<MasterKeyText> {
    let differences = Differences::read();
    let value = |case: &Value| case["value"].as_str().map(String::from);
    let given = read("vectors.json");
    let given = cases(&given, "master_key_env").iter().map(|case| {
        let (name, value) = (text(case, "name").to_string(), value(case));
        let reference = match case["reference"].as_str() {
            Some(key) => Ok(unhex(key)),
            None if value.as_deref().unwrap_or_default().trim().is_empty() => Err("KC_E_MASTER_KEY_MISSING".into()),
            None => Err("KC_E_MASTER_KEY_INVALID".into()),
        };
        MasterKeyText { due: differences.due("master_key_env", &name, reference), name, value }
    });
    let own = read("keycask.json");
    let own = cases(&own, "master_key_env").iter().map(|case| {
        let due = stated(&case["keycask"]);
        if let (Ok(due), Some(reference)) = (&due, case["reference"].as_str()) {
            assert_eq!(hex(due), reference, "another key than the module's: {case}");
        }
        MasterKeyText { name: text(case, "name").to_string(), value: value(case), due }
    });
    given.chain(own).collect()
}

#[test]
fn a_master_keys_text_decodes_as_the_module_decodes_it() {
    for MasterKeyText { name, value, due } in master_key_texts() {
        let Some(value) = value else { continue };
        let value = value.as_bytes();
        // What the environment would pass over as blank is no key here.
        let due = due.map_err(|_| "KC_E_MASTER_KEY_INVALID".to_string());
        let rust = MasterKey::from_text(value).map(|key| URL_SAFE.decode(key.to_text().expose()).unwrap());
        assert_eq!(both(&name, rust, c::master_key_decode(value)), due, "{name}");
    }
}

/// For each of some master keys a store with a user, by which a process shows that it has the key.
struct Proofs(HashMap<Vec<u8>, Proof>);

struct Proof {
    path: String,
    token: String,
}

impl Proofs {
    fn new(folder: &Folder, texts: &[MasterKeyText]) -> Proofs {
        let mut proofs = HashMap::new();
        for raw in texts.iter().filter_map(|text| text.due.as_ref().ok()) {
            let path = folder.path(&format!("{}.db", proofs.len()));
            proofs.entry(raw.clone()).or_insert_with(|| {
                let store = Store::open(&path, MasterKeys::from_bytes(raw).unwrap(), &Options::new()).unwrap();
                Proof { token: store.encrypt("alice", b"sk-acme").unwrap(), path }
            });
        }
        assert!(proofs.len() > 1, "one key proves nothing");
        Proofs(proofs)
    }
}

/// Opens a store with the environment's master key, both ways, and checks that this gives what is due. `due` is a
/// status's name, or a proof's path and token with a space between.
fn check_environment(what: &str, due: &str) {
    let Some((path, token)) = due.split_once(' ') else {
        let folder = Folder::new();
        let path = folder.path("keys.db");
        let rust = MasterKeys::from_environment().and_then(|keys| Store::open(&path, keys, &Options::new()));
        let answer = both(what, rust.map(drop), c::Store::from_environment(&path).map(drop));
        assert_eq!(answer, Err(due.to_string()), "{what}");
        assert!(folder.names().is_empty(), "{what}: a store was made without a master key");
        return;
    };
    let rust = MasterKeys::from_environment().and_then(|keys| Store::open(path, keys, &Options::new()));
    let rust = rust.and_then(|store| store.decrypt("alice", token.as_bytes())).map(|it| it.expose().to_vec());
    let c = c::Store::from_environment(path).and_then(|store| store.decrypt("alice", token.as_bytes(), 0));
    assert_eq!(both(what, rust, c), Ok(b"sk-acme".to_vec()), "{what}");
}

#[test]
fn a_master_key_in_the_environment_is_read_as_the_module_reads_it() {
    const SELF: &str = "a_master_key_in_the_environment_is_read_as_the_module_reads_it";
    if let Some(due) = common::part() {
        return check_environment("", &due);
    }
    let folder = Folder::new();
    let texts = master_key_texts();
    let Proofs(proofs) = Proofs::new(&folder, &texts);
    for MasterKeyText { name, value, due } in texts {
        let due = due.map_or_else(|status| status, |raw| format!("{} {}", proofs[&raw].path, proofs[&raw].token));
        let mut process = common::again(SELF, &due);
        if let Some(value) = value {
            process.env("API_KEY_MASTER_KEY", value);
        }
        common::assert_passed(&name, &process.output().unwrap());
    }
}

#[test]
fn a_master_key_in_a_file_is_read_as_one_in_the_environment() {
    const SELF: &str = "a_master_key_in_a_file_is_read_as_one_in_the_environment";
    let Some(file) = common::part() else {
        let folder = Folder::new();
        let file = folder.path("master.key");
        // A blank variable counts as an unset one.
        let output = common::again(SELF, &file)
            .env("API_KEY_MASTER_KEY", " \u{a0}\n")
            .env("API_KEY_MASTER_KEY_FILE", &file)
            .output();
        return common::assert_passed("by a file", &output.unwrap());
    };
    let folder = Folder::new();
    let texts = master_key_texts();
    let Proofs(proofs) = Proofs::new(&folder, &texts);
    for MasterKeyText { name, value, due } in texts {
        let Some(value) = value else { continue };
        fs::write(&file, value).unwrap();
        // A file that was named and is blank is a mistake, where a blank variable is none.
        let due = due.map_or_else(
            |_| "KC_E_MASTER_KEY_INVALID".to_string(),
            |raw| format!("{} {}", proofs[&raw].path, proofs[&raw].token),
        );
        check_environment(&name, &due);
    }
}

#[test]
fn a_store_of_the_module_is_read_and_stays_byte_for_byte_as_it_was() {
    let vectors = read("vectors.json");
    let reference = &vectors["reference_db"];
    let raw = bytes(reference, "master_key");
    let folder = Folder::new();
    let path = folder.copy_of_vector(text(reference, "file"));
    let before = footprint(&path);

    let wrong = bytes(reference, "wrong_master_key");
    let rust = Store::open(&path, MasterKeys::from_bytes(&wrong).unwrap(), &Options::new());
    let answer = both("wrong", rust.map(drop), c::Store::open(&path, &wrong, &c::options(0)).map(drop));
    assert_eq!(answer, Err("KC_E_MASTER_KEY_WRONG".into()));
    assert_eq!(footprint(&path), before, "the wrong master key wrote");

    let rust = Store::open(&path, MasterKeys::from_bytes(&raw).unwrap(), &Options::new()).unwrap();
    let c = c::Store::open(&path, &raw, &c::options(0)).unwrap();
    for user in cases(reference, "users") {
        let (name, token) = (text(user, "user_id"), text(user, "token").as_bytes());
        let opened =
            both(name, rust.decrypt(name, token).map(|it| it.expose().to_vec()), c.decrypt(name, token, 0)).unwrap();
        assert_eq!(opened, text(user, "plaintext").as_bytes(), "{name}");
        let key = both(
            name,
            rust.user_key(name).map(|key| key.export().unwrap().expose().to_vec()),
            c.user_key(name, 0).and_then(|key| key.export()),
        );
        assert_eq!(key, Ok(bytes(user, "key")), "{name}");
        let ours = c.encrypt(name, b"ours", 0).unwrap();
        assert_eq!(rust.decrypt(name, ours.as_bytes()).unwrap().expose(), b"ours");

        let unknown =
            both(name, rust.decrypt("nobody", token).map(|it| it.expose().to_vec()), c.decrypt("nobody", token, 0));
        assert_eq!(unknown, Err("KC_E_UNKNOWN_USER".into()));
        assert_eq!(footprint(&path), before, "reading {name} wrote");
    }
    drop((rust, c));
    assert_eq!(footprint(&path), before, "closing wrote");
}

#[test]
fn a_store_of_the_module_holds_the_rows_that_it_is_said_to_hold() {
    let vectors = read("vectors.json");
    let reference = &vectors["reference_db"];
    let folder = Folder::new();
    let path = folder.copy_of_vector(text(reference, "file"));
    let rows = cases(reference, "rows");
    assert_eq!(rows.len(), cases(reference, "users").len());
    let stored: Vec<String> = common::column(
        &path,
        "SELECT user_id || ' ' || lower(hex(encrypted_key)) || ' ' || created_at FROM encryption_keys ORDER BY rowid",
    );
    let stated: Vec<String> =
        rows.iter().map(|row| ["user_id", "encrypted_key", "created_at"].map(|it| text(row, it)).join(" ")).collect();
    assert_eq!(stored, stated);
}

#[test]
fn damaged_rows_are_corrupt_and_the_others_work() {
    let vectors = read("vectors.json");
    let damaged = &vectors["damaged_db"];
    let raw = bytes(damaged, "master_key");
    let folder = Folder::new();
    let path = folder.copy_of_vector(text(damaged, "file"));
    let before = footprint(&path);
    let rust = Store::open(&path, MasterKeys::from_bytes(&raw).unwrap(), &Options::new()).unwrap();
    let c = c::Store::open(&path, &raw, &c::options(0)).unwrap();

    let mut answers = HashMap::new();
    for user in common::users(&path) {
        let key = both(
            &user,
            rust.user_key(&user).map(|key| key.export().unwrap().expose().to_vec()),
            c.user_key(&user, 0).and_then(|key| key.export()),
        );
        let token = Key::import(key.as_deref().unwrap_or(&[0; 32])).unwrap().encrypt(b"sk-acme").unwrap();
        let opened = both(
            &user,
            rust.decrypt(&user, token.as_bytes()).map(|it| it.expose().to_vec()),
            c.decrypt(&user, token.as_bytes(), 0),
        );
        assert_eq!(opened, key.clone().map(|_| b"sk-acme".to_vec()), "{user}");
        let encrypted = both(
            &user,
            rust.encrypt(&user, b"sk-acme").map(|token| token.len()),
            c.encrypt(&user, b"sk-acme", 0).map(|token| token.len()),
        );
        assert_eq!(encrypted, key.clone().map(|_| token.len()), "{user}");
        answers.insert(user, key);
    }

    let corrupt: HashSet<&str> =
        answers.iter().filter(|(_, key)| key.is_err()).map(|(user, _)| user.as_str()).collect();
    assert_eq!(corrupt, HashSet::from(["short", "flipped", "other-master", "wrong-length-key"]));
    assert!(corrupt.iter().all(|&user| answers[user] == Err("KC_E_CORRUPT".into())), "{answers:?}");
    assert_eq!(answers[text(damaged, "good_user")], Ok(bytes(damaged, "good_key")));
    assert!(answers["swapped-a"].is_ok() && answers["swapped-b"].is_ok() && answers.len() == 7, "{answers:?}");
    let noted = damaged["notes"].as_object().unwrap();
    assert!(!noted.is_empty() && noted.keys().all(|user| answers.contains_key(user)));
    assert_eq!(footprint(&path), before, "a damaged row was written over");
}

// --- failures.json: each case differs from a good one in a single thing ----------------------------------------------

/// The status that a case is to have.
fn due(case: &Value) -> Answer<Vec<u8>> {
    Err(text(case, "status").to_string())
}

fn flags(case: &Value) -> u32 {
    let names = case["flags"].as_array().cloned().unwrap_or_default();
    names
        .iter()
        .map(|name| match name.as_str().unwrap() {
            "KC_STRICT" => KC_STRICT,
            "KC_EXISTING" => KC_EXISTING,
            "KC_CACHED_ONLY" => KC_CACHED_ONLY,
            other => panic!("no flag {other}"),
        })
        .sum()
}

#[test]
fn a_token_that_differs_in_one_thing_is_refused_for_that() {
    let failures = read("failures.json");
    let good = &failures["good"];
    let opened = decode("the good one", &bytes(good, "key"), text(good, "token").as_bytes(), true);
    assert_eq!(opened, Ok(text(good, "plaintext").as_bytes().to_vec()));
    for case in cases(&failures, "tokens") {
        let strict = flags(case) & KC_STRICT != 0;
        let answer = decode(text(case, "sentence"), &bytes(case, "key"), text(case, "token").as_bytes(), strict);
        assert_eq!(answer, due(case), "{}", text(case, "sentence"));
    }
}

#[test]
fn a_master_keys_text_that_differs_in_one_thing_is_refused_for_that() {
    let failures = read("failures.json");
    let decoded = |text: &str| c::master_key_decode(text.as_bytes()).map_err(|failure| failure.name().to_string());
    assert_eq!(decoded(text(&failures["good"], "master_key_text")), Ok(bytes(&failures["good"], "master_key")));
    for case in cases(&failures, "master_keys") {
        assert_eq!(decoded(text(case, "text")), due(case), "{}", text(case, "sentence"));
    }
}

#[test]
fn a_store_that_differs_in_one_thing_is_refused_for_that() {
    let failures = read("failures.json");
    let good = &failures["good"];
    let (user, token) = (text(good, "user"), text(good, "token"));
    let master_key = bytes(good, "master_key");
    let tried = |path: &str, call: &str| {
        let store = c::Store::open(path, &master_key, &c::options(0))?;
        match call {
            "open" => Ok(Vec::new()),
            "encrypt" => store.encrypt(user, b"sk", 0).map(String::into_bytes),
            "decrypt" => store.decrypt(user, token.as_bytes(), 0),
            other => panic!("no call {other}"),
        }
    };
    let plaintext = text(good, "plaintext").as_bytes().to_vec();
    let original = fs::read(repository("tests/vectors").join(text(good, "store"))).unwrap();
    let folder = Folder::new();
    assert_eq!(tried(&folder.copy_of_vector("good.db"), "decrypt").unwrap(), plaintext);
    for (number, case) in cases(&failures, "stores").iter().enumerate() {
        let mut altered = original.clone();
        altered.resize(case["length"].as_u64().unwrap() as usize, 0);
        for patch in case["patches"].as_array().unwrap() {
            let (at, bytes) = (patch["at"].as_u64().unwrap() as usize, bytes(patch, "bytes"));
            altered[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        let path = folder.path(&format!("{number}.db"));
        fs::write(&path, altered).unwrap();
        let answer = tried(&path, text(case, "call")).map_err(|failure| failure.name().to_string());
        assert_eq!(answer, due(case), "{}", text(case, "sentence"));
    }
}

#[test]
fn a_call_that_differs_in_one_thing_is_refused_for_that() {
    let failures = read("failures.json");
    let good = &failures["good"];
    let master_key = bytes(good, "master_key");
    let store = c::Store::open(":memory:", &master_key, &c::options(0)).unwrap();
    let user = text(good, "user");
    let token = store.encrypt(user, b"sk-acme", 0).unwrap();
    for case in cases(&failures, "calls") {
        let given = &case["given"];
        let user = given.get("user_hex").map_or(user.as_bytes().to_vec(), |_| bytes(given, "user_hex"));
        let location = given.get("location").map_or(":memory:", |_| text(given, "location"));
        let master_keys = given.get("master_keys_hex").map_or(master_key.clone(), |_| bytes(given, "master_keys_hex"));
        let answer = match text(case, "call") {
            "encrypt" => store.encrypt(&user, b"sk-acme", flags(given)).map(|_| ()),
            "decrypt" => {
                let token = given.get("token").map_or(token.as_str(), |_| text(given, "token"));
                store.decrypt(&user, token.as_bytes(), flags(given)).map(|_| ())
            }
            "user_key" => store.user_key(&user, flags(given)).map(|_| ()),
            "key_import" => c::Key::import(&bytes(given, "raw_hex")).map(|_| ()),
            "open" => c::Store::open(location, &master_keys, &c::options(0)).map(|_| ()),
            other => panic!("no call {other}"),
        };
        let answer = answer.map(|()| Vec::new()).map_err(|failure| failure.name().to_string());
        assert_eq!(answer, due(case), "{}: {}", text(case, "call"), text(case, "sentence"));
    }
}
