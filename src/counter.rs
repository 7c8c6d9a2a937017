//! A counter that many threads add to without meeting on one cache line.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const STRIPES: usize = 64;

pub(crate) struct Counter(Box<[Stripe; STRIPES]>);

#[repr(align(64))]
struct Stripe(AtomicU64);

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
}

impl Counter {
    pub(crate) fn new() -> Counter {
        Counter(Box::new([const { Stripe(AtomicU64::new(0)) }; STRIPES]))
    }

    #[inline]
    pub(crate) fn add_one(&self) {
        self.0[stripe()].0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|stripe| stripe.0.load(Ordering::Relaxed)).sum()
    }
}

/// This thread's stripe: its own, until there have been more threads than stripes.
#[inline]
fn stripe() -> usize {
    let mine = STRIPE.get();
    if mine < STRIPES { mine } else { first_stripe() }
}

#[cold]
fn first_stripe() -> usize {
    let mine = THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES;
    STRIPE.set(mine);
    mine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_threads_add_is_counted() {
        let counter = Counter::new();
        std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| (0..1000).for_each(|_| counter.add_one()));
            }
        });
        assert_eq!(counter.total(), 100_000);
    }
}
