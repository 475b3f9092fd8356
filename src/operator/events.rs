//! Kubernetes Events, on transitions only.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource, ResourceExt as _};

use crate::patch::is_in_deleted_namespace;

/// Writes Events. An Event that cannot be written is logged and forgotten: it is information, not state.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

/// The API server refuses longer notes.
const MAX_NOTE: usize = 1024;

impl Events {
    /// Events reported by this replica.
    pub fn new(client: Client, replica: &str) -> Self {
        let reporter = Reporter { controller: "keelson-operator".into(), instance: Some(replica.into()) };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Something went as it should.
    pub async fn normal<K>(&self, object: &K, reason: &str, action: &str, note: &str)
    where
        K: Resource<DynamicType = ()>,
    {
        self.publish(object, EventType::Normal, reason, action, note).await;
    }

    /// Something needs a person's eye.
    pub async fn warning<K>(&self, object: &K, reason: &str, action: &str, note: &str)
    where
        K: Resource<DynamicType = ()>,
    {
        self.publish(object, EventType::Warning, reason, action, note).await;
    }

    async fn publish<K>(&self, object: &K, type_: EventType, reason: &str, action: &str, note: &str)
    where
        K: Resource<DynamicType = ()>,
    {
        let end = (0..=note.len().min(MAX_NOTE)).rev().find(|end| note.is_char_boundary(*end)).unwrap_or(0);
        let event = Event {
            type_,
            reason: reason.into(),
            note: Some(note[..end].into()),
            action: action.into(),
            secondary: None,
        };
        let reference: ObjectReference = object.object_ref(&());
        match self.recorder.publish(&event, &reference).await {
            Err(error) if !is_in_deleted_namespace(&error) => {
                tracing::warn!(error = %error, object = object.name_any(), reason, "failed to write an event");
            }
            _ => {}
        }
    }
}
