//! Which master keys a store lets open it, and which it lets create in it.

use crate::error::{Error, Result};
use crate::keystore::{Enough, MasterKeyState, Registered, Rows, StoredKey, WritableRows};
use crate::master_key::{MasterKey, MasterKeys};
use crate::status::Status;

/// So many rows of a store without registered master keys are tried.
const TRIED_ROWS: u32 = 1000;

/// The bits of `must_read` and `must_write` that this build knows.
const KNOWN_DEMANDS: u64 = 0;

/// Checks that `given` opens this store: one of them is registered as active or, where none is registered yet, opens one
/// of the first 1,000 rows. A store without rows takes any.
pub(crate) fn check_opening(rows: &dyn Rows, given: &MasterKeys) -> Result<()> {
    let unknown = rows.demands()?.must_read & !KNOWN_DEMANDS;
    if unknown != 0 {
        return Err(newer(rows, "reading", unknown));
    }
    let registered = rows.master_keys()?;
    if registered.is_empty() {
        return opened_rows(rows, given).map(|_| ());
    }
    check_one_active(rows, &registered, given)
}

/// Checks that this build knows all that a program must know to write this store.
pub(crate) fn check_writing(rows: &dyn Rows) -> Result<()> {
    let demands = rows.demands()?;
    let unknown = (demands.must_read | demands.must_write) & !KNOWN_DEMANDS;
    if unknown != 0 {
        return Err(newer(rows, "writing", unknown));
    }
    Ok(())
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

/// Whether a master key that this store still uses is not among `given`: then a row that they do not open may be sound.
pub(crate) fn lacks_an_active_key(rows: &dyn Rows, given: &MasterKeys) -> Result<bool> {
    Ok(rows.master_keys()?.iter().any(|known| known.state == MasterKeyState::Active && !given.contains(known.id)))
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
            && let Some(at) = untried.iter().position(|key| key.unwrap(&wrapped).is_some())
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
