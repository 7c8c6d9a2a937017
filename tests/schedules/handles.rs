//! Handles, under threads in chosen orders.

use std::sync::Arc;

use shuttle::thread;

use super::*;

/// An object without a key in it, which stands for a store too: that keys come from it is in their entries.
fn any() -> Object {
    Object::OrphanedKey
}

fn key_of(table: &Table, ticket: Ticket) -> bool {
    matches!(
        table.entry(ticket).as_ref().and_then(|entry| entry.as_deref()),
        Some(Entry { object: Object::Key { .. }, .. })
    )
}

#[test]
fn a_handle_is_freed_once_however_many_try() {
    crate::sync::in_every_order(|| {
        let table = Arc::new(Table::new());
        let ticket = table.add(any()).unwrap();
        let tries: Vec<_> = (0..3)
            .map(|_| {
                let table = Arc::clone(&table);
                thread::spawn(move || usize::from(table.remove(ticket).is_some()))
            })
            .collect();
        assert_eq!(tries.into_iter().map(|each| each.join().unwrap()).sum::<usize>(), 1);
        assert!(table.entry(ticket).is_none());
        assert_eq!(table.taken.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn a_stale_handle_never_finds_what_came_after_it() {
    crate::sync::in_every_order(|| {
        let table = Arc::new(Table::new());
        let first = table.add(any()).unwrap();
        let freeing = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                table.remove(first);
                table.add(any()).unwrap()
            })
        };
        let looking = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                for _ in 0..3 {
                    let found = table.entry(first);
                    assert!(found.as_ref().is_none_or(|entry| entry.as_ref().unwrap().ticket == first));
                }
            })
        };
        let second = freeing.join().unwrap();
        looking.join().unwrap();
        assert_ne!(first, second);
        assert!(table.entry(first).is_none() && table.entry(second).is_some());
    });
}

#[test]
fn handles_that_are_made_at_once_are_different() {
    crate::sync::in_every_order(|| {
        let table = Arc::new(Table::new());
        let making: Vec<_> = (0..3)
            .map(|_| {
                let table = Arc::clone(&table);
                thread::spawn(move || {
                    let first = table.add(any()).unwrap();
                    assert!(table.entry(first).is_some());
                    table.remove(first).unwrap();
                    table.add(any()).unwrap()
                })
            })
            .collect();
        let mut made: Vec<_> = making.into_iter().map(|each| each.join().unwrap().0).collect();
        made.sort_unstable();
        made.dedup();
        assert_eq!(made.len(), 3);
        assert_eq!(table.taken.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn a_key_that_is_made_while_its_store_is_freed_ends_with_it() {
    crate::sync::in_every_order(|| {
        let table = Arc::new(Table::new());
        let store = table.add(any()).unwrap();
        let making = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.add_key_of(store, Key::import(&[1; 32]).unwrap()).unwrap())
        };
        table.remove(store).unwrap();
        table.orphan_keys_of(store);
        let key = making.join().unwrap();
        assert!(!key_of(&table, key), "it works on without its store");
        assert!(table.remove(key).is_some(), "it cannot be freed");
    });
}
