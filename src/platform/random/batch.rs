//! Nonces in batches: a system call for 32 of them, kept on a page that the kernel wipes in every child.

use super::{NONCE_SIZE, fill};
use crate::platform::mapping;
use crate::platform::thread_slots::{Slots, ThreadSlot};

/// Few, because a cloned machine repeats what was kept.
const BATCH: usize = 32;

#[repr(C)]
struct Batch {
    /// How many are left, at the front. Zero on a fresh page, and on one that was wiped.
    left: usize,
    nonces: [[u8; NONCE_SIZE]; BATCH],
}

static BATCHES: Slots = Slots::new();

thread_local! {
    static BATCH_OF_THREAD: ThreadSlot = const { ThreadSlot::new(&BATCHES) };
}

/// The next nonce of this thread's batch. Nothing: there is no such page to be had, or no randomness.
#[inline]
pub(super) fn nonce() -> Option<[u8; NONCE_SIZE]> {
    BATCH_OF_THREAD
        .try_with(|slot| {
            let memory = slot.memory(size_of::<Batch>(), mapping::wiped_on_fork)?;
            // SAFETY: the memory has this size, is aligned to a cache line, and is this thread's alone; all zeroes, as it
            // is when fresh or wiped, are an empty batch. The reference ends before the thread could leave it to another.
            let batch = unsafe { &mut *memory.cast::<Batch>() };
            if batch.left == 0 {
                fill(batch.nonces.as_flattened_mut()).ok()?;
                batch.left = BATCH;
            }
            batch.left -= 1;
            batch.nonces.get(batch.left).copied()
        })
        .ok()?
}
