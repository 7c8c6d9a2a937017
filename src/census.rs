//! Looking through a store: every row, one after the other.

use crate::error::{Error, Result};
use crate::keystore::{Enough, KeptPlace, KeyStore, Layout, MasterKeyState, Patience, Place, Tables, UserRow};
use crate::master_key::{MAX_MASTER_KEYS, MasterKeys, WRAPPED_SIZE};
use crate::registry;
use crate::status::Status;
use crate::user::User;

/// So many rows are looked at in one transaction.
const STEP: u32 = 1000;

/// What a check of a store found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// Users with a row.
    pub users: u64,
    /// Of these, whose key opens to 32 bytes.
    pub good: u64,
    /// Whose row no given master key opens, or that opens to another length.
    pub damaged: u64,
    /// Whose row no given master key opens while one that the store uses was not given: it may be sound.
    pub unopened: u64,
    /// Earlier keys of users.
    pub versions: u64,
    /// Earlier keys, and keys of the store's own, that do not open.
    pub damaged_others: u64,
    /// Users that were erased.
    pub erased: u64,
    /// What the engine itself found wrong, in its own words; the first 100.
    pub findings: Vec<String>,
    /// For each given master key, in their order: how many rows it opens, and what the store knows of it.
    pub master_keys: Vec<CheckedMasterKey>,
    /// Master keys that the store uses and that were not given.
    pub lacking: u64,
}

/// What a check found of one of the given master keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedMasterKey {
    /// Users' current and earlier keys that it wraps.
    pub keys: u64,
    /// What may be done under it; nothing where it was never registered.
    pub state: Option<MasterKeyState>,
}

/// Where a walk over all users stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserWalk(pub(crate) Option<(Layout, Place)>);

/// A user with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownUser {
    /// Nothing where the row has no text there, or an empty one: another program wrote it.
    pub name: Option<String>,
    /// When the key was made, as the store has it: UTC, ISO 8601.
    pub created_at: String,
    /// The given master key that wraps the user's key, by its place; nothing where none opens it.
    pub master_key: Option<usize>,
    /// Why the key cannot be used: [`Status::Corrupt`], or [`Status::MasterKeyWrong`] where a master key that the store uses
    /// was not given.
    pub trouble: Option<Status>,
    /// Earlier keys that are kept.
    pub versions: u64,
}

enum Key {
    Good(usize),
    WrongLength(usize),
    Unopened,
}

/// Looks at every row.
pub(crate) fn check(keystore: &dyn KeyStore, master_keys: &MasterKeys) -> Result<Checked> {
    loop {
        if let Some(checked) = try_check(keystore, master_keys)? {
            return Ok(Checked { findings: keystore.findings(100)?, ..checked });
        }
    }
}

/// Nothing when rows have changed their places meanwhile.
fn try_check(keystore: &dyn KeyStore, master_keys: &MasterKeys) -> Result<Option<Checked>> {
    let mut checked = begin(keystore, master_keys)?;
    let (mut reached, mut layout, mut moved) = (Place::BEFORE_ALL, None, false);
    loop {
        let (mut visited, mut here, mut step) = (0, reached, checked.clone());
        keystore.read(Patience::Timeout, &mut |rows| {
            (visited, here, step) = (0, reached, checked.clone());
            moved = layout.is_some_and(|layout| rows.layout().ok() != Some(layout));
            layout = Some(rows.layout()?);
            rows.walk(reached, STEP, &mut |place, sealed| {
                visited += 1;
                here = place;
                step.users += 1;
                match opened(sealed, master_keys)? {
                    Key::Good(at) => {
                        step.good += 1;
                        step.master_keys[at].keys += 1;
                    }
                    Key::WrongLength(at) => {
                        step.damaged += 1;
                        step.master_keys[at].keys += 1;
                    }
                    Key::Unopened if step.lacking > 0 => step.unopened += 1,
                    Key::Unopened => step.damaged += 1,
                }
                Ok(Enough::No)
            })
        })?;
        if moved {
            return Ok(None);
        }
        (checked, reached) = (step, here);
        if visited < STEP {
            return Ok(Some(checked));
        }
    }
}

/// What a check begins with: all but the users' rows.
fn begin(keystore: &dyn KeyStore, master_keys: &MasterKeys) -> Result<Checked> {
    let mut begun = None;
    keystore.read(Patience::Timeout, &mut |rows| {
        let registered = rows.master_keys()?;
        let (versions, erased) = rows.count_versions_and_erased()?;
        let mut of_given = Vec::with_capacity(MAX_MASTER_KEYS);
        let mut damaged_others = 0;
        for key in master_keys.iter() {
            let mut keys = 0;
            rows.kept_under(key.id(), KeptPlace::BEFORE_ALL, u32::MAX, &mut |_, wrapped| {
                if key.opens(wrapped)? {
                    keys += 1;
                } else {
                    damaged_others += 1;
                }
                Ok(Enough::No)
            })?;
            let state = registered.iter().find(|known| known.id == key.id()).map(|known| known.state);
            of_given.push(CheckedMasterKey { keys, state });
        }
        let lacking = registered
            .iter()
            .filter(|known| known.state != MasterKeyState::Retired && !master_keys.contains(known.id))
            .count();
        begun = Some(Checked {
            users: 0,
            good: 0,
            damaged: 0,
            unopened: 0,
            versions,
            damaged_others,
            erased,
            findings: Vec::new(),
            master_keys: of_given,
            lacking: lacking as u64,
        });
        Ok(())
    })?;
    begun.ok_or_else(|| Error::new(Status::Internal, "a transaction ended well without having run"))
}

/// The next user of a walk; nothing behind the last.
pub(crate) fn next_user(
    keystore: &dyn KeyStore,
    master_keys: &MasterKeys,
    walk: &mut UserWalk,
) -> Result<Option<KnownUser>> {
    let mut found = None;
    let mut reached = *walk;
    keystore.read(Patience::Timeout, &mut |rows| {
        found = None;
        let layout = rows.layout()?;
        let after = match walk.0 {
            None => Place::BEFORE_ALL,
            Some((seen, place)) if seen == layout => place,
            Some(_) => {
                return Err(Error::new(
                    Status::Busy,
                    format!("{} was rebuilt or replaced during the walk: begin it again", rows.store_name()),
                ));
            }
        };
        if let Some(row) = rows.next_row(after)? {
            reached = UserWalk(Some((layout, row.place)));
            found = Some(known(rows, row, master_keys)?);
        }
        Ok(())
    })?;
    *walk = reached;
    Ok(found)
}

fn known(rows: &dyn Tables, row: UserRow, master_keys: &MasterKeys) -> Result<KnownUser> {
    let (master_key, trouble) = match opened(&row.key, master_keys)? {
        Key::Good(at) => (Some(at), None),
        Key::WrongLength(at) => (Some(at), Some(Status::Corrupt)),
        Key::Unopened => match registry::lacking(rows, master_keys)? {
            Some(state) if state < MasterKeyState::Retired => (None, Some(Status::MasterKeyWrong)),
            _ => (None, Some(Status::Corrupt)),
        },
    };
    let mut versions = 0;
    if let Ok(user) = User::new(&row.user) {
        rows.versions(user, &mut |_| {
            versions += 1;
            Ok(Enough::No)
        })?;
    }
    Ok(KnownUser {
        name: (!row.user.is_empty()).then_some(row.user),
        created_at: row.created_at,
        master_key,
        trouble,
        versions,
    })
}

fn opened(sealed: &[u8], master_keys: &MasterKeys) -> Result<Key> {
    for (at, key) in master_keys.iter().enumerate() {
        if key.opens(sealed)? {
            return Ok(if sealed.len() == WRAPPED_SIZE { Key::Good(at) } else { Key::WrongLength(at) });
        }
    }
    Ok(Key::Unopened)
}
