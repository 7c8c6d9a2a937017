//! The users' keys that an open store keeps unwrapped.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::data_key::DataKey;
use crate::user::User;

/// A bounded cache from user to key, one a store. A key that leaves it is wiped as soon as no call uses it any more.
pub(crate) struct KeyCache {
    capacity: usize,
    keys: RwLock<HashMap<Box<str>, Arc<DataKey>>>,
}

impl KeyCache {
    pub(crate) fn new(capacity: usize) -> KeyCache {
        KeyCache { capacity, keys: RwLock::default() }
    }

    pub(crate) fn get(&self, user: User<'_>) -> Option<Arc<DataKey>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(user.name()).cloned()
    }

    /// Keeps `key`; when full, in the place of some other user's.
    pub(crate) fn insert(&self, user: User<'_>, key: &Arc<DataKey>) {
        if self.capacity == 0 {
            return;
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= self.capacity
            && !keys.contains_key(user.name())
            && let Some(leaving) = keys.keys().next().cloned()
        {
            keys.remove(&leaving);
        }
        keys.insert(user.name().into(), Arc::clone(key));
    }
}
