//! The lookup hash: finds an API key among many without keeping it.

use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// The length of a lookup hash in hex digits.
pub const HASH_LEN: usize = 64;

/// SHA-256 (FIPS 180-4) of `api_key` as 64 lower-case hex digits.
///
/// It is unsalted: whoever reads it can confirm a guess, and sees which keys are equal. Use it for keys of high entropy
/// alone, never for passwords.
///
/// ```
/// assert!(keycask::lookup_hash(b"sk-acme").starts_with("5f8eee91"));
/// ```
#[must_use]
pub fn lookup_hash(api_key: &[u8]) -> String {
    let mut hex = [0; HASH_LEN];
    write_lookup_hash(api_key, &mut hex);
    hex.iter().map(|&digit| char::from(digit)).collect()
}

pub(crate) fn write_lookup_hash(api_key: &[u8], hex: &mut [u8; HASH_LEN]) {
    let mut digest = Sha256::digest(api_key);
    for (pair, byte) in hex.chunks_exact_mut(2).zip(&digest) {
        pair[0] = digit(byte >> 4);
        pair[1] = digit(byte & 0xf);
    }
    digest.as_mut_slice().zeroize();
}

/// A hex digit, without a branch or an index.
fn digit(value: u8) -> u8 {
    let is_letter = 9_u8.wrapping_sub(value) >> 7;
    b'0' + value + is_letter * (b'a' - b'0' - 10)
}
