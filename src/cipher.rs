//! AES-256-GCM: the one place that names the crate that implements it.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aes::Aes256Enc;
use aes_gcm::aes::cipher::{BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser};
use aes_gcm::{AesGcm, KeyInit, Tag};

use crate::error::{Error, Result};
use crate::nonce::{NONCE_SIZE, Nonce};
use crate::platform::processor::{Accelerated, Work, prefetch};
use crate::secret::SecretKey;
use crate::status::Status;

/// The length of an authentication tag in bytes.
const TAG_SIZE: usize = 16;

/// What sealing adds to a plaintext: a nonce in front and a tag behind.
pub(crate) const OVERHEAD: usize = NONCE_SIZE + TAG_SIZE;

/// AES-256-GCM (NIST SP 800-38D) under one key, its key schedule done. Associated data is empty in every v2 format.
///
/// What it writes and reads is always nonce(12) ‖ ciphertext ‖ tag(16). The schedule is wiped when it is dropped.
#[expect(clippy::large_enum_variant, reason = "nearly all are of the larger one, and each lies in a slot of its own")]
pub(crate) enum Cipher {
    /// Where the processor helps. The same schedule twice, under two types: so each of the crate's functions has one caller,
    /// of which the compiler makes it a part.
    Accelerated {
        with: Accelerated,
        sealing: AesGcm<Sealing, U12>,
        opening: AesGcm<Opening, U12>,
    },
    Portable(AesGcm<Aes256Enc, U12>),
}

/// The tag does not belong to this key, nonce and ciphertext.
pub(crate) struct Unauthentic;

impl Cipher {
    pub(crate) fn new(key: &SecretKey) -> Cipher {
        let aes = Aes256Enc::new(key.expose().into());
        match Accelerated::detect() {
            Some(with) => {
                Cipher::Accelerated { with, sealing: Sealing(aes.clone()).into(), opening: Opening(aes).into() }
            }
            None => Cipher::Portable(aes.into()),
        }
    }

    /// Has the processor fetch what [`Cipher::seal`] reads. It waits for nothing.
    #[inline(always)]
    pub(crate) fn prefetch_for_sealing(&self) {
        if let Cipher::Accelerated { sealing, .. } = self {
            prefetch(sealing);
        }
    }

    /// Has the processor fetch what [`Cipher::open`] reads. It waits for nothing.
    #[inline(always)]
    pub(crate) fn prefetch_for_opening(&self) {
        if let Cipher::Accelerated { opening, .. } = self {
            prefetch(opening);
        }
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
            .and_then(|message| match self {
                Cipher::Accelerated { with, sealing, .. } => with.run(Seal { gcm: sealing, nonce: &nonce, message }),
                Cipher::Portable(gcm) => Seal { gcm, nonce: &nonce, message }.run(),
            })
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
        match self {
            Cipher::Accelerated { with, opening, .. } => with.run(Open { gcm: opening, nonce, message, tag }),
            Cipher::Portable(gcm) => Open { gcm, nonce, message, tag }.run(),
        }
    }
}

struct Seal<'a, G> {
    gcm: &'a G,
    nonce: &'a [u8; NONCE_SIZE],
    message: InOutBuf<'a, 'a, u8>,
}

impl<G: AeadInOut<NonceSize = U12, TagSize = U16>> Work for Seal<'_, G> {
    type Outcome = Option<Tag>;

    #[inline(always)]
    fn run(self) -> Option<Tag> {
        self.gcm.encrypt_inout_detached(self.nonce.into(), b"", self.message).ok()
    }
}

struct Open<'a, G> {
    gcm: &'a G,
    nonce: &'a [u8; NONCE_SIZE],
    message: InOutBuf<'a, 'a, u8>,
    tag: &'a [u8; TAG_SIZE],
}

impl<G: AeadInOut<NonceSize = U12, TagSize = U16>> Work for Open<'_, G> {
    type Outcome = std::result::Result<(), Unauthentic>;

    #[inline(always)]
    fn run(self) -> Self::Outcome {
        self.gcm.decrypt_inout_detached(self.nonce.into(), b"", self.message, self.tag.into()).map_err(|_| Unauthentic)
    }
}

/// AES-256 under a name of its own.
macro_rules! aes_256 {
    ($name:ident) => {
        pub(crate) struct $name(Aes256Enc);

        impl BlockSizeUser for $name {
            type BlockSize = U16;
        }

        impl BlockCipherEncrypt for $name {
            #[inline(always)]
            fn encrypt_with_backend(&self, work: impl BlockCipherEncClosure<BlockSize = U16>) {
                self.0.encrypt_with_backend(work);
            }
        }
    };
}

aes_256!(Sealing);
aes_256!(Opening);
