//! The kernel's random source: by a system call, and the quick ways to it for nonces.
//! What each guarantees after a fork, a snapshot or a clone is a table in `docs/reliability.md`.

mod batch;
mod vdso;

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

use super::process::{self, Section};
use crate::error::{Error, Result};
use crate::status::Status;

/// The length of what [`nonce`] gives, in bytes.
pub(crate) const NONCE_SIZE: usize = 12;

/// Fills `bytes` by `getrandom(2)`: once the kernel's generator has been seeded, which it waits for, never less than
/// asked for and never predictable. Always a system call: libc's function of that name may have bytes ahead.
///
/// # Errors
///
/// [`Status::Random`] when the system call is missing or refused; `bytes` then hold nothing to be used.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = &mut bytes[filled..];
        // SAFETY: `rest` is exclusively borrowed and valid for writes of `rest.len()` bytes; getrandom writes no more
        // than that and keeps no pointer.
        let got = unsafe { libc::syscall(libc::SYS_getrandom, rest.as_mut_ptr(), rest.len(), 0) };
        match usize::try_from(got) {
            Ok(got) => filled += got,
            Err(_) => {
                let cause = io::Error::last_os_error();
                if cause.kind() != io::ErrorKind::Interrupted {
                    return Err(Error::new(
                        Status::Random,
                        format!("the system's random source failed: {cause}; allow the getrandom system call"),
                    )
                    .with_os_error(cause.raw_os_error().unwrap_or(0)));
                }
            }
        }
    }
    Ok(())
}

/// Twelve random bytes that nobody else gets, by the quickest way there is. For nonces, never for keys.
///
/// # Errors
///
/// Those of [`fill`].
#[inline]
pub(crate) fn nonce() -> Result<[u8; NONCE_SIZE]> {
    let quick = match WAY.load(Ordering::Relaxed) {
        VDSO => vdso::nonce(),
        BATCHES => batch::nonce(),
        SYSTEM_CALLS => None,
        _ => {
            choose_way();
            None
        }
    };
    quick.map_or_else(nonce_by_system_call, Ok)
}

/// From now on every nonce in this process is taken by a system call.
pub(crate) fn keep_nothing_ahead() {
    WAY.store(SYSTEM_CALLS, Ordering::Relaxed);
}

// --- the ways to a nonce ----------------------------------------------------------------------------------------------

static WAY: AtomicU8 = AtomicU8::new(NOT_CHOSEN);
const NOT_CHOSEN: u8 = 0;
const VDSO: u8 = 1;
const BATCHES: u8 = 2;
const SYSTEM_CALLS: u8 = 3;

#[cold]
fn nonce_by_system_call() -> Result<[u8; NONCE_SIZE]> {
    let mut bytes = [0; NONCE_SIZE];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// Finds the quickest way to a nonce. To be called before a section begins, which could not end while a fork waits for it.
#[cold]
pub(crate) fn choose_way() {
    // The loader's lock may be held for ever in a process that was made by a bare clone.
    if WAY.load(Ordering::Relaxed) == NOT_CHOSEN && !process::is_unknown() {
        let _section = Section::begin();
        let way = if vdso::find() { VDSO } else { BATCHES };
        // What another thread chose, or keep_nothing_ahead, stays.
        let _ = WAY.compare_exchange(NOT_CHOSEN, way, Ordering::Release, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    fn takes_no_nonce_twice(nonce: fn() -> Option<[u8; NONCE_SIZE]>) {
        let threads: Vec<_> =
            (0..8).map(|_| thread::spawn(move || (0..10_000).map(|_| nonce().unwrap()).collect::<Vec<_>>())).collect();
        let nonces: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(nonces.iter().collect::<HashSet<_>>().len(), nonces.len(), "a nonce came twice");
        let ones: u32 = nonces.iter().flatten().map(|byte| byte.count_ones()).sum();
        let bits = nonces.len() as f64 * 96.0;
        assert!((f64::from(ones) - bits / 2.0).abs() < 5.0 * bits.sqrt(), "{ones} of {bits} bits are set");
    }

    #[test]
    fn the_vdso_gives_no_nonce_twice() {
        if vdso::find() {
            takes_no_nonce_twice(vdso::nonce);
        } else {
            println!("this kernel's vDSO has no getrandom: nothing to be tried");
        }
    }

    #[test]
    fn batches_give_no_nonce_twice() {
        takes_no_nonce_twice(batch::nonce);
    }

    #[test]
    fn whatever_the_way_a_nonce_comes() {
        assert_ne!(nonce().unwrap(), nonce().unwrap());
    }
}
