//! The cache of users' keys, under threads in chosen orders.

use std::sync::Arc;

use shuttle::thread;

use super::*;
use crate::platform::secret_memory::Rank;

fn user(name: &str) -> User<'_> {
    User::new(name).unwrap()
}

fn key(name: &str, number: u8) -> SecretArc<CachedKey> {
    let raw = SecretKey::copied_from(Rank::Second, &[number; 32]);
    CachedKey::new(user(name), [number; 60], &raw, Seen(0)).unwrap()
}

/// As many places as a bucket has, or fewer: everybody meets everybody.
fn cache(users: usize) -> Arc<KeyCache> {
    Arc::new(KeyCache::new(users).unwrap())
}

fn filled(cache: &KeyCache) -> usize {
    cache.bucket(0).map_or(0, |bucket| bucket.places.iter().filter(|key| key.load().is_some()).count())
}

#[test]
fn nobody_gets_another_users_key() {
    crate::sync::in_every_order(|| {
        let cache = cache(1);
        let working: Vec<_> = ["alice", "bob"]
            .into_iter()
            .enumerate()
            .map(|(at, name)| {
                let cache = Arc::clone(&cache);
                let mine = key(name, at as u8);
                thread::spawn(move || {
                    cache.insert(&mine);
                    for _ in 0..2 {
                        if let Some(found) = cache.get(user(name), |_| ()) {
                            assert_eq!((found.user(), found.wrapped()), (name, mine.wrapped()));
                        }
                    }
                })
            })
            .collect();
        working.into_iter().for_each(|each| each.join().unwrap());
        assert_eq!((cache.users(), filled(&cache)), (1, 1));
    });
}

#[test]
fn a_key_that_was_removed_is_not_found_and_users_are_counted_right() {
    crate::sync::in_every_order(|| {
        let cache = cache(2);
        cache.insert(&key("alice", 1));
        let other = {
            let cache = Arc::clone(&cache);
            thread::spawn(move || {
                cache.insert(&key("bob", 2));
                cache.insert(&key("carol", 3));
                cache.get(user("alice"), |_| ()).is_none_or(|found| found.user() == "alice")
            })
        };
        cache.remove("alice");
        assert!(cache.get(user("alice"), |_| ()).is_none());
        assert!(other.join().unwrap());
        assert_eq!(cache.users(), filled(&cache));
    });
}

#[test]
fn a_users_new_key_takes_the_old_ones_place() {
    crate::sync::in_every_order(|| {
        let cache = cache(2);
        cache.insert(&key("alice", 1));
        let renewing = {
            let cache = Arc::clone(&cache);
            thread::spawn(move || cache.insert(&key("alice", 2)))
        };
        let found = cache.get(user("alice"), |_| ()).expect("it never is away").wrapped()[0];
        assert!(found == 1 || found == 2);
        renewing.join().unwrap();
        assert_eq!(cache.get(user("alice"), |_| ()).unwrap().wrapped()[0], 2);
        assert_eq!((cache.users(), filled(&cache)), (1, 1));
    });
}
