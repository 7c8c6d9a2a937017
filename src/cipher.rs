//! AES-256-GCM: the one place that names the crate that implements it.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aes::Aes256Enc;
use aes_gcm::{AesGcm, KeyInit};

use crate::error::{Error, Result};
use crate::nonce::{NONCE_SIZE, Nonce};
use crate::secret::SecretKey;
use crate::status::Status;

/// The length of an authentication tag in bytes.
const TAG_SIZE: usize = 16;

/// What sealing adds to a plaintext: a nonce in front and a tag behind.
pub(crate) const OVERHEAD: usize = NONCE_SIZE + TAG_SIZE;

/// AES-256-GCM (NIST SP 800-38D) under one key, its key schedule done. Associated data is empty in every v2 format.
///
/// What it writes and reads is always nonce(12) ‖ ciphertext ‖ tag(16). The schedule is wiped when it is dropped.
/// GCM encrypts blocks alone, in both directions: it needs the half of the schedule that encrypts.
pub(crate) struct Cipher(AesGcm<Aes256Enc, U12>);

/// The tag does not belong to this key, nonce and ciphertext.
pub(crate) struct Unauthentic;

impl Cipher {
    pub(crate) fn new(key: &SecretKey) -> Cipher {
        Cipher(AesGcm::new(key.expose().into()))
    }

    /// Seals `plaintext` under a fresh nonce into `sealed`, which is [`OVERHEAD`] bytes longer.
    pub(crate) fn seal(&self, plaintext: &[u8], sealed: &mut [u8]) -> Result<()> {
        self.seal_with(Nonce::fresh()?, plaintext, sealed)
    }

    fn seal_with(&self, nonce: Nonce, plaintext: &[u8], sealed: &mut [u8]) -> Result<()> {
        let nonce = nonce.into_bytes();
        let (head, rest) = sealed.split_at_mut(NONCE_SIZE);
        let (ciphertext, tail) = rest.split_at_mut(plaintext.len());
        let tag = InOutBuf::new(plaintext, ciphertext)
            .ok()
            .and_then(|message| self.0.encrypt_inout_detached(&nonce.into(), b"", message).ok())
            .ok_or_else(|| Error::new(Status::Internal, "AES-GCM refused a message within its limits"))?;
        head.copy_from_slice(&nonce);
        tail.copy_from_slice(&tag);
        Ok(())
    }

    /// Opens `sealed` into `plaintext`, which is [`OVERHEAD`] bytes shorter. The tag is compared, in constant time,
    /// before the first byte of plaintext is written: on a failure `plaintext` is untouched.
    pub(crate) fn open(&self, sealed: &[u8], plaintext: &mut [u8]) -> std::result::Result<(), Unauthentic> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_SIZE>().ok_or(Unauthentic)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_SIZE>().ok_or(Unauthentic)?;
        let message = InOutBuf::new(ciphertext, plaintext).map_err(|_| Unauthentic)?;
        self.0.decrypt_inout_detached(nonce.into(), b"", message, tag.into()).map_err(|_| Unauthentic)
    }
}
