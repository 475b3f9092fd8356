//! Watches that outlive what they show.

use futures::{Stream, StreamExt as _};
use kube::core::{DeserializeGuard, ObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};

use crate::patch::Kind;

/// Every object of a kind. One that cannot be read is logged and left out; it stops nobody else.
pub fn objects<K: Kind>(client: Client) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send {
    guarded(client, watcher::Config::default())
        .filter_map(|event| std::future::ready(event.map(all_readable).transpose()))
}

/// The objects of a kind that `config` chooses, with those that cannot be read: see [`readable`].
pub fn guarded<K: Kind>(
    client: Client,
    config: watcher::Config,
) -> impl Stream<Item = Result<Event<DeserializeGuard<K>>, watcher::Error>> + Send {
    watcher(Api::<DeserializeGuard<K>>::all(client), config).default_backoff()
}

fn all_readable<K: Kind>(event: Event<DeserializeGuard<K>>) -> Option<Event<K>> {
    match event {
        Event::Apply(object) => readable(object).ok().map(Event::Apply),
        Event::Delete(object) => readable(object).ok().map(Event::Delete),
        Event::InitApply(object) => readable(object).ok().map(Event::InitApply),
        Event::Init => Some(Event::Init),
        Event::InitDone => Some(Event::InitDone),
    }
}

/// An object; of one that cannot be read, which is logged, what names it.
pub fn readable<K: Kind>(guard: DeserializeGuard<K>) -> Result<K, Box<ObjectMeta>> {
    guard.0.map_err(|invalid| {
        tracing::warn!(
            kind = %K::kind(&()),
            namespace = invalid.metadata.namespace.as_deref().unwrap_or_default(),
            name = invalid.metadata.name.as_deref().unwrap_or_default(),
            error = invalid.error,
            "an object cannot be read and is left alone"
        );
        Box::new(invalid.metadata)
    })
}
