//! Pieces of memory that each belong to one thread, on pages that children do not inherit the content of.
//!
//! A thread that ends leaves its piece to the next. No lock is taken, so that no child inherits one held. What threads held
//! that a fork left behind stays held in the child: untouched pages cost nothing there.

use std::cell::Cell;
use std::io;
use std::ptr;

use super::mapping;
use super::process;
use crate::sync::{AtomicBool, AtomicPtr, Ordering};

/// Pieces begin at multiples of it, so that no two threads write to one cache line.
const ALIGNMENT: usize = 64;

/// All pieces of one kind. They are never unmapped.
pub(crate) struct Slots {
    newest: AtomicPtr<Page>,
}

struct Page {
    start: *mut u8,
    /// Which pieces are a thread's.
    taken: Box<[AtomicBool]>,
    next: AtomicPtr<Page>,
}

/// A thread's piece: its thread-local value.
pub(crate) struct ThreadSlot {
    slots: &'static Slots,
    held: Cell<Option<Held>>,
}

#[derive(Clone, Copy)]
struct Held {
    memory: *mut u8,
    taken: &'static AtomicBool,
}

impl Slots {
    pub(crate) const fn new() -> Slots {
        Slots { newest: AtomicPtr::new(ptr::null_mut()) }
    }

    /// A piece that is nobody's; of a new page, where there is none.
    fn claim(&self, size: usize, map: impl FnOnce() -> io::Result<*mut u8>) -> io::Result<Held> {
        let size = size.next_multiple_of(ALIGNMENT);
        let mut next = self.newest.load(Ordering::Acquire);
        // SAFETY: NULL, or a page that `add` made and nobody frees.
        while let Some(page) = unsafe { next.as_ref() } {
            if let Some(at) = page.taken.iter().position(|taken| !taken.swap(true, Ordering::Acquire)) {
                return Ok(Held { memory: page.start.wrapping_add(at * size), taken: &page.taken[at] });
            }
            next = page.next.load(Ordering::Relaxed);
        }
        let page = self.add(map()?, mapping::page_size() / size);
        Ok(Held { memory: page.start, taken: &page.taken[0] })
    }

    /// Adds a page of `count` pieces, the first of which is the caller's.
    fn add(&self, start: *mut u8, count: usize) -> &'static Page {
        let taken = (0..count).map(|at| AtomicBool::new(at == 0)).collect();
        let page: &Page = Box::leak(Box::new(Page { start, taken, next: AtomicPtr::new(ptr::null_mut()) }));
        let mut newest = self.newest.load(Ordering::Relaxed);
        loop {
            page.next.store(newest, Ordering::Relaxed);
            let added = ptr::from_ref(page).cast_mut();
            // Acquire too: whoever finds this page finds the older ones behind it.
            match self.newest.compare_exchange_weak(newest, added, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return page,
                Err(other) => newest = other,
            }
        }
    }
}

impl ThreadSlot {
    pub(crate) const fn new(slots: &'static Slots) -> ThreadSlot {
        ThreadSlot { slots, held: Cell::new(None) }
    }

    /// This thread's piece, of `size` bytes; zeroes when its page is fresh or was wiped, else as the last call, or another
    /// thread that has ended, left it. `map` maps a page for more pieces. Nothing where it cannot.
    #[inline]
    pub(crate) fn memory(&self, size: usize, map: impl FnOnce() -> io::Result<*mut u8>) -> Option<*mut u8> {
        match self.held.get() {
            Some(held) => Some(held.memory),
            None => self.claimed(size, map),
        }
    }

    #[cold]
    fn claimed(&self, size: usize, map: impl FnOnce() -> io::Result<*mut u8>) -> Option<*mut u8> {
        // The heap may be locked for ever in a process that was made by a bare clone.
        if process::is_unknown() {
            return None;
        }
        let held = self.slots.claim(size, map).ok()?;
        self.held.set(Some(held));
        Some(held.memory)
    }
}

impl Drop for ThreadSlot {
    fn drop(&mut self) {
        if let Some(held) = self.held.get() {
            held.taken.store(false, Ordering::Release);
        }
    }
}

#[cfg(all(test, keycask_schedules))]
#[path = "../../tests/schedules/thread_slots.rs"]
mod schedules;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    static SLOTS: Slots = Slots::new();

    thread_local! {
        static SLOT: ThreadSlot = const { ThreadSlot::new(&SLOTS) };
    }

    fn address() -> usize {
        SLOT.with(|slot| slot.memory(100, mapping::wiped_on_fork).unwrap().addr())
    }

    #[test]
    fn threads_share_no_piece_and_leave_theirs_to_those_who_come_after() {
        let pieces = |threads: usize| -> HashSet<usize> {
            let together = Barrier::new(threads);
            thread::scope(|scope| {
                let all: Vec<_> = (0..threads)
                    .map(|_| {
                        scope.spawn(|| {
                            let first = address();
                            together.wait();
                            assert_eq!(address(), first);
                            first
                        })
                    })
                    .collect();
                all.into_iter().map(|each| each.join().unwrap()).collect()
            })
        };
        let first = pieces(100);
        assert_eq!(first.len(), 100);
        assert!(first.iter().all(|start| start % ALIGNMENT == 0));
        assert!(first.iter().all(|start| start / mapping::page_size() == (start + 99) / mapping::page_size()));
        let page = |start: &usize| start / mapping::page_size();
        let first_pages: HashSet<usize> = first.iter().map(page).collect();
        let later = pieces(100);
        assert_eq!(later.len(), 100);
        assert!(later.iter().map(page).all(|page| first_pages.contains(&page)), "what threads left was not used again");
    }
}
