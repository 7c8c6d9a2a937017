//! One piece of work for many who ask for it at once.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::platform::process::PerProcess;
use crate::status::Status;

/// What is asked for: a user, and whether only an existing key will do.
type Wish = (Box<str>, bool);

/// The work that is under way. A forked child begins with none.
pub(crate) struct Flights<T> {
    under_way: PerProcess<Mutex<HashMap<Wish, Arc<Flight<T>>>>>,
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
    pub(crate) fn join(&self, user: &str, existing: bool, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let wish: Wish = (user.into(), existing);
        let under_way = self.under_way.get();
        let mut flights = lock(under_way);
        if let Some(flight) = flights.get(&wish).cloned() {
            drop(flights);
            return flight.wait();
        }
        let flight = Arc::new(Flight { outcome: Mutex::new(None), landed: Condvar::new() });
        flights.insert(wish.clone(), Arc::clone(&flight));
        drop(flights);
        let mut landing = Landing { flights: under_way, wish, flight, outcome: None };
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
    flights: &'a Mutex<HashMap<Wish, Arc<Flight<T>>>>,
    wish: Wish,
    flight: Arc<Flight<T>>,
    outcome: Option<Result<T>>,
}

impl<T> Drop for Landing<'_, T> {
    fn drop(&mut self) {
        let mut flights = lock(self.flights);
        flights.remove(&self.wish);
        if flights.is_empty() {
            // A forked child leaves what its parent had here as it is: the less the better.
            flights.shrink_to_fit();
        }
        drop(flights);
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
