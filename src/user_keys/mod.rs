//! Users' keys: from the cache, from the store, or made.

mod lifecycle;

use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwapAny, Guard};

use crate::cipher::Cipher;
use crate::error::{Cause, Error, Result};
use crate::flight::Flights;
use crate::freshness::{Due, Freshness, Seen};
use crate::key_cache::{CachedKey, Hit, KeyCache};
use crate::keystore::{self, Change, Demands, KeyStore, Location, MasterKeyState, Patience, Rows, StoredKey, WorkDone};
use crate::marking;
use crate::master_key::{MasterKeyId, MasterKeys, WrappedKey};
use crate::options::{Call, Options};
use crate::platform::secret_memory::{self, Rank, SecretArc};
use crate::platform::{process, random};
use crate::registry;
use crate::secret::SecretKey;
use crate::status::Status;
use crate::token::Sealed;
use crate::user::User;
use crate::versions;

/// An open key store and the keys that were found in it.
pub(crate) struct UserKeys {
    keystore: Box<dyn KeyStore>,
    master_keys: MasterKeys,
    cache: KeyCache,
    loads: Flights<SecretArc<CachedKey>>,
    freshness: Freshness,
    /// What has changed, while it has not been seen yet whether this build and its master keys suit the store since.
    unchecked: Unchecked,
    /// As of the last look.
    demands: LastDemands,
    /// Calls that found no key in the cache.
    misses: AtomicU64,
}

/// What an open store has done since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Users whose keys are cached now.
    pub cached_users: u64,
    /// Calls that found their key in the cache.
    pub hits: u64,
    /// Calls that did not.
    pub misses: u64,
    /// Reading transactions.
    pub store_reads: u64,
    /// Writing transactions.
    pub commits: u64,
    /// Times that a call waited for a lock of others.
    pub busy_waits: u64,
    /// Bytes of keys and their schedules, of this whole process, in locked memory.
    pub locked_bytes: u64,
    /// Those that are not: beyond what may be locked, or refused by the system.
    pub unlocked_bytes: u64,
}

/// The greatest change that was noted and not checked yet, below the number of notes: whoever has checked takes away what they
/// saw, not what was noted meanwhile.
#[derive(Default)]
struct Unchecked(AtomicU64);

impl Unchecked {
    const CHANGE: u64 = 3;

    fn note(&self, change: Change) {
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |noted| {
            Some(((noted | Unchecked::CHANGE) + 1) | (noted & Unchecked::CHANGE).max(change as u64))
        });
    }

    /// What there is to check, to be handed to [`Unchecked::checked`].
    fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Acquire)).filter(|noted| noted & Unchecked::CHANGE != Change::None as u64)
    }

    fn is_another_file(noted: u64) -> bool {
        noted & Unchecked::CHANGE == Change::File as u64
    }

    /// Whether nothing was noted since `noted`, so that there is nothing left to check.
    fn checked(&self, noted: u64) -> bool {
        let none = noted & !Unchecked::CHANGE;
        self.0.compare_exchange(noted, none, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// What the store demanded when it was last looked at.
struct LastDemands {
    must_read: AtomicU64,
    must_write: AtomicU64,
}

impl LastDemands {
    fn get(&self) -> Demands {
        Demands {
            must_read: self.must_read.load(Ordering::Acquire),
            must_write: self.must_write.load(Ordering::Acquire),
        }
    }

    fn set(&self, demands: Demands) {
        self.must_read.store(demands.must_read, Ordering::Release);
        self.must_write.store(demands.must_write, Ordering::Release);
    }
}

/// Whether the key that opened a token is its user's current one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Opened {
    ByCurrent,
    ByEarlier,
}

impl UserKeys {
    pub(crate) fn open(location: &Location, master_keys: MasterKeys, options: &Options) -> Result<UserKeys> {
        process::adopt();
        // What std seeds its hash tables from panics where the kernel refuses randomness; this says so.
        random::fill(&mut [0])?;
        if options.snapshots {
            random::keep_nothing_ahead();
        }
        if options.unlocked {
            secret_memory::leave_unlocked();
        }
        random::choose_way();
        let freshness = Freshness::new();
        let keystore = keystore::open(location, options)?;
        let mut demands = Demands::default();
        keystore.read(Patience::Timeout, &mut |rows| {
            demands = registry::check_opening(rows, &master_keys)?;
            Ok(())
        })?;
        Ok(UserKeys {
            keystore,
            master_keys,
            cache: KeyCache::new(options.cache_users)?,
            loads: Flights::new(),
            freshness,
            unchecked: Unchecked::default(),
            demands: LastDemands {
                must_read: AtomicU64::new(demands.must_read),
                must_write: AtomicU64::new(demands.must_write),
            },
            misses: AtomicU64::new(0),
        })
    }

    pub(crate) fn stats(&self) -> Stats {
        let WorkDone { reads, commits, waits } = self.keystore.work_done();
        let held = secret_memory::held();
        Stats {
            cached_users: self.cache.users() as u64,
            hits: self.cache.hits(),
            misses: self.misses.load(Ordering::Relaxed),
            store_reads: reads,
            commits,
            busy_waits: waits,
            locked_bytes: held.locked,
            unlocked_bytes: held.unlocked,
        }
    }

    pub(crate) fn keystore(&self) -> &dyn KeyStore {
        &*self.keystore
    }

    pub(crate) fn store_name(&self) -> String {
        self.keystore.name()
    }

    pub(crate) fn master_keys(&self) -> &MasterKeys {
        &self.master_keys
    }

    /// Runs `work` on the current key of `user`, made if need be and `call` allows. `ahead` has the processor fetch what
    /// `work` will read of it.
    #[inline(always)]
    pub(crate) fn with<T>(
        &self,
        user: User<'_>,
        call: Call,
        ahead: impl Fn(&Cipher),
        work: impl FnOnce(&CachedKey) -> Result<T>,
    ) -> Result<T> {
        match self.cache.get(user, |key| ahead(key.cipher())) {
            Some(key) if self.freshness.holds(key.seen()) => work(&key),
            found => work(&*self.current(user, call, found.map(Hit::into_held))?),
        }
    }

    /// The current key of `user`, made if need be and `call` allows.
    pub(crate) fn of(&self, user: User<'_>, call: Call) -> Result<SecretArc<CachedKey>> {
        self.current(user, call, self.cache.get(user, |_| ()).map(Hit::into_held))
    }

    #[cold]
    fn current(
        &self,
        user: User<'_>,
        call: Call,
        cached: Option<SecretArc<CachedKey>>,
    ) -> Result<SecretArc<CachedKey>> {
        match cached {
            Some(key) => self.checked_again(user, key, call),
            None => self.loaded(user, call),
        }
    }

    /// Runs `work` on the current key of the user whose key `place` holds, and keeps it there. Never makes one.
    #[inline(always)]
    pub(crate) fn with_still<T>(
        &self,
        place: &ArcSwapAny<SecretArc<CachedKey>>,
        call: Call,
        work: impl FnOnce(&CachedKey) -> Result<T>,
    ) -> Result<T> {
        let key = place.load();
        if self.freshness.holds(key.seen()) {
            return work(&key);
        }
        work(&*self.renewed(place, Guard::into_inner(key), call)?)
    }

    #[cold]
    fn renewed(
        &self,
        place: &ArcSwapAny<SecretArc<CachedKey>>,
        key: SecretArc<CachedKey>,
        call: Call,
    ) -> Result<SecretArc<CachedKey>> {
        let current = self.checked_again(User::new(key.user())?, key.clone(), Call { existing: true, ..call })?;
        if !ptr::eq(&*current, &*key) {
            place.store(current.clone());
        }
        Ok(current)
    }

    /// Opens a token with `key`, in hand for its user. A refusal counts only once the store was seen to hold this very key.
    #[inline(always)]
    pub(crate) fn open_token(
        &self,
        key: &CachedKey,
        sealed: Sealed<'_>,
        call: Call,
        plaintext: &mut [u8],
    ) -> Result<Opened> {
        match key.open(sealed, plaintext) {
            Ok(()) => Ok(Opened::ByCurrent),
            Err(refusal) => self.open_again(key, sealed, call, plaintext, refusal),
        }
    }

    #[cold]
    fn open_again(
        &self,
        key: &CachedKey,
        sealed: Sealed<'_>,
        call: Call,
        plaintext: &mut [u8],
        refusal: Error,
    ) -> Result<Opened> {
        if refusal.status() != Status::Authentication || !self.keystore.is_usable() {
            return Err(refusal);
        }
        if call.cached_only {
            return Err(would_block("what the store has of the user now"));
        }
        if !self.is_unchanged() {
            self.look(Patience::Timeout)?;
        }
        let seen = self.freshness.seen();
        if key.seen() != seen {
            let current = self.loaded_since(User::new(key.user())?, Call { existing: true, ..call }, seen)?;
            if !ptr::eq(&*current, key) && current.open(sealed, plaintext).is_ok() {
                return Ok(Opened::ByCurrent);
            }
        }
        if self.demands.get().may_have_versions() && self.open_by_version(User::new(key.user())?, sealed, plaintext)? {
            return Ok(Opened::ByEarlier);
        }
        Err(refusal)
    }

    fn open_by_version(&self, user: User<'_>, sealed: Sealed<'_>, plaintext: &mut [u8]) -> Result<bool> {
        let mut opened = false;
        self.keystore.read(Patience::Timeout, &mut |rows| {
            opened = versions::find(rows, &self.master_keys, user, &mut |key| match key.open(sealed, plaintext) {
                Ok(()) => Ok(true),
                Err(error) if error.status() == Status::Authentication => Ok(false),
                Err(error) => Err(error),
            })?;
            Ok(())
        })?;
        Ok(opened)
    }

    /// Looks whether the store has changed, and waits for that if need be.
    pub(crate) fn revalidate(&self) -> Result<()> {
        self.check_process()?;
        self.look(Patience::Timeout)
    }

    fn checked_again(&self, user: User<'_>, key: SecretArc<CachedKey>, call: Call) -> Result<SecretArc<CachedKey>> {
        if !self.keystore.is_usable() {
            // What can never be looked at here again is what it was: the child's cached keys work on.
            return Ok(key);
        }
        if call.cached_only && (self.freshness.is_due() || key.seen() != self.freshness.seen()) {
            return Err(would_block("the user's key"));
        }
        self.look_if_due()?;
        let seen = self.freshness.seen();
        if key.seen() == seen {
            return Ok(key);
        }
        self.loaded_since(user, call, seen)
    }

    /// The user's key as the store had it in the state `seen` or later: a load that others began before may end in an
    /// earlier one.
    fn loaded_since(&self, user: User<'_>, call: Call, seen: Seen) -> Result<SecretArc<CachedKey>> {
        loop {
            let key = self.loaded(user, call)?;
            if key.seen() >= seen {
                return Ok(key);
            }
        }
    }

    /// The user's key as the store has it. Many who ask at once make one read.
    fn loaded(&self, user: User<'_>, call: Call) -> Result<SecretArc<CachedKey>> {
        if call.cached_only {
            return Err(would_block("the user's key"));
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        self.check_process()?;
        self.loads.join(user, call.existing, || {
            self.look_if_due()?;
            let seen = self.freshness.seen();
            let known = self.cache.get(user, |_| ()).map(Hit::into_held);
            match self.read(user, known.as_ref(), seen) {
                Ok(Some(key)) => Ok(key),
                Ok(None) if !call.existing => {
                    self.cache.remove(user.name());
                    self.create(user, seen)
                }
                gone => {
                    if !matches!(&gone, Err(error) if error.status() != Status::UserDestroyed) {
                        self.cache.remove(user.name());
                    }
                    gone.and_then(|_| Err(self.unknown(user)))
                }
            }
        })
    }

    /// The key in the user's row; `known`, where that is what the row still holds.
    fn read(
        &self,
        user: User<'_>,
        known: Option<&SecretArc<CachedKey>>,
        seen: Seen,
    ) -> Result<Option<SecretArc<CachedKey>>> {
        let mut found = None;
        self.keystore.read(Patience::Timeout, &mut |rows| {
            if self.demands.get().may_be_erased() {
                marking::check_not_erased(rows, &self.master_keys, user)?;
            }
            found = match rows.user_key(user)? {
                None => {
                    // Of users who are gone it is told why, also where the first erasure has not been seen here yet.
                    marking::check_not_erased(rows, &self.master_keys, user)?;
                    None
                }
                Some(StoredKey::Wrapped(wrapped)) if known.is_some_and(|known| *known.wrapped() == wrapped) => {
                    known.cloned()
                }
                Some(stored) => Some(self.unwrapped(rows, user, stored, seen)?),
            };
            Ok(())
        })?;
        if let Some(key) = &found {
            key.seen_again(seen);
            self.cache.insert(key);
        }
        Ok(found)
    }

    /// Makes the key of a user who had none a moment ago. Whoever takes the write lock first makes it; all others find it.
    fn create(&self, user: User<'_>, seen: Seen) -> Result<SecretArc<CachedKey>> {
        let mut created = None;
        self.keystore.add(&mut |rows| {
            registry::check_writing(rows)?;
            marking::check_not_erased(rows, &self.master_keys, user)?;
            created = Some(match rows.user_key(user)? {
                Some(stored) => self.unwrapped(rows, user, stored, seen)?,
                None => {
                    registry::admit_creation(rows, &self.master_keys)?;
                    let raw = SecretKey::generate(Rank::Second)?;
                    let wrapped = self.master_keys.current().wrap(raw.expose())?;
                    rows.add_user_key(user, &wrapped)?;
                    CachedKey::new(user, wrapped, &raw, seen)?
                }
            });
            Ok(())
        })?;
        let key = created.ok_or_else(|| Error::new(Status::Internal, "a transaction ended well without having run"))?;
        self.cache.insert(&key);
        Ok(key)
    }

    fn unwrapped(
        &self,
        rows: &dyn Rows,
        user: User<'_>,
        stored: StoredKey,
        seen: Seen,
    ) -> Result<SecretArc<CachedKey>> {
        let (wrapped, raw, _) = self.unwrap(rows, user, stored)?;
        CachedKey::new(user, wrapped, &raw, seen)
    }

    /// The key in a user's row, as it lies there and unwrapped, and the master key that wraps it.
    fn unwrap(
        &self,
        rows: &dyn Rows,
        user: User<'_>,
        stored: StoredKey,
    ) -> Result<(WrappedKey, SecretKey, MasterKeyId)> {
        let damaged =
            |found: &str| Error::new(Status::Corrupt, format!("the stored key of user {user} is damaged: it {found}"));
        let wrapped = match stored {
            StoredKey::Wrapped(wrapped) => wrapped,
            StoredKey::Damaged(found) => return Err(damaged(&format!("{found}; restore its row from a backup"))),
        };
        if let Some((key, under)) = self.master_keys.unwrap(&wrapped) {
            return Ok((wrapped, key, under));
        }
        match registry::lacking(rows, &self.master_keys)? {
            Some(MasterKeyState::Active) => Err(Error::new(
                Status::MasterKeyWrong,
                format!(
                    "no given master key opens the key of user {user}, and one that the store uses was not given: give all of them"
                ),
            )),
            Some(_) => Err(damaged(
                "was altered, or wrapped under a retiring or retired master key that was not given: give that one too",
            )),
            None => Err(damaged(
                "was altered, or wrapped under a master key that was never this store's; restore its row from a backup",
            )),
        }
    }

    #[cold]
    fn unknown(&self, user: User<'_>) -> Error {
        Error::new(
            Status::UnknownUser,
            format!("{} has no key for user {user}: check the name, or encrypt for them first", self.keystore.name()),
        )
    }

    /// Looks whether the store has changed, where that is due. One that cannot be looked at just now is as it was.
    fn look_if_due(&self) -> Result<()> {
        match self.freshness.due() {
            Due::Nothing => Ok(()),
            Due::Look => match self.look(Patience::None) {
                Err(error) if matches!(error.status(), Status::Busy | Status::Io) => Ok(()),
                outcome => outcome,
            },
            Due::Wait => self.look(Patience::Timeout),
        }
    }

    /// Whether the store is surely as the last look found it.
    fn is_unchanged(&self) -> bool {
        self.unchecked.get().is_none() && self.keystore.is_unchanged()
    }

    fn look(&self, patience: Patience) -> Result<()> {
        let begun = self.freshness.begin();
        let change = self.keystore.look(patience)?;
        if change != Change::None {
            self.freshness.changed();
            self.unchecked.note(change);
        }
        while let Some(noted) = self.unchecked.get() {
            self.keystore.read(patience, &mut |rows| {
                // In the file that it has opened a process reads on with master keys that are being retired there.
                self.demands.set(if Unchecked::is_another_file(noted) {
                    registry::check_opening(rows, &self.master_keys)?
                } else {
                    registry::check_reading(rows)?
                });
                Ok(())
            })?;
            if self.unchecked.checked(noted) {
                break;
            }
            // Another thread may have read later than this one, and have been overwritten.
            self.unchecked.note(Change::Rows);
        }
        self.freshness.looked(begun);
        Ok(())
    }

    /// Refuses to touch the store, or any lock, in a process that was made without the work around a fork.
    fn check_process(&self) -> Result<()> {
        if process::is_unknown() {
            static CLONED: Cause = Cause::new(
                Status::Unsupported,
                "this process was made by a bare clone, and the store is its parent's: open it anew here",
            );
            return Err(Error::fixed(&CLONED));
        }
        Ok(())
    }

    /// Makes a look at the store due, as if a second had passed; with `wait`, as if five had. For tests.
    pub(crate) fn expire(&self, wait: bool) {
        self.freshness.expire(wait);
    }
}

#[cold]
pub(crate) fn would_block(what: &str) -> Error {
    Error::new(
        Status::WouldBlock,
        format!("{what} is not cached: call again without KC_CACHED_ONLY where waiting is allowed"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_while_another_thread_checks_has_still_to_be_checked() {
        let unchecked = Unchecked::default();
        assert_eq!(unchecked.get(), None);
        unchecked.note(Change::Rows);
        let first = unchecked.get().unwrap();
        unchecked.note(Change::Rows);
        assert!(!unchecked.checked(first), "the second note came later");
        unchecked.note(Change::File);
        unchecked.note(Change::Rows);
        let last = unchecked.get().unwrap();
        assert!(!Unchecked::is_another_file(first) && Unchecked::is_another_file(last), "the greatest change stays");
        assert!(unchecked.checked(last));
        assert_eq!(unchecked.get(), None);
    }
}
