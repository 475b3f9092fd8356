//! Watches that outlive what they show.

use futures::{Stream, StreamExt as _};
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};

use crate::patch::Kind;

/// Every object of a kind. One that cannot be read is logged and left out; it stops nobody else.
pub fn objects<K: Kind>(client: Client) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send {
    watcher(Api::<DeserializeGuard<K>>::all(client), watcher::Config::default())
        .default_backoff()
        .filter_map(|event| std::future::ready(event.map(readable).transpose()))
}

fn readable<K: Kind>(event: Event<DeserializeGuard<K>>) -> Option<Event<K>> {
    match event {
        Event::Apply(object) => valid(object).map(Event::Apply),
        Event::Delete(object) => valid(object).map(Event::Delete),
        Event::InitApply(object) => valid(object).map(Event::InitApply),
        Event::Init => Some(Event::Init),
        Event::InitDone => Some(Event::InitDone),
    }
}

fn valid<K: Kind>(guard: DeserializeGuard<K>) -> Option<K> {
    match guard.0 {
        Ok(object) => Some(object),
        Err(invalid) => {
            tracing::warn!(
                kind = %K::kind(&()),
                namespace = invalid.metadata.namespace.as_deref().unwrap_or_default(),
                name = invalid.metadata.name.as_deref().unwrap_or_default(),
                error = invalid.error,
                "an object cannot be read and is left alone"
            );
            None
        }
    }
}
