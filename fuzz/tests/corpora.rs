//! Every input of the corpora, replayed: those that the fuzzer found to reach something new, and those that once failed.
//! `KEYCASK_CORPORA` names a folder with more of them, where the fuzzer keeps what it finds.

use std::fs;
use std::path::{Path, PathBuf};

fn replay(name: &str) {
    let (_, target) = keycask_fuzz::TARGETS.into_iter().find(|(each, _)| *each == name).unwrap();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora");
    let found = std::env::var_os("KEYCASK_CORPORA").map(PathBuf::from);
    let mut inputs = Vec::new();
    for corpora in [Some(kept), found].into_iter().flatten() {
        inputs.extend(fs::read_dir(corpora.join(name)).unwrap().map(|entry| entry.unwrap().path()));
    }
    assert!(inputs.len() >= 5, "{} inputs of {name}", inputs.len());
    for input in &inputs {
        target(&fs::read(input).unwrap());
    }
    println!("{name}: {} inputs", inputs.len());
}

#[test]
fn token() {
    replay("token");
}

#[test]
fn master_key() {
    replay("master_key");
}

#[test]
fn calls() {
    replay("calls");
}

#[test]
fn store() {
    replay("store");
}

#[test]
fn no_target_is_forgotten() {
    assert_eq!(keycask_fuzz::TARGETS.map(|(name, _)| name), ["token", "master_key", "calls", "store"]);
}
