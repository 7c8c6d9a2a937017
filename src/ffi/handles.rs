//! The tickets that C holds in place of pointers.
//!
//! A ticket names a slot of a table and the generation of what lies in it: bit 63 set, bit 62 clear, 30 bits of
//! generation, 32 of slot. It is never an address, never NULL and never -1. A ticket whose object is gone meets another
//! one's, and is refused; no memory is touched through it.
//!
//! Looking a ticket up takes no lock and writes to nothing that threads share. What was found stays for as long as it is
//! used, also when its handle is freed meanwhile; then it goes at once.

use std::ops::Deref;
use std::ptr;
use std::sync::Arc;

use once_cell::race::OnceBox;

use super::objects::{kc_key, kc_store};
use crate::error::{Error, Result};
use crate::fallible;
use crate::key::Key;
use crate::platform::process::{PerProcess, Section};
use crate::status::Status;
use crate::store::Store;
use crate::sync::{AtomicU32, AtomicUsize, Guard, Mutex, Ordering, SwapOption};

const MARK: u64 = 1 << 63;
const GENERATION_SHIFT: u32 = 32;
const LAST_GENERATION: u32 = (1 << 30) - 1;

/// The slots of the first chunk; every chunk has twice as many as the one before.
const FIRST_CHUNK: u32 = 64;
/// Together more slots than a ticket can name.
const CHUNKS: usize = 26;

static TABLE: Table = Table::new();

/// The value of a handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

    fn slot(self) -> u32 {
        self.0 as u32
    }

    /// The ticket of what lies in this one's slot next; a slot whose generations are used up is not used again.
    fn successor(self) -> Option<Ticket> {
        let generation = (self.0 & !MARK) >> GENERATION_SHIFT;
        (generation < LAST_GENERATION.into()).then(|| Ticket(self.0 + (1 << GENERATION_SHIFT)))
    }
}

/// What lies in a slot.
struct Entry {
    ticket: Ticket,
    object: Object,
}

/// What a handle stands for.
enum Object {
    Store(Store),
    Key {
        key: Key,
        /// The store that it came from, and with which it ends.
        store: Option<Ticket>,
    },
    /// A key whose store was freed. It still has to be freed itself.
    OrphanedKey,
}

type Slot = SwapOption<Arc<Entry>>;

struct Table {
    /// Chunks are made when they are needed and never moved.
    chunks: [OnceBox<Vec<Slot>>; CHUNKS],
    /// So many slots have been used.
    used: AtomicU32,
    /// Tickets for slots that may be used again. A forked child begins without: those slots stay empty there.
    vacant: PerProcess<Mutex<Vec<Ticket>>>,
    taken: AtomicUsize,
}

impl Table {
    const fn new() -> Table {
        Table {
            chunks: [const { OnceBox::new() }; CHUNKS],
            used: AtomicU32::new(0),
            vacant: PerProcess::new(Mutex::default),
            taken: AtomicUsize::new(0),
        }
    }

    /// Where slot `index` is: its chunk and its place in it.
    #[inline(always)]
    fn place(index: u32) -> (usize, usize) {
        let chunk = (u64::from(index) / u64::from(FIRST_CHUNK) + 1).ilog2();
        (chunk as usize, (u64::from(index) - u64::from(FIRST_CHUNK) * ((1 << chunk) - 1)) as usize)
    }

    #[inline(always)]
    fn slot(&self, index: u32) -> Option<&Slot> {
        let (chunk, at) = Table::place(index);
        self.chunks.get(chunk)?.get()?.get(at)
    }

    fn make_slot(&self, index: u32) -> Option<&Slot> {
        let (chunk, at) = Table::place(index);
        self.chunks
            .get(chunk)?
            .get_or_try_init(|| fallible::filled((FIRST_CHUNK as usize) << chunk, Slot::default).map(Box::new))
            .ok()?
            .get(at)
    }

    /// What `ticket` stands for, if it is one of ours and not stale.
    #[inline(always)]
    fn entry(&self, ticket: Ticket) -> Option<Guard<Option<Arc<Entry>>>> {
        let entry = self.slot(ticket.slot())?.load();
        entry.as_ref().is_some_and(|entry| entry.ticket == ticket).then_some(entry)
    }

    /// Runs `work` on the vacant tickets, unless somebody else has them: then a slot more is taken, or is lost.
    fn with_vacant<T>(&self, work: impl FnOnce(&mut Vec<Ticket>) -> Option<T>) -> Option<T> {
        work(&mut *self.vacant.get().try_lock().ok()?)
    }

    fn add(&self, object: Object) -> Result<Ticket> {
        let _section = Section::begin();
        let ticket = match self.with_vacant(Vec::pop) {
            Some(ticket) => ticket,
            None => {
                let next = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| used.checked_add(1));
                Ticket::new(next.map_err(|_| Error::memory())?, 0)
            }
        };
        let slot = self.make_slot(ticket.slot()).ok_or_else(Error::memory)?;
        slot.store(Some(Arc::new(Entry { ticket, object })));
        self.taken.fetch_add(1, Ordering::AcqRel);
        Ok(ticket)
    }

    /// Takes out what `ticket` stands for; once, however many try.
    fn remove(&self, ticket: Ticket) -> Option<Arc<Entry>> {
        let _section = Section::begin();
        loop {
            let entry = self.entry(ticket)?;
            // A key may become an orphan between the two looks: then look again.
            let before = self.slot(ticket.slot())?.compare_and_swap(&entry, None);
            if same(&before, &entry) {
                self.taken.fetch_sub(1, Ordering::AcqRel);
                if let Some(next) = ticket.successor() {
                    self.with_vacant(|vacant| {
                        vacant.push(next);
                        Some(())
                    });
                }
                return Guard::into_inner(entry);
            }
        }
    }

    /// Adds a key that came from `store`, and ends with it.
    fn add_key_of(&self, store: Ticket, key: Key) -> Result<Ticket> {
        let ticket = self.add(Object::Key { key, store: Some(store) })?;
        if self.entry(store).is_none() {
            // It was freed while this call was under way, perhaps before the new handle could be seen.
            self.orphan_keys_of(store);
        }
        Ok(ticket)
    }

    /// Ends what `ticket` stands for, and with a store the keys that came from it.
    fn free(&self, ticket: Ticket) -> Result<()> {
        let removed = self.remove(ticket).ok_or_else(|| refused("handle", false, None))?;
        if matches!(removed.object, Object::Store(_)) {
            self.orphan_keys_of(ticket);
        }
        Ok(())
    }

    /// Takes the keys out of the handles that came from `store`; the handles stay, to be freed.
    fn orphan_keys_of(&self, store: Ticket) {
        for slot in (0..self.used.load(Ordering::Acquire)).filter_map(|index| self.slot(index)) {
            let entry = slot.load();
            if let Some(Entry { ticket, object: Object::Key { store: Some(from), .. } }) = entry.as_deref()
                && *from == store
            {
                let orphan = Entry { ticket: *ticket, object: Object::OrphanedKey };
                slot.compare_and_swap(&entry, Some(Arc::new(orphan)));
            }
        }
    }
}

fn same(one: &Option<Arc<Entry>>, other: &Option<Arc<Entry>>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if Arc::ptr_eq(one, other))
}

/// A store while a call uses it.
pub(super) struct StoreInUse(Guard<Option<Arc<Entry>>>);

impl Deref for StoreInUse {
    type Target = Store;

    fn deref(&self) -> &Store {
        match self.0.as_deref() {
            Some(Entry { object: Object::Store(store), .. }) => store,
            _ => unreachable!("made from an entry that holds a store"),
        }
    }
}

/// A key while a call uses it.
pub(super) struct KeyInUse(Guard<Option<Arc<Entry>>>);

impl Deref for KeyInUse {
    type Target = Key;

    fn deref(&self) -> &Key {
        match self.0.as_deref() {
            Some(Entry { object: Object::Key { key, .. }, .. }) => key,
            _ => unreachable!("made from an entry that holds a key"),
        }
    }
}

/// The store of a handle.
#[inline(always)]
pub(super) fn store(handle: *const kc_store) -> Result<StoreInUse> {
    let entry = TABLE.entry(Ticket::of(handle));
    match entry.as_ref().and_then(|entry| entry.as_deref()) {
        Some(Entry { object: Object::Store(_), .. }) => {}
        other => return Err(refused("kc_store", handle.is_null(), other.map(|entry| &entry.object))),
    }
    entry.map(StoreInUse).ok_or_else(|| refused("kc_store", false, None))
}

/// The key of a handle.
#[inline(always)]
pub(super) fn key(handle: *const kc_key) -> Result<KeyInUse> {
    let entry = TABLE.entry(Ticket::of(handle));
    match entry.as_ref().and_then(|entry| entry.as_deref()) {
        Some(Entry { object: Object::Key { .. }, .. }) => {}
        other => return Err(refused("kc_key", handle.is_null(), other.map(|entry| &entry.object))),
    }
    entry.map(KeyInUse).ok_or_else(|| refused("kc_key", false, None))
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
    TABLE.add(Object::Store(store)).map(Ticket::handle)
}

/// A handle for a key that belongs to no store.
pub(super) fn add_key(key: Key) -> Result<*mut kc_key> {
    TABLE.add(Object::Key { key, store: None }).map(Ticket::handle)
}

/// A handle for a key that came from the store of the handle `store`, and ends with it.
pub(super) fn add_key_of(store: *const kc_store, key: Key) -> Result<*mut kc_key> {
    TABLE.add_key_of(Ticket::of(store), key).map(Ticket::handle)
}

/// Ends a handle, and with a store the keys that came from it.
pub(super) fn free<H>(handle: *const H) -> Result<()> {
    TABLE.free(Ticket::of(handle))
}

/// How many handles are open.
pub(super) fn count() -> usize {
    TABLE.taken.load(Ordering::Acquire)
}

#[cfg(all(test, keycask_schedules))]
#[path = "../../tests/schedules/handles.rs"]
mod schedules;

#[cfg(test)]
mod tests {
    use super::*;

    fn imported() -> Object {
        Object::Key { key: Key::import(&[1; 32]).unwrap(), store: None }
    }

    #[test]
    fn a_ticket_is_neither_an_address_nor_null_nor_minus_one() {
        for ticket in [Ticket::new(0, 0), Ticket::new(u32::MAX, LAST_GENERATION)] {
            assert_eq!(ticket.0 >> 62, 0b10);
        }
    }

    #[test]
    fn a_slot_is_used_again_and_the_stale_ticket_opens_nothing() {
        let table = Table::new();
        let first = table.add(imported()).unwrap();
        assert!(table.remove(first).is_some());
        let second = table.add(imported()).unwrap();
        assert_eq!(first.slot(), second.slot());
        assert!(table.entry(first).is_none() && table.entry(second).is_some());
        assert!(table.remove(first).is_none());
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_never_used_again() {
        assert_eq!(Ticket::new(7, LAST_GENERATION).successor(), None);
        assert_eq!(Ticket::new(7, LAST_GENERATION - 1).successor(), Some(Ticket::new(7, LAST_GENERATION)));
    }

    #[test]
    fn every_slot_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for index in 0..100_000 {
            assert_eq!(Table::place(index), expected, "slot {index}");
            expected.1 += 1;
            if expected.1 == (FIRST_CHUNK as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert!(Table::place(u32::MAX).0 < CHUNKS + 1);
    }
}
