//! The tickets that C holds in place of pointers.
//!
//! A ticket names a slot of a table and the generation of what lies in it: bit 63 set, bit 62 clear, 30 bits of
//! generation, 32 of slot. It is never an address, never NULL and never -1. A ticket whose object is gone meets another
//! generation and is refused; no memory is touched through it.

use std::ptr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::objects::{kc_key, kc_store};
use crate::error::{Error, Result};
use crate::key::Key;
use crate::status::Status;
use crate::store::Store;

const MARK: u64 = 1 << 63;
const GENERATION_SHIFT: u32 = 32;
const LAST_GENERATION: u32 = (1 << 30) - 1;

static TABLE: RwLock<Table> = RwLock::new(Table { slots: Vec::new(), vacant: Vec::new(), taken: 0 });

struct Table {
    slots: Vec<Slot>,
    /// Slots that may be taken again.
    vacant: Vec<u32>,
    taken: usize,
}

struct Slot {
    generation: u32,
    object: Option<Object>,
}

/// What a handle stands for.
enum Object {
    Store(Arc<Store>),
    Key {
        key: Key,
        /// The store that it came from, and with which it ends.
        store: Option<Ticket>,
    },
    /// A key whose store was freed. It still has to be freed itself.
    OrphanedKey,
}

/// The value of a handle.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ticket(u64);

impl Ticket {
    fn new(slot: u32, generation: u32) -> Ticket {
        Ticket(MARK | u64::from(generation) << GENERATION_SHIFT | u64::from(slot))
    }

    fn of<H>(handle: *const H) -> Ticket {
        Ticket(handle.addr() as u64)
    }

    fn handle<H>(self) -> *mut H {
        ptr::without_provenance_mut(self.0 as usize)
    }

    fn slot(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }
}

impl Table {
    /// What `ticket` stands for, if it is one of ours and not stale.
    fn object(&self, ticket: Ticket) -> Option<&Object> {
        let slot = self.slots.get(ticket.slot())?;
        let object = slot.object.as_ref()?;
        (Ticket::new(ticket.slot() as u32, slot.generation) == ticket).then_some(object)
    }

    fn add(&mut self, object: Object) -> Result<Ticket> {
        let index = match self.vacant.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.slots.len()).map_err(|_| Error::memory())?;
                self.slots.try_reserve(1).map_err(|_| Error::memory())?;
                self.slots.push(Slot { generation: 0, object: None });
                index
            }
        };
        let slot = &mut self.slots[index as usize];
        slot.object = Some(object);
        self.taken += 1;
        Ok(Ticket::new(index, slot.generation))
    }

    /// Takes out what `ticket` stands for. Its slot is used again under the next generation, and never after the last.
    fn remove(&mut self, ticket: Ticket) -> Option<Object> {
        self.object(ticket)?;
        let slot = &mut self.slots[ticket.slot()];
        let object = slot.object.take();
        self.taken -= 1;
        if slot.generation < LAST_GENERATION {
            slot.generation += 1;
            self.vacant.push(ticket.slot() as u32);
        }
        object
    }

    /// Takes the keys out of the handles that came from `store`; the handles stay, to be freed.
    fn orphan_keys_of(&mut self, store: Ticket) -> Vec<Object> {
        let from_store = |object: &Object| matches!(object, Object::Key { store: Some(from), .. } if *from == store);
        self.slots
            .iter_mut()
            .filter_map(|slot| slot.object.as_mut())
            .filter(|object| from_store(object))
            .map(|object| std::mem::replace(object, Object::OrphanedKey))
            .collect()
    }
}

fn table() -> RwLockReadGuard<'static, Table> {
    TABLE.read().unwrap_or_else(PoisonError::into_inner)
}

fn table_mut() -> RwLockWriteGuard<'static, Table> {
    TABLE.write().unwrap_or_else(PoisonError::into_inner)
}

/// The store of a handle. It lives on while the caller uses it, also when the handle is freed meanwhile.
pub(super) fn store(handle: *const kc_store) -> Result<Arc<Store>> {
    match table().object(Ticket::of(handle)) {
        Some(Object::Store(store)) => Ok(Arc::clone(store)),
        other => Err(refused("kc_store", handle.is_null(), other)),
    }
}

/// The key of a handle. It lives on as [`store`] says.
pub(super) fn key(handle: *const kc_key) -> Result<Key> {
    match table().object(Ticket::of(handle)) {
        Some(Object::Key { key, .. }) => Ok(key.clone()),
        other => Err(refused("kc_key", handle.is_null(), other)),
    }
}

#[cold]
fn refused(expected: &str, null: bool, found: Option<&Object>) -> Error {
    let message = match found {
        _ if null => {
            format!("the handle is NULL, and a {expected} was expected: look at what the call that makes it answered")
        }
        None => format!("the handle is no open {expected}: it was freed, or never came from keycask"),
        Some(Object::Store(_)) => format!("the handle is a kc_store, and a {expected} was expected"),
        Some(Object::Key { .. }) => format!("the handle is a kc_key, and a {expected} was expected"),
        Some(Object::OrphanedKey) => "the key's store was freed, and the key ended with it: free the key too".into(),
    };
    Error::new(Status::Handle, message)
}

pub(super) fn add_store(store: Store) -> Result<*mut kc_store> {
    table_mut().add(Object::Store(Arc::new(store))).map(Ticket::handle)
}

/// A handle for a key that belongs to no store.
pub(super) fn add_key(key: Key) -> Result<*mut kc_key> {
    table_mut().add(Object::Key { key, store: None }).map(Ticket::handle)
}

/// A handle for a key that came from the store of the handle `store`, and ends with it.
pub(super) fn add_key_of(store: *const kc_store, key: Key) -> Result<*mut kc_key> {
    let store = Ticket::of(store);
    let mut table = table_mut();
    if table.object(store).is_none() {
        return Err(refused("kc_store", false, None));
    }
    table.add(Object::Key { key, store: Some(store) }).map(Ticket::handle)
}

/// Ends a handle, and with a store the keys that came from it.
pub(super) fn free<H>(handle: *const H) -> Result<()> {
    let ticket = Ticket::of(handle);
    let mut table = table_mut();
    let object = table.remove(ticket);
    let orphans = match object {
        Some(Object::Store(_)) => table.orphan_keys_of(ticket),
        _ => Vec::new(),
    };
    drop(table);
    // Closing a store may wait for the disk: the objects go when the lock is free again.
    drop(orphans);
    match object {
        Some(_) => Ok(()),
        None => Err(refused("handle", false, None)),
    }
}

/// How many handles are open.
pub(super) fn count() -> usize {
    table().taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imported() -> Object {
        Object::Key { key: Key::import(&[1; 32]).unwrap(), store: None }
    }

    fn empty() -> Table {
        Table { slots: Vec::new(), vacant: Vec::new(), taken: 0 }
    }

    #[test]
    fn a_ticket_is_neither_an_address_nor_null_nor_minus_one() {
        for ticket in [Ticket::new(0, 0), Ticket::new(u32::MAX, LAST_GENERATION)] {
            assert_eq!(ticket.0 >> 62, 0b10);
        }
    }

    #[test]
    fn a_slot_is_used_again_and_the_stale_ticket_opens_nothing() {
        let mut table = empty();
        let first = table.add(imported()).unwrap();
        assert!(table.remove(first).is_some());
        let second = table.add(imported()).unwrap();
        assert_eq!(first.slot(), second.slot());
        assert!(table.object(first).is_none() && table.object(second).is_some());
        assert!(table.remove(first).is_none());
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_never_used_again() {
        let mut table = empty();
        let first = table.add(imported()).unwrap();
        table.slots[first.slot()].generation = LAST_GENERATION;
        let last = Ticket::new(0, LAST_GENERATION);
        assert!(table.remove(last).is_some());
        let next = table.add(imported()).unwrap();
        assert_ne!(next.slot(), last.slot());
        assert!(table.object(last).is_none());
    }
}
