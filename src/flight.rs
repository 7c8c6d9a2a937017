//! One piece of work for many who ask for it at once.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use crate::error::{Error, Result};
use crate::platform::process::PerProcess;
use crate::status::Status;
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::user::User;

/// By user; in the second, what is asked for where only an existing key will do.
type UnderWay<T> = [HashMap<Box<str>, Arc<Flight<T>>>; 2];

/// The work that is under way. A forked child begins with none.
pub(crate) struct Flights<T> {
    under_way: PerProcess<Mutex<UnderWay<T>>>,
}

struct Flight<T> {
    outcome: Mutex<Option<Result<T>>>,
    landed: Condvar,
}

impl<T: Clone + Send> Flights<T> {
    pub(crate) fn new() -> Flights<T> {
        Flights { under_way: PerProcess::new(Mutex::default) }
    }

    /// Does `work`, unless somebody does the same already: then waits for their outcome and takes it.
    pub(crate) fn join(&self, user: User<'_>, existing: bool, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let under_way = self.under_way.get();
        let mut locked = lock(under_way);
        let flights = &mut locked[usize::from(existing)];
        if let Some(flight) = flights.get(user.name()).cloned() {
            drop(locked);
            return flight.wait();
        }
        flights.try_reserve(1).map_err(|_| Error::memory())?;
        let flight = Arc::new(Flight { outcome: Mutex::new(None), landed: Condvar::new() });
        flights.insert(user.to_owned()?, Arc::clone(&flight));
        drop(locked);
        let mut landing = Landing { under_way, user, existing, flight, outcome: None };
        let outcome = work();
        landing.outcome = Some(outcome.clone());
        outcome
    }
}

impl<T: Clone> Flight<T> {
    fn wait(&self) -> Result<T> {
        let mut outcome = lock(&self.outcome);
        loop {
            if let Some(outcome) = &*outcome {
                return outcome.clone();
            }
            outcome = self.landed.wait(outcome).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Tells the others how it ended, also when the work has panicked.
struct Landing<'a, T> {
    under_way: &'a Mutex<UnderWay<T>>,
    user: User<'a>,
    existing: bool,
    flight: Arc<Flight<T>>,
    outcome: Option<Result<T>>,
}

impl<T> Drop for Landing<'_, T> {
    fn drop(&mut self) {
        let mut locked = lock(self.under_way);
        let flights = &mut locked[usize::from(self.existing)];
        flights.remove(self.user.name());
        if flights.is_empty() {
            // A forked child leaves what its parent had here as it is: the less the better.
            flights.shrink_to_fit();
        }
        drop(locked);
        // Nobody finds it any more, so that no more can come to wait for it than are here.
        if Arc::strong_count(&self.flight) == 1 {
            return;
        }
        let outcome = self.outcome.take().unwrap_or_else(|| {
            Err(Error::new(Status::Internal, "the call that this one waited for met a defect of keycask"))
        });
        *lock(&self.flight.outcome) = Some(outcome);
        self.flight.landed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, keycask_schedules))]
#[path = "../tests/schedules/flight.rs"]
mod schedules;
