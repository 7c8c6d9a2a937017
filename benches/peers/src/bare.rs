//! The bare primitives in a loop: AES-GCM by the crate that keycask uses, nonces from its source, base64.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{Aes256Gcm, KeyInit};
use base64_simd::{Out, URL_SAFE};

pub struct Bare {
    cipher: Aes256Gcm,
    sealed: Vec<u8>,
}

impl Bare {
    pub fn new() -> Bare {
        Bare { cipher: Aes256Gcm::new(&[1; 32].into()), sealed: vec![0; super::MOST_SIZE + 64] }
    }
}

impl super::Peer for Bare {
    fn encrypt(&mut self, plaintext: &[u8], token: &mut [u8]) -> usize {
        let len = plaintext.len();
        let nonce = keycask::fresh_nonce();
        let (head, rest) = self.sealed.split_at_mut(12);
        head.copy_from_slice(&nonce);
        let message = InOutBuf::new(plaintext, &mut rest[..len]).unwrap();
        let tag = self.cipher.encrypt_inout_detached(&nonce.into(), b"", message).unwrap();
        rest[len..len + 16].copy_from_slice(&tag);
        token[..3].copy_from_slice(b"v2:");
        3 + URL_SAFE.encode(&self.sealed[..len + 28], Out::from_slice(&mut token[3..])).len()
    }

    fn decrypt(&mut self, token: &[u8], plaintext: &mut [u8]) -> Option<usize> {
        let sealed = URL_SAFE.decode(token.strip_prefix(b"v2:")?, Out::from_slice(&mut self.sealed)).ok()?;
        let (nonce, rest) = sealed.split_first_chunk::<12>()?;
        let (ciphertext, tag) = rest.split_last_chunk::<16>()?;
        let message = InOutBuf::new(ciphertext, &mut plaintext[..ciphertext.len()]).unwrap();
        self.cipher.decrypt_inout_detached(nonce.into(), b"", message, (&*tag).into()).ok()?;
        Some(ciphertext.len())
    }
}
