//! Memory for the ciphertext of one call: on the stack for everyday lengths, on the heap beyond.

use crate::cipher::OVERHEAD;
use crate::error::Result;
use crate::fallible;

/// An API key's token and most others.
const SMALL: usize = 256;
/// A token that is decoded has room for bytes that turn out to be padding.
const PADDING: usize = 2;
/// A message of 1 KiB, sealed: what is zeroed for more takes a fifth of the time that such a token does.
const MEDIUM: usize = 1024 + OVERHEAD + PADDING;
/// A message of 4 KiB, sealed: so much still works where the heap must not be used, in the child of a raw `clone`.
const LARGE: usize = 4096 + OVERHEAD + PADDING;

/// Runs `work` on `len` zero bytes. They are for ciphertext and token text: nothing wipes them.
///
/// It becomes a part of its caller, so that what `work` needs is at hand there.
#[inline(always)]
pub(crate) fn with<T>(len: usize, work: impl FnOnce(&mut [u8]) -> Result<T>) -> Result<T> {
    let (mut small, mut medium, mut large, mut heap);
    let bytes: &mut [u8] = if len <= SMALL {
        small = [0; SMALL];
        &mut small[..len]
    } else if len <= MEDIUM {
        medium = [0; MEDIUM];
        &mut medium[..len]
    } else if len <= LARGE {
        large = [0; LARGE];
        &mut large[..len]
    } else {
        heap = fallible::zeroes(len)?;
        &mut heap
    };
    work(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Status;

    #[test]
    fn work_gets_as_many_zero_bytes_as_it_asked_for() {
        for len in [0, 1, SMALL - 1, SMALL, SMALL + 1, MEDIUM, MEDIUM + 1, LARGE, LARGE + 1, 1 << 20] {
            let got = with(len, |bytes| {
                assert!(bytes.iter().all(|&byte| byte == 0));
                bytes.fill(0xff);
                Ok(bytes.len())
            });
            assert_eq!(got.unwrap(), len);
        }
    }

    #[test]
    fn more_than_there_is_memory_for_is_an_error_and_work_is_not_begun() {
        let refused = with(isize::MAX as usize, |_| -> Result<()> { panic!("there is no such memory") });
        assert_eq!(refused.unwrap_err().status(), Status::Memory);
    }
}
