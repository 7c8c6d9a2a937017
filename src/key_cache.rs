//! The users' keys that an open store keeps unwrapped.
//!
//! A hit takes no lock and writes to nothing that threads share. A key that leaves is wiped as soon as the last call that
//! uses it has ended, by that call.

use std::hash::BuildHasher;
use std::ops::Deref;
use std::sync::{Arc, PoisonError};

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
use crate::sync::{ArcSwapOption, AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Guard, Mutex, Ordering};
use crate::user::User;

/// A user's key, unwrapped, and what is known of where it came from.
pub(crate) struct CachedKey {
    user: Box<str>,
    wrapped: WrappedKey,
    key: DataKey,
    /// The last state of the store in which the user's row was seen to hold `wrapped`.
    seen: AtomicU64,
    /// Set by a use since the cache last looked for somebody to leave.
    used: AtomicBool,
}

impl CachedKey {
    pub(crate) fn new(user: User<'_>, wrapped: WrappedKey, key: DataKey, seen: Seen) -> Result<Arc<CachedKey>> {
        Ok(Arc::new(CachedKey {
            user: user.to_owned()?,
            wrapped,
            key,
            seen: AtomicU64::new(seen.0),
            used: AtomicBool::new(false),
        }))
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
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
pub(crate) struct Hit(Guard<Option<Arc<CachedKey>>>);

impl Hit {
    pub(crate) fn into_held(self) -> Arc<CachedKey> {
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

/// Keys whose users' hashes agree share so many places.
const WAYS: usize = 8;
/// Memory is taken for so many buckets at once, when the first of them is needed.
const CHUNK: usize = 128;

/// The places of the users whose hashes agree in some bits.
struct Bucket {
    /// Part of the hash of who is there, so that looking for somebody touches one key, and not eight.
    tags: [AtomicU32; WAYS],
    keys: [ArcSwapOption<CachedKey>; WAYS],
    /// Where the search for somebody to leave goes on.
    hand: AtomicUsize,
}

impl Bucket {
    fn empty() -> Bucket {
        Bucket { tags: Default::default(), keys: Default::default(), hand: AtomicUsize::new(0) }
    }
}

/// A bounded cache from user to key, one a store.
pub(crate) struct KeyCache {
    /// Seeded for each cache. Whoever could choose names that share a bucket would push eight users out of it, and no more.
    hasher: RandomState,
    /// The buckets, by chunks; none for a cache of nothing.
    chunks: Box<[OnceBox<Vec<Bucket>>]>,
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
    fn place(&self, user: &str) -> (usize, u32) {
        let hash = self.hasher.hash_one(user);
        // The upper half as a fraction of the buckets: as even as a remainder, without a division.
        ((((hash >> 32) * self.buckets as u64) >> 32) as usize, hash as u32 | 1)
    }

    #[inline]
    fn bucket(&self, number: usize) -> Option<&Bucket> {
        self.chunks.get(number / CHUNK)?.get()?.get(number % CHUNK)
    }

    #[inline(always)]
    pub(crate) fn get(&self, user: User<'_>) -> Option<Hit> {
        if self.buckets == 0 {
            return None;
        }
        let (number, tag) = self.place(user.name());
        let bucket = self.bucket(number)?;
        for (way, key) in bucket.tags.iter().zip(&bucket.keys).take(self.ways) {
            if way.load(Ordering::Acquire) != tag {
                continue;
            }
            let found = key.load();
            if let Some(key) = found.as_deref().filter(|key| *key.user == *user.name()) {
                if !key.used.load(Ordering::Relaxed) {
                    key.used.store(true, Ordering::Relaxed);
                }
                self.hits.add_one();
                return Some(Hit(found));
            }
        }
        None
    }

    /// Keeps `key` in the place of its user's old one, or of nobody, or of somebody who was not used of late. Without memory
    /// for more places it is not kept.
    pub(crate) fn insert(&self, key: &Arc<CachedKey>) {
        if self.buckets == 0 {
            return;
        }
        let (number, tag) = self.place(&key.user);
        let _section = Section::begin();
        let _filling = self.filling.get().lock().unwrap_or_else(PoisonError::into_inner);
        forced_panic::here("cache");
        let chunk =
            self.chunks[number / CHUNK].get_or_try_init(|| fallible::filled(CHUNK, Bucket::empty).map(Box::new));
        let Ok(chunk) = chunk else { return };
        let bucket = &chunk[number % CHUNK];
        let way = self.way_for(bucket, &key.user);
        bucket.tags[way].store(tag, Ordering::Release);
        if bucket.keys[way].swap(Some(Arc::clone(key))).is_none() {
            self.users.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn way_for(&self, bucket: &Bucket, user: &str) -> usize {
        let keys = &bucket.keys[..self.ways];
        let of_user = |key: &ArcSwapOption<CachedKey>| key.load().as_ref().is_some_and(|key| *key.user == *user);
        keys.iter().position(of_user).or_else(|| keys.iter().position(|key| key.load().is_none())).unwrap_or_else(
            || {
                // Who was used since the hand last passed has a second chance; after a round without one, nobody.
                let hand = bucket.hand.load(Ordering::Relaxed);
                let used =
                    |way: usize| keys[way].load().as_ref().is_some_and(|key| key.used.swap(false, Ordering::Relaxed));
                let way = (hand..hand + self.ways).map(|at| at % self.ways).find(|&way| !used(way)).unwrap_or(hand);
                bucket.hand.store((way + 1) % self.ways, Ordering::Relaxed);
                way
            },
        )
    }

    /// Drops the key of `user`.
    pub(crate) fn remove(&self, user: &str) {
        if self.buckets == 0 {
            return;
        }
        let (number, _) = self.place(user);
        let _section = Section::begin();
        let _filling = self.filling.get().lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bucket) = self.bucket(number) else { return };
        for (tag, key) in bucket.tags.iter().zip(&bucket.keys) {
            if key.load().as_ref().is_some_and(|key| *key.user == *user) {
                tag.store(0, Ordering::Release);
                key.store(None);
                self.users.fetch_sub(1, Ordering::Relaxed);
            }
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
        const COUNTS_OF_ARC: usize = 16;
        let key = COUNTS_OF_ARC + size_of::<CachedKey>() + DataKey::SLOT;
        assert!(key + 64 + size_of::<Bucket>().div_ceil(WAYS) < 1024, "{key} bytes a key");
    }
}
