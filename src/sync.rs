//! What threads share. In the build that runs them in chosen orders (`--cfg keycask_schedules`, `scripts/hunt.sh schedules`)
//! each of these is a point at which another thread may go on.

#[cfg(not(all(test, keycask_schedules)))]
mod shared {
    pub(crate) use arc_swap::Guard;
    #[cfg(feature = "capi")]
    pub(crate) use std::sync::atomic::AtomicU32;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

    pub(crate) type SwapOption<P> = arc_swap::ArcSwapAny<Option<P>>;
}

#[cfg(all(test, keycask_schedules))]
mod shared {
    pub(crate) use arc_swap::Guard;
    use arc_swap::{ArcSwapAny, RefCnt};
    pub(crate) use shuttle::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
    };
    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
    use shuttle::thread::yield_now;

    /// arc-swap's, whose operations are whole here: each is preceded by a point at which another thread may go on.
    pub(crate) struct SwapOption<P: RefCnt>(ArcSwapAny<Option<P>>);

    impl<P: RefCnt> Default for SwapOption<P> {
        fn default() -> SwapOption<P> {
            SwapOption(ArcSwapAny::new(None))
        }
    }

    impl<P: RefCnt> SwapOption<P> {
        pub(crate) fn load(&self) -> Guard<Option<P>> {
            yield_now();
            self.0.load()
        }

        pub(crate) fn store(&self, value: Option<P>) {
            yield_now();
            self.0.store(value);
        }

        pub(crate) fn swap(&self, value: Option<P>) -> Option<P> {
            yield_now();
            self.0.swap(value)
        }

        pub(crate) fn compare_and_swap(&self, current: &Guard<Option<P>>, new: Option<P>) -> Guard<Option<P>> {
            yield_now();
            self.0.compare_and_swap(&**current, new)
        }
    }
}

pub(crate) use shared::*;

/// Runs `work`, whose threads are shuttle's, in orders chosen at random, `KEYCASK_SCHEDULES` of them.
#[cfg(all(test, keycask_schedules))]
pub(crate) fn in_every_order(work: impl Fn() + Send + Sync + 'static) {
    let orders = std::env::var("KEYCASK_SCHEDULES").map_or(10_000, |number| number.parse().unwrap());
    shuttle::check_random(work, orders);
    println!("{orders} schedules");
}
