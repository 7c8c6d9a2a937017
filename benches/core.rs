//! The Rust API by itself: `cargo bench`. Beside its peers, and through C, it is `scripts/bench.sh` that measures.

use divan::Bencher;
use keycask::{Key, MasterKey, MasterKeys, Options, Store, lookup_hash};

const SIZES: [usize; 4] = [16, 51, 1 << 10, 16 << 10];

fn main() {
    divan::main();
}

fn store(cache_users: usize) -> Store {
    let keys = MasterKeys::new(vec![MasterKey::generate().unwrap()]).unwrap();
    let store = Store::open(":memory:", keys, &Options::new().cache_users(cache_users)).unwrap();
    store.encrypt("alice", b"").unwrap();
    store
}

#[divan::bench(args = SIZES)]
fn encrypt_for_a_user(bencher: Bencher, size: usize) {
    let (store, plaintext) = (store(100), vec![b'k'; size]);
    bencher.bench(|| store.encrypt("alice", &plaintext).unwrap());
}

#[divan::bench(args = SIZES)]
fn decrypt_for_a_user(bencher: Bencher, size: usize) {
    let store = store(100);
    let token = store.encrypt("alice", &vec![b'k'; size]).unwrap();
    bencher.bench(|| store.decrypt("alice", token.as_bytes()).unwrap());
}

#[divan::bench(args = SIZES)]
fn encrypt_by_a_key(bencher: Bencher, size: usize) {
    let (key, plaintext) = (Key::import(&[1; 32]).unwrap(), vec![b'k'; size]);
    bencher.bench(|| key.encrypt(&plaintext).unwrap());
}

#[divan::bench(args = SIZES)]
fn decrypt_by_a_key(bencher: Bencher, size: usize) {
    let key = Key::import(&[1; 32]).unwrap();
    let token = key.encrypt(&vec![b'k'; size]).unwrap();
    bencher.bench(|| key.decrypt(token.as_bytes()).unwrap());
}

/// A store in memory: SQLite without a file.
#[divan::bench]
fn decrypt_for_an_uncached_user(bencher: Bencher) {
    let store = store(0);
    let token = store.encrypt("alice", b"sk-acme").unwrap();
    bencher.bench(|| store.decrypt("alice", token.as_bytes()).unwrap());
}

#[divan::bench]
fn import_a_key() -> Key {
    Key::import(divan::black_box(&[1; 32])).unwrap()
}

#[divan::bench]
fn hash_an_api_key() -> String {
    lookup_hash(divan::black_box(&[b'k'; 51]))
}
