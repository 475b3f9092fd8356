//! The Document controller: validates content, keeps each version as an immutable `ControllerRevision`, and
//! prunes those that nobody can want any more.

mod prune;
mod status;
mod version;

use std::sync::Arc;

use futures::StreamExt as _;
use keelson_api::Document;
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt as _};

use crate::context::Context;
use crate::error::{self, Error};
use crate::index::{Change, RESYNC};

/// Runs until the process ends.
pub async fn controller(context: Arc<Context>) {
    let store = context.index.documents.clone();
    let reader = store.clone();
    let triggers = context.index.triggers(
        move || reader.state().iter().map(|document| ObjectRef::from_obj(&**document)).collect(),
        |change| match change {
            Change::Document { namespace, name } => vec![ObjectRef::new(&name).within(&namespace)],
            _ => Vec::new(),
        },
    );
    Controller::for_stream(futures::stream::pending(), store)
        .reconcile_on(triggers)
        .with_config(kube::runtime::controller::Config::default().concurrency(4))
        .run(reconcile, error::policy, context)
        .for_each(|_| std::future::ready(()))
        .await;
}

async fn reconcile(cached: Arc<Document>, context: Arc<Context>) -> Result<Action, Error> {
    context.metrics.reconcile("Document");
    if cached.metadata.deletion_timestamp.is_some() || is_settled(&cached) {
        return Ok(Action::requeue(RESYNC));
    }
    // The cache leaves content out.
    let api: Api<Document> = Api::namespaced(context.client.clone(), &cached.namespace().unwrap_or_default());
    let Some(document) = api.get_opt(&cached.name_any()).await? else { return Ok(Action::await_change()) };
    let outcome = match version::parse(&document.spec.content) {
        Err(problems) => status::Outcome::Invalid(problems),
        Ok(content) => {
            let versions = version::ensure(&context.client, &document, &content).await?;
            let default = status::default_number(&document.spec.default_version, &versions);
            let versions = prune::prune(&context, &document, versions, default.as_deref()).await?;
            let default = version::default_content(&context, &document, content, &versions, default).await?;
            status::Outcome::Valid { versions, default }
        }
    };
    status::update(&context, &document, outcome).await?;
    Ok(Action::requeue(RESYNC))
}

/// Nothing changed since the status was written, and nothing is left to prune.
fn is_settled(document: &Document) -> bool {
    document.status.as_ref().is_some_and(|status| {
        let limit = usize::try_from(document.spec.version_history_limit).unwrap_or(usize::MAX);
        status.observed_generation == document.metadata.generation && status.versions.len() <= limit
    })
}
