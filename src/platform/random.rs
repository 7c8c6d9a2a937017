//! The kernel's random source.

use std::io;

use crate::error::{Error, Result};
use crate::status::Status;

/// Fills `bytes` from `getrandom(2)`: once the kernel's generator has been seeded, which it waits for, never less than
/// asked for and never predictable.
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
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
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
