//! Store files: tests/vectors/good.db and a journal or WAL beside it, altered.

use std::fs;

use keycask::{Call, MasterKey, MasterKeys, Options, Store};

const GOOD: &[u8] = include_bytes!("../../tests/vectors/good.db");

/// Byte 0 says what lies beside the store; then a change of the file each five bytes, then what lies beside.
pub fn store(data: &[u8]) {
    let Some((how, data)) = data.split_first() else { return };
    let (changes, beside) = data.split_at(data.len().min(40));
    let mut file = GOOD.to_vec();
    for change in changes.chunks_exact(5) {
        let at = u32::from_le_bytes(change[..4].try_into().unwrap()) as usize % file.len();
        if change[4] == 0 && at > 100 {
            file.truncate(at);
        } else {
            file[at] = change[4];
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db");
    let path = path.to_str().unwrap();
    if how & 1 != 0 {
        // In WAL mode, as bytes 18 and 19 of the header say.
        file.iter_mut().skip(18).take(2).for_each(|byte| *byte = 2);
    }
    fs::write(path, &file).unwrap();
    match how >> 1 & 3 {
        1 => fs::write(format!("{path}-wal"), beside).unwrap(),
        2 => fs::write(format!("{path}-journal"), beside).unwrap(),
        _ => {}
    }
    let raw = *b"\xfb\xff\xbf\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c";
    let keys = MasterKeys::new(vec![MasterKey::from_bytes(&raw)]).unwrap();
    let options = Options::new().read_only(how & 8 != 0).busy_timeout(std::time::Duration::ZERO);
    let Ok(opened) = known(Store::open(path, keys, &options)) else { return };
    let token = b"v2:-_-_AAECAwQFBgcIUyCny0BZJ0qaerRdzYRUvAjEXIKNOiIgBA==";
    let _ = known(opened.decrypt("alice", token));
    let _ = known(opened.encrypt_with("alice", b"sk", Call { existing: true, ..Call::default() }));
    let _ = known(opened.check());
    let mut walk = keycask::UserWalk::default();
    for _ in 0..100 {
        if !matches!(known(opened.next_user(&mut walk)), Ok(Some(_))) {
            break;
        }
    }
    if let Ok(made) = known(opened.encrypt("bob", b"sk-bob")) {
        let _ = known(opened.decrypt("bob", made.as_bytes()));
    }
    let _ = known(opened.erase_user("alice"));
    let _ = known(opened.rotate_user("bob"));
    let _ = known(opened.rewrap(10));
}

fn known<T>(answer: keycask::Result<T>) -> keycask::Result<T> {
    if let Err(error) = &answer {
        crate::assert_known(error.status().code());
    }
    answer
}
