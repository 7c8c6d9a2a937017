//! Vectors and texts for what grows with a caller's input or store: where the system has no memory for them it is an error,
//! not the end of the process.

use crate::error::{Error, Result};

/// An empty vector that takes `capacity` values without growing.
pub(crate) fn with_capacity<T>(capacity: usize) -> Result<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(capacity).map_err(|_| Error::memory())?;
    Ok(values)
}

pub(crate) fn filled<T>(len: usize, make: impl FnMut() -> T) -> Result<Vec<T>> {
    let mut values = with_capacity(len)?;
    values.resize_with(len, make);
    Ok(values)
}

pub(crate) fn array<T, const N: usize>(make: impl FnMut() -> T) -> Result<Box<[T; N]>> {
    filled(N, make)?.into_boxed_slice().try_into().map_err(|_| Error::memory())
}

pub(crate) fn zeroes(len: usize) -> Result<Vec<u8>> {
    filled(len, || 0)
}

pub(crate) fn push<T>(values: &mut Vec<T>, value: T) -> Result<()> {
    values.try_reserve(1).map_err(|_| Error::memory())?;
    values.push(value);
    Ok(())
}

pub(crate) fn copied(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut copy = with_capacity(bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

pub(crate) fn text(text: &str) -> Result<String> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len()).map_err(|_| Error::memory())?;
    copy.push_str(text);
    Ok(copy)
}
