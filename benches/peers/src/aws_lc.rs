//! aws-lc-rs, and the base64 crate, as its user would write it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

pub struct AwsLc {
    key: LessSafeKey,
    sealed: Vec<u8>,
}

impl AwsLc {
    pub fn new() -> AwsLc {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[1; 32]).unwrap());
        AwsLc { key, sealed: vec![0; super::MOST_SIZE + 64] }
    }
}

impl super::Peer for AwsLc {
    fn encrypt(&mut self, plaintext: &[u8], token: &mut [u8]) -> usize {
        let len = plaintext.len();
        let mut nonce = [0; 12];
        rand::fill(&mut nonce).unwrap();
        let (head, rest) = self.sealed.split_at_mut(12);
        head.copy_from_slice(&nonce);
        rest[..len].copy_from_slice(plaintext);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut rest[..len]).unwrap();
        rest[len..len + 16].copy_from_slice(tag.as_ref());
        token[..3].copy_from_slice(b"v2:");
        3 + URL_SAFE.encode_slice(&self.sealed[..len + 28], &mut token[3..]).unwrap()
    }

    fn decrypt(&mut self, token: &[u8], plaintext: &mut [u8]) -> Option<usize> {
        let len = URL_SAFE.decode_slice(token.strip_prefix(b"v2:")?, &mut self.sealed).ok()?;
        let (nonce, rest) = self.sealed[..len].split_first_chunk_mut::<12>()?;
        let opened = self.key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), rest).ok()?;
        plaintext[..opened.len()].copy_from_slice(opened);
        Some(opened.len())
    }
}
