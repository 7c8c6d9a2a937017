//! Moving a store from its earlier master keys to the current one.
//!
//! What is moved from is first marked as retiring, so that no process creates anything under it any more. One walk over all
//! rows that begins after that is then the proof that nothing hangs on it. Each step is a transaction of its own; a walk that
//! ends early is begun anew by the next call, and passes quickly over what has been moved.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::fallible;
use crate::keystore::{
    Enough, KeptKey, KeptPlace, KeyStore, Layout, MasterKeyState, OwnKey, Patience, Place, Tables, WritableTables,
};
use crate::master_key::{MasterKey, MasterKeyId, MasterKeys};
use crate::platform::process::PerProcess;
use crate::pool::PoolKeys;
use crate::registry;
use crate::status::Status;

/// So many rows are looked at in one transaction: others wait no longer than for these.
const STEP: u32 = 8192;

/// How far a rotation of the master key has come.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Rewrapped {
    /// Keys that this call moved.
    pub done: u64,
    /// Keys that may still have to be moved. 0: the earlier master keys that were given open nothing in the store, and never
    /// will.
    pub remaining: u64,
    /// Rows that no given master key opens, so far: they are damaged, and were left as they are.
    pub skipped: u64,
}

/// The walk that an open store is on, between two calls.
pub(crate) struct Rotation(PerProcess<Mutex<Option<Walk>>>);

struct Walk {
    layout: Layout,
    /// What is moved from.
    from: Vec<MasterKeyId>,
    reached: Place,
    all_users_seen: bool,
    /// How many of `from` have had all the keys seen that are kept under them, and how far the next one's are.
    masters_seen: usize,
    reached_kept: KeptPlace,
    seen: u64,
    expected: u64,
    moved: u64,
    skipped: u64,
}

/// Which of the given keys opens a row.
enum Opened {
    /// One that is moved from; the row's new value.
    ToMove(Vec<u8>),
    /// Another.
    By(MasterKeyId),
    ByNone,
}

/// What a step did.
enum Step {
    Moved(u64),
    AllSeen,
    NothingToMove,
}

impl Rotation {
    pub(crate) fn new() -> Rotation {
        Rotation(PerProcess::new(Mutex::default))
    }

    fn walk(&self) -> MutexGuard<'_, Option<Walk>> {
        self.0.get().lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves up to `limit` keys to the current one of `master_keys`.
    pub(crate) fn rewrap(
        &self,
        keystore: &dyn KeyStore,
        master_keys: &MasterKeys,
        pool_keys: &PoolKeys,
        limit: u64,
    ) -> Result<Rewrapped> {
        if limit == 0 {
            return Err(Error::new(Status::Argument, "limit is 0: pass how many keys this call may move"));
        }
        pool_keys.derive_all(master_keys);
        // Whoever calls at the same time begins a walk of their own.
        let mut walk = self.walk().take();
        let mut done = 0;
        let outcome = loop {
            let step = step(keystore, master_keys, pool_keys, &mut walk, limit - done);
            match (step, &walk) {
                (Err(error), _) => break Err(error),
                (Ok(Step::NothingToMove), _) | (Ok(_), None) => break Ok(Rewrapped { done, ..Rewrapped::default() }),
                (Ok(Step::Moved(moved)), Some(walk)) => {
                    done += moved;
                    if done >= limit {
                        let remaining = walk.expected.saturating_sub(walk.seen).max(1);
                        break Ok(Rewrapped { done, remaining, skipped: walk.skipped });
                    }
                }
                (Ok(Step::AllSeen), Some(seen)) => {
                    let skipped = seen.skipped;
                    match retire(keystore, seen) {
                        Err(error) => break Err(error),
                        Ok(true) => {
                            walk = None;
                            break Ok(Rewrapped { done, remaining: 0, skipped });
                        }
                        Ok(false) => walk = None,
                    }
                }
            }
        };
        *self.walk() = walk;
        outcome
    }
}

fn step(
    keystore: &dyn KeyStore,
    master_keys: &MasterKeys,
    pool_keys: &PoolKeys,
    walk: &mut Option<Walk>,
    limit: u64,
) -> Result<Step> {
    let (mut taken, mut after) = (Step::NothingToMove, None);
    keystore.write(&mut |rows| {
        registry::check_writing(rows)?;
        registry::admit_creation(rows, master_keys)?;
        let earlier = registry::begin_retiring(rows, master_keys)?;
        let mut here = match walk.as_ref() {
            Some(walk) if walk.layout == rows.layout()? && earlier.iter().all(|key| walk.from.contains(&key.id())) => {
                walk.copied()
            }
            _ => Walk::begin(rows, &earlier)?,
        };
        if here.from.is_empty() && !here.may_find_more(rows, master_keys)? {
            (taken, after) = (Step::NothingToMove, None);
            return Ok(());
        }
        for id in &here.from {
            keep_pool_key(rows, master_keys, pool_keys, *id)?;
        }
        taken = if here.all_users_seen {
            here.move_kept(rows, master_keys, limit)?
        } else {
            here.move_users(rows, master_keys, pool_keys, limit)?
        };
        after = Some(here);
        Ok(())
    })?;
    *walk = after;
    Ok(taken)
}

/// The pool key of a master key that goes stays readable.
fn keep_pool_key(
    rows: &dyn WritableTables,
    master_keys: &MasterKeys,
    pool_keys: &PoolKeys,
    id: MasterKeyId,
) -> Result<()> {
    let name = OwnKey::PoolOf(id);
    match (rows.own_key(&name)?, master_keys.with_id(id)) {
        (None, Some(master_key)) => rows.set_own_key(&name, &master_keys.keep(pool_keys.of(master_key).raw())?),
        _ => Ok(()),
    }
}

impl Walk {
    fn begin(rows: &dyn Tables, earlier: &[&MasterKey]) -> Result<Walk> {
        let mut expected = rows.count_users()?;
        for key in earlier {
            expected += rows.count_kept(key.id())?;
        }
        Ok(Walk {
            layout: rows.layout()?,
            from: earlier.iter().map(|key| key.id()).collect(),
            reached: Place::BEFORE_ALL,
            all_users_seen: false,
            masters_seen: 0,
            reached_kept: KeptPlace::BEFORE_ALL,
            seen: 0,
            expected,
            moved: 0,
            skipped: 0,
        })
    }

    fn copied(&self) -> Walk {
        Walk { from: self.from.clone(), ..*self }
    }

    /// Whether a walk may find something although nothing is to be moved so far: a given key that was never registered under
    /// a row, or a row under a key that is not given.
    fn may_find_more(&self, rows: &dyn Tables, master_keys: &MasterKeys) -> Result<bool> {
        let registered = rows.master_keys()?;
        let all_registered = master_keys.iter().all(|key| registered.iter().any(|known| known.id == key.id()));
        Ok(!all_registered || is_lacking(rows, master_keys)?)
    }

    fn move_users(
        &mut self,
        rows: &dyn WritableTables,
        master_keys: &MasterKeys,
        pool_keys: &PoolKeys,
        limit: u64,
    ) -> Result<Step> {
        let current = master_keys.current().id();
        let (mut moved, mut found, mut visited) = (Vec::new(), Vec::new(), 0);
        rows.walk(self.reached, STEP, &mut |place, sealed| {
            visited += 1;
            self.reached = place;
            match self.opened(sealed, master_keys)? {
                Opened::ByNone if is_lacking(rows, master_keys)? => return Err(lacking(rows)),
                Opened::ByNone => self.skipped += 1,
                Opened::ToMove(resealed) => moved.push((place, resealed)),
                Opened::By(id) if id == current => {}
                // Registered after the current one: nothing is moved back.
                Opened::By(id) if rows.master_keys()?.iter().any(|known| known.id == id) => {}
                Opened::By(id) => {
                    found.push(id);
                    self.from.push(id);
                    if let Opened::ToMove(resealed) = self.opened(sealed, master_keys)? {
                        moved.push((place, resealed));
                    }
                }
            }
            Ok(if moved.len() as u64 == limit { Enough::Yes } else { Enough::No })
        })?;
        for id in found {
            registry::retire_unregistered(rows, id)?;
            keep_pool_key(rows, master_keys, pool_keys, id)?;
            self.layout = rows.layout()?;
        }
        rows.set_user_keys(&moved)?;
        self.seen += u64::from(visited);
        self.moved += moved.len() as u64;
        self.all_users_seen = visited < STEP && (moved.len() as u64) < limit;
        Ok(Step::Moved(moved.len() as u64))
    }

    /// What the given keys make of a row.
    fn opened(&self, sealed: &[u8], master_keys: &MasterKeys) -> Result<Opened> {
        for key in self.from.iter().filter_map(|id| master_keys.with_id(*id)) {
            if let Some(resealed) = key.resealed(sealed, master_keys.current())? {
                return Ok(Opened::ToMove(resealed));
            }
        }
        for key in master_keys.iter() {
            if key.opens(sealed)? {
                return Ok(Opened::By(key.id()));
            }
        }
        Ok(Opened::ByNone)
    }

    /// Moves the store's own keys and users' earlier keys.
    fn move_kept(&mut self, rows: &dyn WritableTables, master_keys: &MasterKeys, limit: u64) -> Result<Step> {
        let Some(&id) = self.from.get(self.masters_seen) else { return Ok(Step::AllSeen) };
        let current = master_keys.current();
        let most = u64::from(STEP).min(limit) as usize;
        let (mut moved, mut visited) = (fallible::with_capacity(most)?, 0);
        if let Some(from) = master_keys.with_id(id) {
            rows.kept_under(id, self.reached_kept, STEP, &mut |place, wrapped| {
                visited += 1;
                self.reached_kept = place;
                match from.resealed(wrapped, current)? {
                    Some(wrapped) => moved.push((place, KeptKey { under: current.id(), wrapped })),
                    None => self.skipped += 1,
                }
                Ok(if moved.len() as u64 == limit { Enough::Yes } else { Enough::No })
            })?;
        }
        for (place, key) in &moved {
            rows.set_kept(*place, key)?;
        }
        let done = moved.len() as u64;
        if visited < STEP && done < limit {
            self.masters_seen += 1;
            self.reached_kept = KeptPlace::BEFORE_ALL;
        }
        self.seen += u64::from(visited);
        self.moved += done;
        Ok(Step::Moved(done))
    }
}

/// Ends the walk: what was moved is gone from the file's free space too, and the earlier keys are retired. False: the store
/// was replaced meanwhile.
fn retire(keystore: &dyn KeyStore, walk: &Walk) -> Result<bool> {
    let mut moved = walk.moved > 0;
    keystore.read(Patience::Timeout, &mut |rows| {
        // A walk that was killed may have moved rows too.
        moved |= registry::is_rotating(rows)?;
        Ok(())
    })?;
    if moved {
        keystore.rebuild()?;
    }
    let mut same = false;
    keystore.write(&mut |rows| {
        let Layout([_, device, inode]) = rows.layout()?;
        let Layout([_, seen_device, seen_inode]) = walk.layout;
        same = (device, inode) == (seen_device, seen_inode);
        if same {
            for id in &walk.from {
                rows.set_master_key_state(*id, MasterKeyState::Retired)?;
            }
        }
        Ok(())
    })?;
    Ok(same)
}

/// Whether a master key under which there may be rows is not given.
fn is_lacking(rows: &dyn Tables, master_keys: &MasterKeys) -> Result<bool> {
    Ok(registry::lacking(rows, master_keys)?.is_some_and(|state| state < MasterKeyState::Retired))
}

fn lacking(rows: &dyn Tables) -> Error {
    Error::new(
        Status::MasterKeyWrong,
        format!(
            "{} has keys under a master key that was not given: give all that are in use, the current one first",
            rows.store_name()
        ),
    )
}
