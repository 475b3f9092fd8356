//! A small cache of what is dear to fetch and never changes: the oldest entry goes first, and what several ask
//! for at once is fetched once.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// Values by key, a bounded number of them.
pub struct Cache<K, V> {
    entries: Mutex<VecDeque<(K, Arc<OnceCell<V>>)>>,
    capacity: usize,
}

impl<K: PartialEq + Clone, V: Clone> Cache<K, V> {
    /// An empty cache of at most `capacity` entries.
    pub fn new(capacity: usize) -> Self {
        Self { entries: Mutex::default(), capacity }
    }

    /// The value of `key`; from `fetch` if it is not there yet. A failure is not kept.
    pub async fn get_or_fetch<E>(&self, key: &K, fetch: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        self.cell(key).get_or_try_init(|| fetch).await.cloned()
    }

    fn cell(&self, key: &K) -> Arc<OnceCell<V>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, cell)) = entries.iter().find(|(known, _)| known == key) {
            return cell.clone();
        }
        if entries.len() >= self.capacity {
            entries.pop_front();
        }
        let cell = Arc::new(OnceCell::new());
        entries.push_back((key.clone(), cell.clone()));
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_value_is_fetched_once_and_a_failure_is_not_kept() {
        let cache = Cache::new(2);
        let failed: Result<u32, &str> = cache.get_or_fetch(&"a", async { Err("down") }).await;
        assert_eq!(failed, Err("down"));
        assert_eq!(cache.get_or_fetch(&"a", async { Ok::<_, &str>(1) }).await, Ok(1));
        assert_eq!(cache.get_or_fetch(&"a", async { Ok::<_, &str>(2) }).await, Ok(1));
    }

    #[tokio::test]
    async fn the_oldest_value_makes_room() {
        let cache = Cache::new(2);
        for (key, value) in [("a", 1), ("b", 2), ("c", 3)] {
            assert_eq!(cache.get_or_fetch(&key, async { Ok::<_, &str>(value) }).await, Ok(value));
        }
        assert_eq!(cache.get_or_fetch(&"c", async { Ok::<_, &str>(9) }).await, Ok(3));
        assert_eq!(cache.get_or_fetch(&"a", async { Ok::<_, &str>(9) }).await, Ok(9));
    }
}
