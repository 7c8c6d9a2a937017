//! One piece of work for many, under threads in chosen orders.

use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::thread;

use super::*;

#[test]
fn all_who_ask_get_what_one_found_and_nobody_waits_for_ever() {
    crate::sync::in_every_order(|| {
        let flights = Arc::new(Flights::new());
        let work = Arc::new(AtomicUsize::new(0));
        let asking: Vec<_> = (0..3)
            .map(|_| {
                let (flights, work) = (Arc::clone(&flights), Arc::clone(&work));
                thread::spawn(move || {
                    flights.join(User::new("alice").unwrap(), false, || {
                        thread::yield_now();
                        Ok(work.fetch_add(1, Ordering::SeqCst))
                    })
                })
            })
            .collect();
        let found: Vec<usize> = asking.into_iter().map(|each| each.join().unwrap().unwrap()).collect();
        let done = work.load(Ordering::SeqCst);
        assert!((1..=3).contains(&done) && found.iter().all(|&number| number < done));
        assert!(lock(flights.under_way.get()).iter().all(HashMap::is_empty));
    });
}

#[test]
fn who_waits_for_work_that_panics_gets_an_error() {
    crate::sync::in_every_order(|| {
        let flights = Arc::new(Flights::<u32>::new());
        let other = {
            let flights = Arc::clone(&flights);
            thread::spawn(move || flights.join(User::new("alice").unwrap(), true, || Ok(7)))
        };
        // As a panic unwinds: the outcome is never set.
        let failing = {
            let under_way = flights.under_way.get();
            let mut locked = lock(under_way);
            let known = &mut locked[1];
            if known.contains_key("alice") {
                None
            } else {
                let flight = Arc::new(Flight { outcome: Mutex::new(None), landed: Condvar::new() });
                known.insert("alice".into(), Arc::clone(&flight));
                drop(locked);
                Some(Landing { under_way, user: User::new("alice").unwrap(), existing: true, flight, outcome: None })
            }
        };
        thread::yield_now();
        drop(failing);
        match other.join().unwrap() {
            Ok(found) => assert_eq!(found, 7),
            Err(error) => assert_eq!(error.status(), Status::Internal),
        }
    });
}
