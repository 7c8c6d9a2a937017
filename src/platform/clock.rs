//! Time as a cache needs it: cheap, and never going backwards.

/// Milliseconds since some moment before this process began, to within the kernel's tick (some 4 ms): a few nanoseconds by
/// the vDSO.
pub(crate) fn milliseconds() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is ours to be written. The clock exists on every Linux that keycask runs on; it cannot fail otherwise.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}
