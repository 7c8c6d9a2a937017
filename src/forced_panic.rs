//! Panics on demand, to see that none crosses the C boundary. Nothing of it is in a build without
//! `--cfg keycask_force_panic`, which the tests' own library has.

/// Panics where the environment names this `place`.
#[inline]
pub(crate) fn here(place: &str) {
    if cfg!(keycask_force_panic) && std::env::var("KEYCASK_PANIC").as_deref() == Ok(place) {
        panic!("forced");
    }
}
