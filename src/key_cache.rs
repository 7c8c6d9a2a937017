//! The users' keys that an open store keeps unwrapped.
//!
//! A hit takes no lock and writes to nothing that threads share. A key that leaves is wiped as soon as the last call that
//! uses it has ended, by that call.

use std::hash::BuildHasher;
use std::ops::Deref;
use std::sync::PoisonError;

use foldhash::quality::RandomState;
use once_cell::race::OnceBox;

use crate::counter::Counter;
use crate::data_key::DataKey;
use crate::error::Result;
use crate::fallible;
use crate::forced_panic;
use crate::freshness::Seen;
use crate::master_key::WrappedKey;
use crate::platform::process::{PerProcess, Section};
use crate::platform::secret_memory::SecretArc;
use crate::secret::SecretKey;
use crate::sync::{AtomicU8, AtomicU64, AtomicUsize, Guard, Mutex, Ordering, SwapOption};
use crate::user::{Name, User};

/// A user's key, unwrapped, and what is known of where it came from. All of it lies in one slot, so that a user who was not
/// used for a while is found with few waits for memory.
#[repr(C)]
pub(crate) struct CachedKey {
    /// The last state of the store in which the user's row was seen to hold `wrapped`.
    seen: AtomicU64,
    user: Name,
    wrapped: WrappedKey,
    key: DataKey,
}

impl CachedKey {
    pub(crate) fn new(
        user: User<'_>,
        wrapped: WrappedKey,
        raw: &SecretKey,
        seen: Seen,
    ) -> Result<SecretArc<CachedKey>> {
        let user = Name::of(user)?;
        Ok(DataKey::placed(raw, |rank, key| {
            SecretArc::new(rank, CachedKey { seen: AtomicU64::new(seen.0), user, wrapped, key })
        }))
    }

    pub(crate) fn user(&self) -> &str {
        self.user.as_str()
    }

    pub(crate) fn wrapped(&self) -> &WrappedKey {
        &self.wrapped
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen(self.seen.load(Ordering::Acquire))
    }

    /// The user's row was seen unchanged.
    pub(crate) fn seen_again(&self, seen: Seen) {
        self.seen.fetch_max(seen.0, Ordering::AcqRel);
    }
}

impl Deref for CachedKey {
    type Target = DataKey;

    fn deref(&self) -> &DataKey {
        &self.key
    }
}

/// A key that was found in the cache, while a call uses it.
pub(crate) struct Hit(Guard<Option<SecretArc<CachedKey>>>);

impl Hit {
    pub(crate) fn into_held(self) -> SecretArc<CachedKey> {
        match Guard::into_inner(self.0) {
            Some(key) => key,
            None => unreachable!("made from a key"),
        }
    }
}

impl Deref for Hit {
    type Target = CachedKey;

    #[inline(always)]
    fn deref(&self) -> &CachedKey {
        match self.0.as_deref() {
            Some(key) => key,
            None => unreachable!("made from a key"),
        }
    }
}

/// Keys whose users' hashes agree share so many places: as many as a line of the processor's cache has.
const WAYS: usize = 7;
/// Memory is taken for so many buckets at once, when the first of them is needed.
const CHUNK: usize = 128;

type Place = SwapOption<SecretArc<CachedKey>>;

/// The places of the users whose hashes agree in some bits.
#[repr(C, align(64))]
struct Bucket {
    places: [Place; WAYS],
    /// Part of the hash of who is there, so that looking for somebody touches one key, and not seven; 0 for nobody.
    tags: [AtomicU8; WAYS],
    /// A bit for each place that was used since all of them were.
    used: AtomicU8,
}

impl Bucket {
    fn empty() -> Bucket {
        Bucket { places: Default::default(), tags: Default::default(), used: AtomicU8::new(0) }
    }

    /// Which of the first `ways` places is the user's, and what is there.
    #[inline(always)]
    fn find(
        &self,
        ways: usize,
        tag: u8,
        user: &str,
        candidate: impl Fn(&CachedKey),
    ) -> Option<(usize, Guard<Option<SecretArc<CachedKey>>>)> {
        for (way, (there, place)) in self.tags.iter().zip(&self.places).enumerate().take(ways) {
            if there.load(Ordering::Acquire) == tag {
                let found = place.load();
                if let Some(key) = &*found {
                    candidate(key);
                    if key.user.is(user) {
                        return Some((way, found));
                    }
                }
            }
        }
        None
    }

    #[inline(always)]
    fn was_used(&self, way: usize) {
        let bit = 1 << way;
        if self.used.load(Ordering::Relaxed) & bit == 0 {
            self.used.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// A place for somebody new: nobody's, or that of somebody who was not used since all were. The search begins at `first`.
    fn vacate(&self, ways: usize, first: usize) -> usize {
        if let Some(way) = self.tags[..ways].iter().position(|tag| tag.load(Ordering::Relaxed) == 0) {
            return way;
        }
        let used = self.used.load(Ordering::Relaxed);
        match (first..first + ways).map(|at| at % ways).find(|way| used & (1 << way) == 0) {
            Some(way) => way,
            None => {
                self.used.store(0, Ordering::Relaxed);
                first % ways
            }
        }
    }
}

/// A bounded cache from user to key, one a store.
pub(crate) struct KeyCache {
    /// Seeded for each cache. Whoever could choose names that share a bucket would push its few users out of it, and no more.
    hasher: RandomState,
    /// The buckets, by chunks; none for a cache of nothing.
    chunks: Box<[OnceBox<[Bucket; CHUNK]>]>,
    buckets: usize,
    /// How many places of a bucket are used: fewer than all in a cache for less than a bucket of users.
    ways: usize,
    /// Held to change what is where.
    filling: PerProcess<Mutex<()>>,
    users: AtomicUsize,
    hits: Counter,
}

impl KeyCache {
    /// A cache of up to about `users` keys.
    pub(crate) fn new(users: usize) -> Result<KeyCache> {
        let ways = users.min(WAYS);
        let buckets = users.checked_div(ways).unwrap_or(0);
        Ok(KeyCache {
            hasher: RandomState::default(),
            chunks: fallible::filled(buckets.div_ceil(CHUNK), OnceBox::new)?.into_boxed_slice(),
            buckets,
            ways,
            filling: PerProcess::new(Mutex::default),
            users: AtomicUsize::new(0),
            hits: Counter::new()?,
        })
    }

    /// How many users' keys are here.
    pub(crate) fn users(&self) -> usize {
        self.users.load(Ordering::Relaxed)
    }

    /// How often a key was found here.
    pub(crate) fn hits(&self) -> u64 {
        self.hits.total()
    }

    /// Where a user's key is, if it is here: a bucket's number, and a tag that is never 0.
    #[inline]
    fn place(&self, user: &str) -> (usize, u8) {
        let hash = self.hasher.hash_one(user);
        // The upper half as a fraction of the buckets: as even as a remainder, without a division.
        ((((hash >> 32) * self.buckets as u64) >> 32) as usize, (hash as u8).max(1))
    }

    #[inline]
    fn bucket(&self, number: usize) -> Option<&Bucket> {
        self.chunks.get(number / CHUNK)?.get()?.get(number % CHUNK)
    }

    /// The user's key; `candidate` is told of it before it is certain whose it is.
    #[inline(always)]
    pub(crate) fn get(&self, user: User<'_>, candidate: impl Fn(&CachedKey)) -> Option<Hit> {
        if self.buckets == 0 {
            return None;
        }
        let (number, tag) = self.place(user.name());
        let bucket = self.bucket(number)?;
        let (way, found) = bucket.find(self.ways, tag, user.name(), candidate)?;
        bucket.was_used(way);
        self.hits.add_one();
        Some(Hit(found))
    }

    /// Keeps `key` in the place of its user's old one, or of nobody, or of somebody who was not used of late. Without memory
    /// for more places it is not kept.
    pub(crate) fn insert(&self, key: &SecretArc<CachedKey>) {
        if self.buckets == 0 {
            return;
        }
        let (number, tag) = self.place(key.user());
        let _section = Section::begin();
        let _filling = self.filling.get().lock().unwrap_or_else(PoisonError::into_inner);
        forced_panic::here("cache");
        let Ok(chunk) = self.chunks[number / CHUNK].get_or_try_init(|| fallible::array(Bucket::empty)) else { return };
        let bucket = &chunk[number % CHUNK];
        let way = match bucket.find(self.ways, tag, key.user(), |_| ()) {
            Some((way, _)) => way,
            None => bucket.vacate(self.ways, tag.into()),
        };
        bucket.tags[way].store(tag, Ordering::Release);
        if bucket.places[way].swap(Some(key.clone())).is_none() {
            self.users.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Drops the key of `user`.
    pub(crate) fn remove(&self, user: &str) {
        if self.buckets == 0 {
            return;
        }
        let (number, tag) = self.place(user);
        let _section = Section::begin();
        let _filling = self.filling.get().lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bucket) = self.bucket(number) else { return };
        if let Some((way, _)) = bucket.find(self.ways, tag, user, |_| ()) {
            bucket.tags[way].store(0, Ordering::Release);
            bucket.places[way].store(None);
            self.users.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, keycask_schedules))]
#[path = "../tests/schedules/key_cache.rs"]
mod schedules;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cached_user_with_a_name_of_64_bytes_takes_less_than_a_kib() {
        assert!(SecretArc::<CachedKey>::SLOT + size_of::<Bucket>() / WAYS < 1024);
        let name = "n".repeat(64);
        assert!(matches!(Name::of(User::new(&name).unwrap()), Ok(Name::Short { .. })), "it takes memory of its own");
    }
}
