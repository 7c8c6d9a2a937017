//! Slots for keys, under threads in chosen orders.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use shuttle::thread;

use super::*;

#[test]
fn a_slot_has_one_owner_and_comes_back() {
    const SLOTS: usize = 3;
    crate::sync::in_every_order(|| {
        // Addresses that nobody touches.
        let region = Arc::new(Region {
            start: NonNull::dangling(),
            len: mapping::page_size(),
            rank: Rank::Second,
            slot_size: mapping::page_size() / SLOTS,
            slots: SLOTS,
            free: AtomicUsize::new(SLOTS),
            taken: Box::new([AtomicU64::new(beyond(SLOTS, 0))]),
            hint: AtomicUsize::new(0),
            locked: AtomicBool::new(false),
            earlier: ptr::null(),
        });
        let held = Arc::new(Mutex::new(HashSet::new()));
        let taking: Vec<_> = (0..4)
            .map(|_| {
                let (region, held) = (Arc::clone(&region), Arc::clone(&held));
                thread::spawn(move || {
                    // Of four one finds none, if the others have theirs.
                    let Some(slot) = region.take() else { return };
                    assert!(held.lock().unwrap().insert(slot.addr()), "two have it");
                    thread::yield_now();
                    assert!(held.lock().unwrap().remove(&slot.addr()));
                    region.give_back(slot);
                })
            })
            .collect();
        taking.into_iter().for_each(|each| each.join().unwrap());
        assert_eq!(region.used(), 0);
        assert_eq!((0..SLOTS).filter_map(|_| region.take()).map(NonNull::addr).collect::<HashSet<_>>().len(), SLOTS);
        assert!(region.take().is_none());
    });
}
