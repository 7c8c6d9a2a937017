//! Tokens: what is read, and that nothing but its maker's bytes opens.

use keycask::{Key, Status, is_encrypted};

/// A token of the plaintext that the first half gives, altered as the second half says; and the whole as a token.
pub fn token(data: &[u8]) {
    let key = Key::import(&[7; 32]).unwrap();
    read(&key, data);
    let (plaintext, changes) = data.split_at(data.len() / 2);
    let made = key.encrypt(plaintext).unwrap();
    assert!(is_encrypted(made.as_bytes()));
    assert_eq!(key.decrypt_with(made.as_bytes(), strictly()).unwrap().expose(), plaintext);
    let mut altered = made.clone().into_bytes();
    for change in changes.chunks_exact(2) {
        let at = usize::from(change[0]) % altered.len();
        altered[at] = change[1];
    }
    if let Some(opened) = read(&key, &altered) {
        // Another text of the same bytes: white space, the other alphabet, spare bits.
        assert_eq!(opened, plaintext);
    }
}

fn strictly() -> keycask::Call {
    keycask::Call { strict: true, ..keycask::Call::default() }
}

fn read(key: &Key, text: &[u8]) -> Option<Vec<u8>> {
    let opened = key.decrypt(text);
    let strict = key.decrypt_with(text, strictly());
    match (&opened, &strict) {
        (Ok(opened), Ok(strict)) => assert_eq!(opened.expose(), strict.expose()),
        (Ok(_), Err(error)) => assert_eq!(error.status(), Status::Format),
        (Err(error), Ok(_)) => panic!("it opens strictly alone: {error}"),
        (Err(error), Err(_)) => {
            let expected = [Status::Format, Status::Authentication, Status::Unsupported];
            assert!(expected.contains(&error.status()), "{error}");
            assert_eq!(error.status() == Status::Unsupported, text.starts_with(b"v3:"));
        }
    }
    opened.ok().map(|secret| secret.expose().to_vec())
}
