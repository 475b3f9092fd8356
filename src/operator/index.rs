//! Caches of the fleet that several controllers read, and the news of what changed in them.
//!
//! Each kind is watched once a process. Invocations are kept slim: by Command, without their output, so that
//! ten thousand of them fit in a few megabytes.

mod invocations;

use std::time::Duration;

use futures::{Stream, StreamExt as _};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use keelson_api::{Association, Command, Document, Invocation, ManagedNode};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use kube::{Client, Resource as _, ResourceExt as _};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use crate::patch::Kind;
use crate::watch;

pub use invocations::{InvocationIndex, InvocationRecord};

/// How many changes a slow reader may be behind before it loses some; it then looks at everything again.
const CHANGE_BUFFER: usize = 4096;

/// Something in a cache changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A `ManagedNode` was made, changed or deleted.
    Node {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// An Invocation was made, changed or deleted.
    Invocation {
        /// Its namespace.
        namespace: String,
        /// Name of its Command.
        command: String,
    },
    /// An Association was made, changed or deleted.
    Association {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A Command was made, changed or deleted.
    Command {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The Association that made it.
        association: Option<String>,
    },
    /// A Document's status or spec changed.
    Document {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// The caches.
pub struct Index {
    /// Every `ManagedNode`.
    pub nodes: Store<ManagedNode>,
    /// Every Document, without its content.
    pub documents: Store<Document>,
    /// Every Association.
    pub associations: Store<Association>,
    /// Every Command.
    pub commands: Store<Command>,
    /// Every Invocation, by Command.
    pub invocations: InvocationIndex,
    changes: broadcast::Sender<Change>,
}

impl Index {
    /// Starts the watches.
    pub fn start(client: &Client) -> Self {
        let changes = broadcast::Sender::new(CHANGE_BUFFER);
        let nodes = cache(client, |_| {}, {
            let changes = changes.clone();
            move |node: &ManagedNode| {
                let change =
                    Change::Node { namespace: node.namespace().unwrap_or_default(), name: node.name_any() };
                let _ = changes.send(change); // an error only says that nobody listens
            }
        });
        let documents =
            cache(client, |document: &mut Document| document.spec.content = serde_json::Value::Null, {
                let changes = changes.clone();
                move |document: &Document| {
                    let change = Change::Document {
                        namespace: document.namespace().unwrap_or_default(),
                        name: document.name_any(),
                    };
                    let _ = changes.send(change);
                }
            });
        let associations = cache(client, |_| {}, {
            let changes = changes.clone();
            move |association: &Association| {
                let change = Change::Association {
                    namespace: association.namespace().unwrap_or_default(),
                    name: association.name_any(),
                };
                let _ = changes.send(change);
            }
        });
        let commands = cache(client, |_| {}, {
            let changes = changes.clone();
            move |command: &Command| {
                let change = Change::Command {
                    namespace: command.namespace().unwrap_or_default(),
                    name: command.name_any(),
                    association: association_of(command).map(|owner| owner.name.clone()),
                };
                let _ = changes.send(change);
            }
        });
        let invocations = InvocationIndex::default();
        tokio::spawn(follow_invocations(client.clone(), invocations.clone(), changes.clone()));
        Self { nodes, documents, associations, commands, invocations, changes }
    }

    /// Waits until every cache has been filled once.
    pub async fn filled(&self) -> anyhow::Result<()> {
        self.nodes.wait_until_ready().await?;
        self.documents.wait_until_ready().await?;
        self.associations.wait_until_ready().await?;
        self.commands.wait_until_ready().await?;
        self.invocations.filled().await;
        Ok(())
    }

    /// News of changes, from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// The objects that a controller should look at: `all` of them first, then what `concerned` makes of each
    /// change, and `all` again where this reader was too slow for some.
    pub fn triggers<K, A, C>(
        &self,
        all: A,
        concerned: C,
    ) -> impl Stream<Item = ObjectRef<K>> + Send + use<K, A, C>
    where
        K: Kind,
        A: Fn() -> Vec<ObjectRef<K>> + Send + 'static,
        C: Fn(Change) -> Vec<ObjectRef<K>> + Send + 'static,
    {
        let changes = BroadcastStream::new(self.changes()).map(Some);
        let first = futures::stream::once(std::future::ready(None));
        first.chain(changes).flat_map(move |change| {
            futures::stream::iter(match change {
                Some(Ok(change)) => concerned(change),
                None | Some(Err(BroadcastStreamRecvError::Lagged(_))) => all(),
            })
        })
    }
}

/// The Association that made a Command.
pub fn association_of(command: &Command) -> Option<&OwnerReference> {
    let owners = command.metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().find(|owner| owner.controller == Some(true) && owner.kind == Association::kind(&()))
}

fn cache<K: Kind>(
    client: &Client,
    slim: impl Fn(&mut K) + Send + 'static,
    changed: impl Fn(&K) + Send + 'static,
) -> Store<K> {
    let (store, writer) = reflector::store();
    let stream = watch::objects::<K>(client.clone())
        .modify(move |object| {
            object.managed_fields_mut().clear();
            slim(object);
        })
        .reflect(writer);
    let reader = store.clone();
    tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream);
        let mut before = Vec::new();
        while let Some(event) = stream.next().await {
            match event {
                Ok(Event::Apply(object) | Event::Delete(object)) => changed(&object),
                // A listing can be seen when it is complete. Of those that it misses nobody else will tell.
                Ok(Event::Init) => before = reader.state(),
                Ok(Event::InitApply(_)) => {}
                Ok(Event::InitDone) => {
                    before.retain(|object| reader.get(&ObjectRef::from_obj(&**object)).is_none());
                    before.drain(..).chain(reader.state()).for_each(|object| changed(&object));
                }
                Err(error) => warn_about_watch(&K::kind(&()), &error),
            }
        }
    });
    store
}

async fn follow_invocations(client: Client, index: InvocationIndex, changes: broadcast::Sender<Change>) {
    let mut stream = std::pin::pin!(watch::objects::<Invocation>(client));
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => {
                for (namespace, command) in index.take(event) {
                    let _ = changes.send(Change::Invocation { namespace, command });
                }
            }
            Err(error) => warn_about_watch("Invocation", &error),
        }
    }
}

fn warn_about_watch(kind: &str, error: &watcher::Error) {
    tracing::warn!(kind, error = %error, "a watch was interrupted and will be taken up again");
}

/// How often objects are looked at again without an event, against news that were lost.
pub const RESYNC: Duration = Duration::from_secs(300);
