//! How old what is cached may be.
//!
//! What another process changes holds here within about a second. A cached key is used without a look at the store for a
//! second after the last one; then the store is looked at first, without waiting. While it cannot be looked at, keys serve
//! until five seconds after the last success, and it is tried again every 100 ms.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::platform::clock;

/// So long nothing has to be looked at, in milliseconds.
const FRESH: u64 = 1000;
/// So long cached keys serve when the store cannot be looked at.
const SERVES: u64 = 5000;
/// So long nobody tries again.
const PAUSE: u64 = 100;

/// When the store was last looked at, and how often it was found changed.
pub(crate) struct Freshness {
    looked: AtomicU64,
    /// When a look may be tried next.
    next: AtomicU64,
    changes: AtomicU64,
}

/// What a caller with a cached key has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// Use it.
    Nothing,
    /// Look at the store, without waiting; use it where that cannot be done.
    Look,
    /// Look at the store, waiting if need be.
    Wait,
}

/// A state of the store, to be kept beside what was read from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Seen(pub u64);

impl Freshness {
    /// That of a store that is being looked at now.
    pub(crate) fn new() -> Freshness {
        Freshness { looked: AtomicU64::new(clock::milliseconds()), next: AtomicU64::new(0), changes: AtomicU64::new(0) }
    }

    /// The last state that was seen. To be taken before what is read of it.
    pub(crate) fn seen(&self) -> Seen {
        Seen(self.changes.load(Ordering::Acquire))
    }

    /// Whether what was read in the state `seen` may be used without a look.
    #[inline]
    pub(crate) fn holds(&self, seen: Seen) -> bool {
        seen == self.seen() && clock::milliseconds() < self.looked.load(Ordering::Acquire) + FRESH
    }

    /// Whether a look at the store is due. Of those who ask at once, one is told to look.
    pub(crate) fn due(&self) -> Due {
        let now = clock::milliseconds();
        let looked = self.looked.load(Ordering::Acquire);
        if now < looked + FRESH {
            return Due::Nothing;
        }
        let next = self.next.load(Ordering::Acquire);
        let mine =
            now >= next && self.next.compare_exchange(next, now + PAUSE, Ordering::AcqRel, Ordering::Acquire).is_ok();
        match (mine, now < looked + SERVES) {
            (true, true) => Due::Look,
            (false, true) => Due::Nothing,
            (_, false) => Due::Wait,
        }
    }

    /// When a look begins: the time that it counts from.
    pub(crate) fn begin(&self) -> u64 {
        clock::milliseconds()
    }

    /// Keeps that the store has changed.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Keeps that a look that began at `begun` has succeeded.
    pub(crate) fn looked(&self, begun: u64) {
        self.looked.fetch_max(begun, Ordering::AcqRel);
    }

    /// Whether a look is due, for somebody who will not look.
    pub(crate) fn is_due(&self) -> bool {
        clock::milliseconds() >= self.looked.load(Ordering::Acquire) + FRESH
    }

    /// Makes a look due, as if a second had passed; with `wait`, as if five had.
    pub(crate) fn expire(&self, wait: bool) {
        let age = if wait { SERVES } else { FRESH };
        self.looked.store(clock::milliseconds().saturating_sub(age), Ordering::Release);
        self.next.store(0, Ordering::Release);
    }
}
