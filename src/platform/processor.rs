//! What this processor can do beyond what every x86-64 can.
//!
//! The crate of AES-GCM asks for the processor's instructions at each block, in functions of its own. In a function that may
//! use those instructions, and is alone to call them, the compiler takes most of them in: some 15 per cent of a token.

use std::arch::asm;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
#[cfg(target_arch = "x86_64")]
use std::ptr;

/// What the processor fetches at a time, in bytes.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

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

/// Has the processor fetch all of `value` at once, where it would else wait for each line of it in turn: what was not used for
/// a while lies in memory alone.
#[inline(always)]
pub(crate) fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    for at in (0..=size_of::<T>()).step_by(LINE) {
        // SAFETY: a prefetch reads nothing that the program could see, and any address will do.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(ptr::from_ref(value).cast::<i8>().wrapping_add(at)) };
    }
}

/// Zeroes so many bytes of the stack below the caller.
#[inline(never)]
pub(crate) fn clear_stack_below<const LEN: usize>() {
    let mut below = [0_u8; LEN];
    // SAFETY: it does nothing. For all that the compiler knows it reads the array, which so has to be written.
    unsafe { asm!("/* {} */", in(reg) below.as_mut_ptr(), options(nostack, preserves_flags)) };
}

/// Zeroes the vector registers, where a copy of a key has passed through them: a call that the dynamic linker binds when it is
/// first made puts them on the stack.
pub(crate) fn clear_vector_registers() {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has what the function needs.
        unsafe { clear_32() }
    } else if is_x86_feature_detected!("avx") {
        // SAFETY: as above.
        unsafe { clear_16() }
    }
}

/// The first 16 whole, in whatever width there is.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
fn clear_16() {
    // SAFETY: it changes these registers alone, and says so. No vector register is kept across calls (System V ABI, AMD64, §3.2.1).
    unsafe {
        asm!(
            "vzeroall",
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _,
            out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _, out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
            options(nomem, nostack, preserves_flags),
        );
    }
}

/// The 16 that AVX-512 adds too, by which libc's memcpy copies.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn clear_32() {
    clear_16();
    // SAFETY: as above.
    unsafe {
        asm!(
            ".irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
            "vpxorq zmm\\n, zmm\\n, zmm\\n",
            ".endr",
            out("zmm16") _, out("zmm17") _, out("zmm18") _, out("zmm19") _, out("zmm20") _, out("zmm21") _, out("zmm22") _, out("zmm23") _,
            out("zmm24") _, out("zmm25") _, out("zmm26") _, out("zmm27") _, out("zmm28") _, out("zmm29") _, out("zmm30") _, out("zmm31") _,
            options(nomem, nostack, preserves_flags),
        );
    }
}
