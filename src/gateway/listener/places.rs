//! A bound on how many connections, or downloads, one source or one node holds.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whom places are counted for: `K`.
#[derive(Debug)]
pub(crate) struct Places<K> {
    limit: usize,
    holders: Mutex<HashMap<K, Holder>>,
}

#[derive(Debug, Default)]
struct Holder {
    taken: usize,
    refused: u64,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Place<K: Eq + Hash> {
    key: K,
    places: Arc<Places<K>>,
}

/// All places of a holder are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    /// Whether this is the first refusal since the holder had no place: one to be logged.
    pub first: bool,
}

impl<K: Eq + Hash + Clone> Places<K> {
    /// At most `limit` for each key.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, holders: Mutex::default() })
    }

    /// Takes a place.
    pub fn enter(self: &Arc<Self>, key: K) -> Result<Place<K>, Full> {
        let mut holders = self.lock();
        let holder = holders.entry(key.clone()).or_default();
        if holder.taken >= self.limit {
            holder.refused += 1;
            return Err(Full { first: holder.refused == 1 });
        }
        holder.taken += 1;
        drop(holders);
        Ok(Place { key, places: Arc::clone(self) })
    }
}

impl<K> Places<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Holder>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut holders = self.places.lock();
        if let Some(holder) = holders.get_mut(&self.key) {
            holder.taken = holder.taken.saturating_sub(1);
            if holder.taken == 0 {
                holders.remove(&self.key);
            }
        }
    }
}

/// Whom an address stands for: itself, or the network of 2^64 addresses that one host has in IPv6.
pub(crate) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_holder_has_its_own_places_and_gets_them_back() {
        let places = Places::new(2);
        let (first, _second) = (places.enter("a").unwrap(), places.enter("a").unwrap());
        assert_eq!(places.enter("a").unwrap_err(), Full { first: true });
        assert_eq!(places.enter("a").unwrap_err(), Full { first: false });
        assert!(places.enter("b").is_ok());
        drop(first);
        assert!(places.enter("a").is_ok());
    }

    #[test]
    fn nothing_is_remembered_of_who_holds_none() {
        let places = Places::new(1);
        drop(places.enter("a").unwrap());
        assert!(places.lock().is_empty());
    }

    #[test]
    fn a_host_with_many_addresses_is_one_source() {
        let source = |text: &str| source(text.parse().unwrap());
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:2"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }
}
