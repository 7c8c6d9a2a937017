//! What threads share. In the build that runs them in chosen orders (`--cfg keycask_schedules`, `scripts/hunt.sh schedules`)
//! each of these is a point at which another thread may go on.

#[cfg(not(all(test, keycask_schedules)))]
mod shared {
    pub(crate) use arc_swap::{ArcSwapOption, Guard};
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
}

#[cfg(all(test, keycask_schedules))]
mod shared {
    use std::sync::Arc;

    pub(crate) use arc_swap::Guard;
    pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
    use shuttle::thread::yield_now;

    /// arc-swap's, whose operations are whole here: each is preceded by a point at which another thread may go on.
    pub(crate) struct ArcSwapOption<T>(arc_swap::ArcSwapOption<T>);

    impl<T> Default for ArcSwapOption<T> {
        fn default() -> ArcSwapOption<T> {
            ArcSwapOption::empty()
        }
    }

    impl<T> ArcSwapOption<T> {
        pub(crate) fn empty() -> ArcSwapOption<T> {
            ArcSwapOption(arc_swap::ArcSwapOption::empty())
        }

        pub(crate) fn load(&self) -> Guard<Option<Arc<T>>> {
            yield_now();
            self.0.load()
        }

        pub(crate) fn store(&self, value: Option<Arc<T>>) {
            yield_now();
            self.0.store(value);
        }

        pub(crate) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
            yield_now();
            self.0.swap(value)
        }

        pub(crate) fn compare_and_swap(
            &self,
            current: &Guard<Option<Arc<T>>>,
            new: Option<Arc<T>>,
        ) -> Guard<Option<Arc<T>>> {
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
