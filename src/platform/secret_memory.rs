//! Memory for keys: left out of core dumps, locked within half of what the process may lock, and wiped when it is given back.
//!
//! Keys of one size lie side by side in slots of a region, so that few pages are locked for many. Slots are taken and given
//! back without a lock: however its parent was cut off, a child finds regions that work.

use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};

use arc_swap::RefCnt;
use zeroize::Zeroize;

use super::mapping;
use crate::sync::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// The largest region, in bytes. Each is twice the one before.
const LARGEST: usize = 1 << 23;
/// Regions from this size on are laid out in huge pages, where the system has them to give: so many keys are found with few
/// entries of the processor's TLB.
const HUGE: usize = 1 << 21;
/// An empty region above this gives its pages back to the system.
const KEPT: usize = 1 << 16;
/// So much of what may be locked is left to those who come first; half of it where there is little.
const RESERVED: usize = 1 << 16;

/// Who is locked first where not all can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rank {
    /// Master keys and pool keys.
    First,
    /// Users' keys.
    Second,
}

/// Bytes of keys and key schedules in this process's memory.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    pub(crate) locked: u64,
    pub(crate) unlocked: u64,
}

// --- values in such memory ------------------------------------------------------------------------------------------

/// A value that holds a secret, owned. Moving it moves a pointer and leaves no copy behind.
pub(crate) struct SecretBox<T>(NonNull<Slot<T>>);

/// A value that holds a secret, with several owners. The last of them wipes it.
pub(crate) struct SecretArc<T>(NonNull<Slot<Shared<T>>>);

#[repr(C)]
struct Slot<T> {
    /// Nothing for one on the heap, where the system refused a region.
    region: Option<&'static Region>,
    value: T,
}

#[repr(C)]
struct Shared<T> {
    owners: AtomicUsize,
    value: T,
}

// SAFETY: the value is owned as a Box owns it; regions are shared by atomics alone.
unsafe impl<T: Send> Send for SecretBox<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for SecretBox<T> {}
// SAFETY: the value is shared as an Arc shares it: `owners` is atomic, and whoever is last may be any thread.
unsafe impl<T: Send + Sync> Send for SecretArc<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for SecretArc<T> {}

/// Bytes of slots beyond the regions.
static ON_HEAP: AtomicUsize = AtomicUsize::new(0);

impl<T> SecretBox<T> {
    pub(crate) fn new(rank: Rank, value: T) -> SecretBox<T> {
        const {
            assert!(size_of::<Slot<T>>().is_multiple_of(align_of::<Slot<T>>()));
            assert!(size_of::<Slot<T>>() <= 4096 && align_of::<Slot<T>>() <= 64);
        }
        if let Some((region, slot)) = take(rank, size_of::<Slot<T>>()) {
            let place = slot.cast::<Slot<T>>();
            // SAFETY: the slot is ours alone, has the type's size, and lies a multiple of that behind the start of a page, so
            // that it is aligned for it.
            unsafe { place.write(Slot { region: Some(region), value }) };
            return SecretBox(place);
        }
        ON_HEAP.fetch_add(size_of::<Slot<T>>(), Ordering::Relaxed);
        SecretBox(NonNull::from(Box::leak(Box::new(Slot { region: None, value }))))
    }

    pub(crate) fn rank(&self) -> Rank {
        // SAFETY: the slot was written in `new`, and lives until `drop`.
        unsafe { self.0.as_ref() }.region.map_or(Rank::Second, |region| region.rank)
    }
}

impl<T> Deref for SecretBox<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the slot was written in `new`, and lives until `drop`.
        &unsafe { self.0.as_ref() }.value
    }
}

impl<T> DerefMut for SecretBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and `self` is borrowed for writing.
        &mut unsafe { self.0.as_mut() }.value
    }
}

impl<T> Drop for SecretBox<T> {
    fn drop(&mut self) {
        let region = {
            // SAFETY: as above.
            let slot = unsafe { self.0.as_mut() };
            // SAFETY: the value is dropped once, here, and not used after.
            unsafe { ptr::drop_in_place(&raw mut slot.value) };
            slot.region
        };
        let bytes = self.0.cast::<MaybeUninit<u8>>();
        // SAFETY: these bytes are still ours, and nothing lives in them.
        unsafe { std::slice::from_raw_parts_mut(bytes.as_ptr(), size_of::<Slot<T>>()) }.zeroize();
        match region {
            Some(region) => region.give_back(bytes.cast()),
            None => {
                ON_HEAP.fetch_sub(size_of::<Slot<T>>(), Ordering::Relaxed);
                // SAFETY: it was leaked from a Box of this layout, and its value is dropped: only the memory is left.
                drop(unsafe { Box::from_raw(self.0.cast::<MaybeUninit<Slot<T>>>().as_ptr()) });
            }
        }
    }
}

impl<T> SecretArc<T> {
    /// What one takes, in bytes.
    #[cfg(test)]
    pub(crate) const SLOT: usize = size_of::<Slot<Shared<T>>>();

    pub(crate) fn new(rank: Rank, value: T) -> SecretArc<T> {
        let owned = ManuallyDrop::new(SecretBox::new(rank, Shared { owners: AtomicUsize::new(1), value }));
        SecretArc(owned.0)
    }

    fn shared(&self) -> &Shared<T> {
        // SAFETY: the slot was written in `new`, and lives until its last owner is dropped; `self` is one.
        &unsafe { self.0.as_ref() }.value
    }
}

impl<T> Deref for SecretArc<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.shared().value
    }
}

impl<T> Clone for SecretArc<T> {
    fn clone(&self) -> SecretArc<T> {
        // Each owner takes memory of its own, so that there never are too many to count.
        self.shared().owners.fetch_add(1, Ordering::Relaxed);
        SecretArc(self.0)
    }
}

impl<T> Drop for SecretArc<T> {
    fn drop(&mut self) {
        if self.shared().owners.fetch_sub(1, Ordering::AcqRel) == 1 {
            drop(SecretBox(self.0));
        }
    }
}

// SAFETY: the pointer is that of the slot, which stays where it is and is another one's only when the last owner is gone; a
// clone has the same; into, as and from are inverse to each other and leave the number of owners as it is.
unsafe impl<T> RefCnt for SecretArc<T> {
    type Base = T;

    fn into_ptr(me: SecretArc<T>) -> *mut T {
        ManuallyDrop::new(me).0.as_ptr().cast()
    }

    #[inline(always)]
    fn as_ptr(me: &SecretArc<T>) -> *mut T {
        me.0.as_ptr().cast()
    }

    #[inline(always)]
    unsafe fn from_ptr(pointer: *const T) -> SecretArc<T> {
        // SAFETY: by the trait's rule it comes from `into_ptr`, which never makes NULL.
        SecretArc(unsafe { NonNull::new_unchecked(pointer.cast_mut().cast()) })
    }
}

// --- regions --------------------------------------------------------------------------------------------------------

/// Pages divided into slots of one size. It is never unmapped.
struct Region {
    start: NonNull<u8>,
    len: usize,
    rank: Rank,
    slot_size: usize,
    slots: usize,
    /// Slots that nobody has claimed. Who claims one finds a clear bit.
    free: AtomicUsize,
    /// A bit for each slot that is taken.
    taken: Box<[AtomicU64]>,
    /// Where the search for a clear bit begins.
    hint: AtomicUsize,
    locked: AtomicBool,
    /// The one that was mapped before it.
    earlier: *const Region,
}

// SAFETY: `start` is shared by slots, each of which has one owner; `earlier` is another such region or NULL, for ever.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// The newest region.
static REGIONS: AtomicPtr<Region> = AtomicPtr::new(ptr::null_mut());

fn regions() -> impl Iterator<Item = &'static Region> {
    // SAFETY: NULL, or a region that was leaked.
    let newest = unsafe { REGIONS.load(Ordering::Acquire).as_ref() };
    // SAFETY: as above.
    std::iter::successors(newest, |region| unsafe { region.earlier.as_ref() })
}

fn take(rank: Rank, slot_size: usize) -> Option<(&'static Region, NonNull<u8>)> {
    loop {
        let mut len = mapping::page_size();
        for region in regions().filter(|region| region.rank == rank && region.slot_size == slot_size) {
            if let Some(slot) = region.take() {
                return Some((region, slot));
            }
            len = len.max((region.len * 2).min(LARGEST));
        }
        add_region(rank, slot_size, lockable(rank, len))?;
    }
}

fn add_region(rank: Rank, slot_size: usize, len: usize) -> Option<()> {
    let region = Box::leak(Box::new(Region::mapped(rank, slot_size, len)?));
    region.lock();
    loop {
        let earlier = region.earlier.cast_mut();
        match REGIONS.compare_exchange(earlier, region, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Some(()),
            Err(newest) => region.earlier = newest,
        }
    }
}

impl Region {
    fn mapped(rank: Rank, slot_size: usize, len: usize) -> Option<Region> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let start = mapping::anonymous(len, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS).ok()?;
        let start = NonNull::new(start)?;
        // SAFETY: the range was just mapped, and is ours. Where it fails, the pages are dumped as others are.
        unsafe { libc::madvise(start.as_ptr().cast(), len, libc::MADV_DONTDUMP) };
        if len >= HUGE {
            // SAFETY: as above. Where it fails, the pages are small.
            unsafe { libc::madvise(start.as_ptr().cast(), len, libc::MADV_HUGEPAGE) };
        }
        let slots = len / slot_size;
        let taken = (0..slots.div_ceil(64)).map(|word| AtomicU64::new(beyond(slots, word))).collect();
        Some(Region {
            start,
            len,
            rank,
            slot_size,
            slots,
            free: AtomicUsize::new(slots),
            taken,
            hint: AtomicUsize::new(0),
            locked: AtomicBool::new(false),
            earlier: REGIONS.load(Ordering::Acquire),
        })
    }

    fn take(&self) -> Option<NonNull<u8>> {
        self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(1)).ok()?;
        let first = self.hint.load(Ordering::Relaxed);
        loop {
            for at in (first..self.taken.len()).chain(0..first) {
                let mut seen = self.taken[at].load(Ordering::Relaxed);
                while seen != u64::MAX {
                    let bit = seen.trailing_ones() as usize;
                    let with = seen | 1 << bit;
                    match self.taken[at].compare_exchange_weak(seen, with, Ordering::Acquire, Ordering::Relaxed) {
                        Ok(_) => {
                            self.hint.store(at, Ordering::Relaxed);
                            // SAFETY: bits exist for slots alone, so this lies inside the mapping.
                            return Some(unsafe { self.start.add((at * 64 + bit) * self.slot_size) });
                        }
                        Err(now) => seen = now,
                    }
                }
            }
        }
    }

    /// Takes a wiped slot back.
    fn give_back(&self, slot: NonNull<u8>) {
        let number = (slot.addr().get() - self.start.addr().get()) / self.slot_size;
        self.taken[number / 64].fetch_and(!(1 << (number % 64)), Ordering::Release);
        self.hint.store(number / 64, Ordering::Relaxed);
        if self.free.fetch_add(1, Ordering::AcqRel) + 1 == self.slots && self.len > KEPT {
            self.give_pages_back();
        }
    }

    #[cold]
    fn give_pages_back(&self) {
        // With every slot claimed nobody comes between.
        if self.free.compare_exchange(self.slots, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.unlock();
            // SAFETY: no slot is in use, so nobody misses what the pages hold.
            unsafe { libc::madvise(self.start.as_ptr().cast(), self.len, libc::MADV_DONTNEED) };
            self.lock();
            self.free.fetch_add(self.slots, Ordering::AcqRel);
        }
    }

    fn used(&self) -> u64 {
        (self.slots.saturating_sub(self.free.load(Ordering::Relaxed)) * self.slot_size) as u64
    }
}

/// A word of `taken` in which the bits behind the last slot are set.
fn beyond(slots: usize, word: usize) -> u64 {
    let here = slots - word * 64;
    if here >= 64 { 0 } else { u64::MAX << here }
}

// --- locking --------------------------------------------------------------------------------------------------------

/// Bytes that this process has locked.
static LOCKED: AtomicUsize = AtomicUsize::new(0);
static LEAVE_UNLOCKED: AtomicBool = AtomicBool::new(false);
static HAS_LOCK_ON_FAULT: AtomicBool = AtomicBool::new(true);

/// From now on nothing is locked.
pub(crate) fn leave_unlocked() {
    LEAVE_UNLOCKED.store(true, Ordering::SeqCst);
    regions().for_each(Region::unlock);
}

pub(crate) fn held() -> Held {
    let mut held = Held { locked: 0, unlocked: ON_HEAP.load(Ordering::Relaxed) as u64 };
    for region in regions() {
        let sum = if region.locked.load(Ordering::Relaxed) { &mut held.locked } else { &mut held.unlocked };
        *sum += region.used();
    }
    held
}

/// Locks again what the parent had locked: a child inherits no lock. Makes only calls that are safe in a signal handler.
pub(super) fn lock_again_in_child() {
    LOCKED.store(0, Ordering::Relaxed);
    for rank in [Rank::First, Rank::Second] {
        for region in regions().filter(|region| region.rank == rank) {
            if region.locked.swap(false, Ordering::Relaxed) {
                region.lock();
            }
        }
    }
}

/// How many bytes keycask may lock for a rank: half of what the process may.
fn budget(rank: Rank) -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a struct of ours. Where it fails, the limit stays 0.
    unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    let half = usize::try_from(limit.rlim_cur / 2).unwrap_or(usize::MAX);
    match rank {
        Rank::First => half,
        Rank::Second => half - RESERVED.min(half / 2),
    }
}

/// So much of `len` as can still be locked, where that is worth a region of its own; all of it, where it is not.
fn lockable(rank: Rank, len: usize) -> usize {
    let left = budget(rank).saturating_sub(LOCKED.load(Ordering::Relaxed));
    let mut fitting = len;
    while fitting > left && fitting > KEPT {
        fitting /= 2;
    }
    if fitting <= left && !LEAVE_UNLOCKED.load(Ordering::SeqCst) { fitting } else { len }
}

impl Region {
    fn lock(&self) {
        if LEAVE_UNLOCKED.load(Ordering::SeqCst) {
            return;
        }
        let budget = budget(self.rank);
        let with = |locked: usize| locked.checked_add(self.len).filter(|&with| with <= budget);
        if LOCKED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with).is_err() {
            return;
        }
        let locked = self.lock_on_fault() || (!HAS_LOCK_ON_FAULT.load(Ordering::Relaxed) && self.lock_at_once());
        if !locked {
            LOCKED.fetch_sub(self.len, Ordering::Relaxed);
        }
        self.locked.store(locked, Ordering::Relaxed);
    }

    /// Pages that were never used take no memory so, and a child's are not copied for it.
    fn lock_on_fault(&self) -> bool {
        if !HAS_LOCK_ON_FAULT.load(Ordering::Relaxed) {
            return false;
        }
        // SAFETY: the range is a mapping of ours.
        let answer = unsafe { libc::mlock2(self.start.as_ptr().cast(), self.len, libc::MLOCK_ONFAULT) };
        // libc says EINVAL where the system does not know the call.
        if answer != 0 && matches!(io::Error::last_os_error().raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) {
            HAS_LOCK_ON_FAULT.store(false, Ordering::Relaxed);
        }
        answer == 0
    }

    /// For a Linux before 4.4, and valgrind.
    fn lock_at_once(&self) -> bool {
        // SAFETY: as above.
        unsafe { libc::mlock(self.start.as_ptr().cast(), self.len) == 0 }
    }

    fn unlock(&self) {
        if self.locked.swap(false, Ordering::Relaxed) {
            // SAFETY: the range is a mapping of ours.
            unsafe { libc::munlock(self.start.as_ptr().cast(), self.len) };
            LOCKED.fetch_sub(self.len, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, keycask_schedules))]
#[path = "../../tests/schedules/secret_memory.rs"]
mod schedules;
