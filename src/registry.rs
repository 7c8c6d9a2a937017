//! Which master keys a store lets open it, which it lets create in it, and how one is retired.

use crate::error::{Error, Result};
use crate::keystore::{Demands, Enough, MasterKeyState, Registered, Rows, StoredKey, WritableRows};
use crate::master_key::{MasterKey, MasterKeyId, MasterKeys};
use crate::platform::secret_memory::Rank;
use crate::status::Status;

/// So many rows of a store without registered master keys are tried.
const TRIED_ROWS: u32 = 1000;

/// What this build knows.
const KNOWN: Demands = Demands { must_read: Demands::VERSIONS, must_write: Demands::OPERATIONS };

/// Checks that `given` opens this store: one of them is registered as active or, where none is registered yet, opens one
/// of the first 1,000 rows. A store without rows takes any.
pub(crate) fn check_opening(rows: &dyn Rows, given: &MasterKeys) -> Result<Demands> {
    let demands = check_reading(rows)?;
    let registered = rows.master_keys()?;
    if registered.is_empty() {
        opened_rows(rows, given)?;
    } else {
        check_one_active(rows, &registered, given)?;
    }
    Ok(demands)
}

/// Checks that this build knows all that a program must know to read this store.
pub(crate) fn check_reading(rows: &dyn Rows) -> Result<Demands> {
    let demands = rows.demands()?;
    let unknown = demands.must_read & !KNOWN.must_read;
    if unknown != 0 {
        return Err(newer(rows, "reading", unknown));
    }
    Ok(demands)
}

/// Checks that this build knows all that a program must know to write this store.
pub(crate) fn check_writing(rows: &dyn Rows) -> Result<Demands> {
    let demands = rows.demands()?;
    let unknown = demands.must_read & !KNOWN.must_read | demands.must_write & !KNOWN.must_write;
    if unknown != 0 {
        return Err(newer(rows, "writing", unknown));
    }
    Ok(demands)
}

/// Checks that a key may be created under the current one of `given`, and registers it where it is new.
pub(crate) fn admit_creation(rows: &dyn WritableRows, given: &MasterKeys) -> Result<()> {
    rows.make_own_tables()?;
    let mut registered = rows.master_keys()?;
    if registered.is_empty() {
        for key in opened_rows(rows, given)? {
            rows.add_master_key(key.id())?;
        }
        registered = rows.master_keys()?;
    }
    let current = given.current().id();
    match registered.iter().find(|known| known.id == current).map(|known| known.state) {
        Some(MasterKeyState::Active) => Ok(()),
        Some(state) => Err(Error::new(
            Status::MasterKeyWrong,
            format!(
                "the current master key is {} in {}, and creates nothing there: give its successor first",
                if state == MasterKeyState::Retiring { "being retired" } else { "retired" },
                rows.store_name()
            ),
        )),
        None => {
            if !registered.is_empty() {
                check_one_active(rows, &registered, given)?;
            }
            rows.add_master_key(current)
        }
    }
}

/// The given keys that were registered before the current one: what hangs on them is to be moved to it. From now on nothing
/// is created under them.
pub(crate) fn begin_retiring<'k>(rows: &dyn WritableRows, given: &'k MasterKeys) -> Result<Vec<&'k MasterKey>> {
    let current = given.current().id();
    let mut earlier = Vec::new();
    for known in rows.master_keys()? {
        if known.id == current {
            break;
        }
        let Some(key) = given.iter().find(|key| key.id() == known.id) else { continue };
        if known.state == MasterKeyState::Active {
            rows.demand(Demands { must_write: Demands::OPERATIONS, must_read: 0 })?;
            rows.set_master_key_state(known.id, MasterKeyState::Retiring)?;
        }
        earlier.push(key);
    }
    Ok(earlier)
}

/// Registers a given key that was found under a row, and that nobody had registered, as one that is being retired.
pub(crate) fn retire_unregistered(rows: &dyn WritableRows, id: MasterKeyId) -> Result<()> {
    rows.demand(Demands { must_write: Demands::OPERATIONS, must_read: 0 })?;
    rows.add_master_key(id)?;
    rows.set_master_key_state(id, MasterKeyState::Retiring)
}

/// Whether a master key is being retired: what it wraps, or wrapped, may lie anywhere in the store's files.
pub(crate) fn is_rotating(rows: &dyn Rows) -> Result<bool> {
    Ok(rows.master_keys()?.iter().any(|known| known.state == MasterKeyState::Retiring))
}

/// The most useful state among the master keys that this store knows and `given` lacks: a row that they do not open may be
/// sound, and wrapped under that one.
pub(crate) fn lacking(rows: &dyn Rows, given: &MasterKeys) -> Result<Option<MasterKeyState>> {
    Ok(rows.master_keys()?.iter().filter(|known| !given.contains(known.id)).map(|known| known.state).min())
}

fn check_one_active(rows: &dyn Rows, registered: &[Registered], given: &MasterKeys) -> Result<()> {
    if registered.iter().any(|known| known.state == MasterKeyState::Active && given.contains(known.id)) {
        return Ok(());
    }
    Err(wrong(rows, "is not among its active ones"))
}

/// Those of `given` that open one of the first rows. An error where there are rows, and none of them opens one.
fn opened_rows<'k>(rows: &dyn Rows, given: &'k MasterKeys) -> Result<Vec<&'k MasterKey>> {
    let mut untried: Vec<&MasterKey> = given.iter().collect();
    let mut opening = Vec::new();
    let mut seen = 0;
    rows.first_user_keys(TRIED_ROWS, &mut |row| {
        seen += 1;
        if let StoredKey::Wrapped(wrapped) = row
            && let Some(at) = untried.iter().position(|key| key.unwrap(Rank::Second, &wrapped).is_some())
        {
            opening.push(untried.remove(at));
        }
        if untried.is_empty() { Enough::Yes } else { Enough::No }
    })?;
    if seen > 0 && opening.is_empty() {
        return Err(wrong(rows, "opens none of its keys"));
    }
    Ok(opening)
}

#[cold]
fn wrong(rows: &dyn Rows, found: &str) -> Error {
    Error::new(
        Status::MasterKeyWrong,
        format!(
            "{} was filled under another master key: the given one {found}; nothing was written. Give the key that \
             API_KEY_MASTER_KEY held when it was filled",
            rows.store_name()
        ),
    )
}

#[cold]
fn newer(rows: &dyn Rows, work: &str, bits: u64) -> Error {
    Error::new(
        Status::Unsupported,
        format!(
            "{} was changed by a newer keycask; {work} it takes a release that knows its bits {bits:#x}: update keycask",
            rows.store_name()
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;
    use crate::keystore::Demands;
    use crate::master_key::{MasterKeyId, WrappedKey};
    use crate::user::User;

    /// Rows in memory, of which no user is ever asked for by name.
    #[derive(Default)]
    struct FakeRows {
        registered: RefCell<Vec<(MasterKeyId, MasterKeyState)>>,
        wrapped: Vec<WrappedKey>,
        visited: Cell<usize>,
    }

    impl Rows for FakeRows {
        fn store_name(&self) -> String {
            "the key store".into()
        }

        fn user_key(&self, _: User<'_>) -> Result<Option<StoredKey>> {
            unreachable!("the registry asks for no user")
        }

        fn first_user_keys(&self, limit: u32, visit: &mut dyn FnMut(StoredKey) -> Enough) -> Result<()> {
            for wrapped in self.wrapped.iter().take(limit as usize) {
                self.visited.set(self.visited.get() + 1);
                if visit(StoredKey::Wrapped(*wrapped)) == Enough::Yes {
                    break;
                }
            }
            Ok(())
        }

        fn master_keys(&self) -> Result<Vec<Registered>> {
            Ok(self.registered.borrow().iter().map(|&(id, state)| Registered { id, state }).collect())
        }

        fn demands(&self) -> Result<Demands> {
            Ok(Demands::default())
        }
    }

    impl WritableRows for FakeRows {
        fn make_own_tables(&self) -> Result<()> {
            Ok(())
        }

        fn add_user_key(&self, _: User<'_>, _: &WrappedKey) -> Result<()> {
            unreachable!("the registry adds no user")
        }

        fn add_master_key(&self, id: MasterKeyId) -> Result<()> {
            self.registered.borrow_mut().push((id, MasterKeyState::Active));
            Ok(())
        }

        fn set_master_key_state(&self, id: MasterKeyId, state: MasterKeyState) -> Result<()> {
            self.registered.borrow_mut().iter_mut().filter(|known| known.0 == id).for_each(|known| known.1 = state);
            Ok(())
        }

        fn demand(&self, _: Demands) -> Result<()> {
            Ok(())
        }
    }

    fn master_key(number: u8) -> MasterKey {
        MasterKey::from_bytes(&[number; 32])
    }

    fn ring(numbers: &[u8]) -> MasterKeys {
        MasterKeys::new(numbers.iter().map(|&number| master_key(number)).collect()).unwrap()
    }

    /// Rows under the master keys with these numbers.
    fn rows_under(numbers: &[u8]) -> FakeRows {
        let user_key = [0xee; 32];
        let wrapped = numbers.iter().map(|&number| master_key(number).wrap(&user_key).unwrap()).collect();
        FakeRows { wrapped, ..FakeRows::default() }
    }

    #[test]
    fn where_master_keys_are_registered_opening_touches_no_row() {
        let rows = rows_under(&[1; 5]);
        rows.add_master_key(master_key(1).id()).unwrap();
        check_opening(&rows, &ring(&[2, 1])).unwrap();
        assert!(check_opening(&rows, &ring(&[2])).is_err());
        assert_eq!(rows.visited.get(), 0);
    }

    #[test]
    fn rows_are_tried_until_every_given_key_has_opened_one() {
        for (under, given, visited) in
            [(vec![1; 5], vec![1], 1), (vec![1, 1, 2, 2, 1], vec![1, 2], 3), (vec![1; 5], vec![1, 2], 5)]
        {
            let rows = rows_under(&under);
            check_opening(&rows, &ring(&given)).unwrap();
            assert_eq!(rows.visited.get(), visited, "{under:?}, {given:?}");
        }
    }

    #[test]
    fn no_more_than_the_first_1000_rows_are_tried() {
        let rows = rows_under(&[[1; 1000].as_slice(), &[2]].concat());
        assert_eq!(check_opening(&rows, &ring(&[2])).unwrap_err().status(), Status::MasterKeyWrong);
        assert_eq!(rows.visited.get(), 1000);
        check_opening(&rows, &ring(&[1, 2])).unwrap();
    }

    #[test]
    fn a_refused_creation_registers_nothing() {
        let unregistered = rows_under(&[1]);
        assert!(admit_creation(&unregistered, &ring(&[2, 3])).is_err());
        assert!(unregistered.registered.borrow().is_empty());

        for state in [MasterKeyState::Retiring, MasterKeyState::Retired] {
            let rows = rows_under(&[1]);
            rows.registered.borrow_mut().push((master_key(1).id(), state));
            for given in [[1, 2], [2, 1]] {
                assert!(admit_creation(&rows, &ring(&given)).is_err(), "{state:?}, {given:?}");
            }
            assert_eq!(*rows.registered.borrow(), [(master_key(1).id(), state)]);
        }
    }
}
