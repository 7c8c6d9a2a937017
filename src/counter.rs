//! A counter that many threads add to without meeting on one cache line.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::error::Result;
use crate::fallible;

/// The first threads have a stripe each, to which nobody else adds; all later ones share the others.
const OWNED: usize = 64;
const SHARED: usize = 64;

pub(crate) struct Counter(Box<[Stripe; OWNED + SHARED]>);

#[repr(align(64))]
struct Stripe(AtomicU64);

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
}

impl Counter {
    pub(crate) fn new() -> Result<Counter> {
        fallible::array(|| Stripe(AtomicU64::new(0))).map(Counter)
    }

    #[inline]
    pub(crate) fn add_one(&self) {
        let mine = stripe();
        let Stripe(count) = &self.0[mine];
        if mine < OWNED {
            // No locked instruction, which would cost as much as a block of AES.
            count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        } else {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|stripe| stripe.0.load(Ordering::Relaxed)).sum()
    }
}

#[inline]
fn stripe() -> usize {
    let mine = STRIPE.get();
    if mine < OWNED + SHARED { mine } else { first_stripe() }
}

#[cold]
fn first_stripe() -> usize {
    let number = THREADS.fetch_add(1, Ordering::Relaxed);
    let mine = if number < OWNED { number } else { OWNED + number % SHARED };
    STRIPE.set(mine);
    mine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_threads_add_is_counted() {
        let counter = Counter::new().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..300 {
                scope.spawn(|| (0..1000).for_each(|_| counter.add_one()));
            }
        });
        assert_eq!(counter.total(), 300_000);
    }
}
