//! What is the operating system's: the only place beside the C boundary and the SQLite engine's edge where `unsafe`
//! is allowed.

pub(crate) mod clock;
pub(crate) mod file_lock;
pub(crate) mod folder;
pub(crate) mod mapping;
pub(crate) mod process;
pub(crate) mod processor;
pub(crate) mod random;
pub(crate) mod secret_memory;
mod thread_slots;
