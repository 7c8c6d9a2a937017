//! Threads' pieces of memory, in which the sources of nonces keep what is theirs, under threads in chosen orders.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use shuttle::thread;

use super::*;

#[test]
fn two_threads_never_have_the_same_piece() {
    crate::sync::in_every_order(|| {
        // Never freed, as the real ones.
        let slots: &'static Slots = Box::leak(Box::new(Slots::new()));
        let held = Arc::new(Mutex::new(HashSet::new()));
        let claiming: Vec<_> = (0..3)
            .map(|_| {
                let held = Arc::clone(&held);
                thread::spawn(move || {
                    for _ in 0..2 {
                        // Two pieces a page, so that pages are added too; nobody touches them.
                        let size = mapping::page_size() / 2;
                        let page = || Ok(std::ptr::without_provenance_mut(fresh_page()));
                        let slot = ThreadSlot::new(slots);
                        let mine = slot.memory(size, page).unwrap().addr();
                        assert!(held.lock().unwrap().insert(mine), "two threads have it");
                        thread::yield_now();
                        assert!(held.lock().unwrap().remove(&mine));
                        drop(slot);
                    }
                })
            })
            .collect();
        claiming.into_iter().for_each(|each| each.join().unwrap());
    });
}

fn fresh_page() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) << 16
}
