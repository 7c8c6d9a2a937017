//! What this processor can do beyond what every x86-64 can.
//!
//! The crate of AES-GCM asks for the processor's instructions at each block, in functions of its own. In a function that may
//! use those instructions, and is alone to call them, the compiler takes most of them in: some 15 per cent of a token.

/// Work that is compiled for what the processor has.
pub(crate) trait Work {
    type Outcome;

    /// `#[inline(always)]`, so that it becomes a part of its caller.
    fn run(self) -> Self::Outcome;
}

/// Proof that the processor has AES, carry-less multiplication and AVX2.
#[derive(Clone, Copy)]
pub(crate) struct Accelerated(());

impl Accelerated {
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn detect() -> Option<Accelerated> {
        let all = is_x86_feature_detected!("aes")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("avx2");
        all.then_some(Accelerated(()))
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn detect() -> Option<Accelerated> {
        None
    }

    #[inline(always)]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Outcome {
        // SAFETY: only `detect` makes one of these, where all that the function needs was found.
        #[cfg(target_arch = "x86_64")]
        return unsafe { run_accelerated(work) };
        #[cfg(not(target_arch = "x86_64"))]
        work.run()
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "aes,pclmulqdq,avx2")]
fn run_accelerated<W: Work>(work: W) -> W::Outcome {
    work.run()
}
