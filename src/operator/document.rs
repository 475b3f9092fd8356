//! The Document controller: validates content, keeps each version as an immutable `ControllerRevision`, says on each
//! who uses it, and prunes those that nobody does.

mod content;
mod marks;
mod naming;
mod prune;
mod referrers;
mod status;
mod usage;
mod version;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::ControllerRevision;
use keelson_api::{Document, DocumentStatus};
use keelson_document::Content;
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt as _};

use crate::context::Context;
use crate::documents::{self, meant};
use crate::error::{self, Error};
use crate::index::{Change, RESYNC};

use prune::Pruned;
use referrers::Referrers;
use status::Problem;
use usage::{Subject, Usage};

/// The field manager of Documents' status and of what is written on revisions.
const MANAGER: &str = "keelson/document";

/// How long Commands that are starting are waited for before what they may run is deleted.
const STARTING: Duration = Duration::from_secs(10);

/// What every look is given.
struct Shared {
    context: Arc<Context>,
    referrers: Referrers,
    /// What the revisions of a Document say about who uses them, with its uid.
    marked: Mutex<HashMap<ObjectRef<Document>, (String, Usage)>>,
}

/// Runs until the process ends.
pub async fn controller(context: Arc<Context>) {
    let store = context.index.documents.clone();
    let shared = Arc::new(Shared {
        context: context.clone(),
        referrers: Referrers::default(),
        marked: Mutex::default(),
    });
    let all = store.clone();
    let triggers = context.index.triggers(
        move || all.state().iter().map(|document| ObjectRef::from_obj(&**document)).collect(),
        concerned(&shared),
    );
    Controller::for_stream(futures::stream::pending(), store)
        .reconcile_on(triggers)
        .with_config(kube::runtime::controller::Config::default().concurrency(4))
        .run(
            reconcile,
            |object, error, shared: Arc<Shared>| error::policy(object, error, shared.context.clone()),
            shared,
        )
        .for_each(|_| std::future::ready(())) // errors went through the policy
        .await;
}

/// The Documents that a change may matter to.
fn concerned(shared: &Arc<Shared>) -> impl Fn(Change) -> Vec<ObjectRef<Document>> + Send + use<> {
    let shared = shared.clone();
    move |change| {
        let (index, library) = (&shared.context.index, shared.context.namespace.as_str());
        let keys = match &change {
            Change::Document { namespace, name } => {
                // One of a namespace stands before the library's.
                [(namespace.clone(), name.clone()), (library.to_owned(), name.clone())].into()
            }
            Change::Association { namespace, name } => {
                let association = index.associations.get(&ObjectRef::new(name).within(namespace));
                shared.referrers.association((namespace, name), library, association.as_deref())
            }
            Change::Command { namespace, name, .. } => {
                let command = index.commands.get(&ObjectRef::new(name).within(namespace));
                shared.referrers.command((namespace, name), library, command.as_deref())
            }
            Change::Node { .. } | Change::Invocation { .. } => return Vec::new(),
        };
        let references = keys.iter().map(|(namespace, name)| ObjectRef::new(name).within(namespace));
        let is_there = |reference: &ObjectRef<Document>| {
            let there = index.documents.get(reference).is_some();
            if !there {
                shared.forget(reference);
            }
            there
        };
        references.filter(is_there).collect()
    }
}

async fn reconcile(cached: Arc<Document>, shared: Arc<Shared>) -> Result<Action, Error> {
    let context = &*shared.context;
    context.metrics.reconcile("Document");
    if cached.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    if shared.is_settled(&cached) {
        return Ok(Action::requeue(RESYNC));
    }
    // A look that is cut short leaves revisions that say something else.
    let reference = ObjectRef::from_obj(&*cached);
    shared.forget(&reference);
    let Some((usage, pruned)) = look(context, &cached).await? else { return Ok(Action::await_change()) };
    if pruned == Pruned::Later {
        return Ok(Action::requeue(STARTING));
    }
    shared.marked().insert(reference, (cached.uid().unwrap_or_default(), usage));
    Ok(Action::requeue(RESYNC))
}

impl Shared {
    /// Nothing changed since the status and the revisions were written.
    fn is_settled(&self, document: &Document) -> bool {
        let Some(status) = &document.status else { return false };
        if status.observed_generation != document.metadata.generation {
            return false;
        }
        let now = (document.uid().unwrap_or_default(), usage(&self.context, document, status));
        self.marked().get(&ObjectRef::from_obj(document)) == Some(&now)
    }

    fn forget(&self, document: &ObjectRef<Document>) {
        self.marked().remove(document);
    }

    /// A panic elsewhere leaves entries whole: go on with them.
    fn marked(&self) -> MutexGuard<'_, HashMap<ObjectRef<Document>, (String, Usage)>> {
        self.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings versions, what they say about their users, and the status up to what is true now; `None` where the Document
/// is gone.
async fn look(context: &Context, cached: &Document) -> Result<Option<(Usage, Pruned)>, Error> {
    let revisions = version::revisions(&context.client, cached);
    // The versions first: content that is older than they are would become the next one.
    let mut versions = version::list(&revisions, cached).await?;
    // The cache leaves content out.
    let api: Api<Document> = Api::namespaced(context.client.clone(), &cached.namespace().unwrap_or_default());
    let document = api.get_opt(&cached.name_any()).await?.filter(|document| document.uid() == cached.uid());
    let Some(document) = &document else { return Ok(None) };
    let mut problems = Vec::new();
    let content = match content::parse(&document.spec) {
        Ok(content) => {
            problems.extend(version::ensure(&revisions, document, &content, &mut versions).await?);
            Some(content)
        }
        Err(errors) => {
            problems.push(Problem { reason: "InvalidContent", message: format!("spec.content: {errors}") });
            None
        }
    };
    let (mut status, missing) = status::begin(document, described(&versions));
    problems.extend(missing);
    let usage = usage(context, document, &status);
    marks::write(&revisions, &document.namespace().unwrap_or_default(), &mut versions, &usage).await?;
    let pruned = {
        let has_own = |namespace: &str| has_own(context, document, namespace);
        let subject = Subject { document, status: &status, library: &context.namespace, has_own: &has_own };
        prune::prune(context, &revisions, &subject, &mut versions, &usage).await
    };
    status.versions = described(&versions);
    let default = default_content(&revisions, &status, content).await?;
    let status = status::conclude(document, status, default.as_ref(), &problems);
    status::update(context, document, &status).await?;
    Ok(Some((usage, pruned?))) // what cannot be deleted keeps nobody from running what there is
}

fn described(versions: &[version::Stored]) -> Vec<keelson_api::DocumentVersion> {
    versions.iter().map(|stored| stored.version.clone()).collect()
}

fn usage(context: &Context, document: &Document, status: &DocumentStatus) -> Usage {
    let has_own = |namespace: &str| has_own(context, document, namespace);
    let subject = Subject { document, status, library: &context.namespace, has_own: &has_own };
    subject.usage(&context.index.associations.state(), &context.index.commands.state())
}

/// Whether a namespace has a Document of the same name itself.
fn has_own(context: &Context, document: &Document, namespace: &str) -> bool {
    let reference = ObjectRef::new(&document.name_any()).within(namespace);
    context.index.documents.get(&reference).is_some()
}

/// The content of the default version: what was just read, or an older one from its revision.
async fn default_content(
    revisions: &Api<ControllerRevision>,
    status: &DocumentStatus,
    latest: Option<Content>,
) -> Result<Option<Content>, Error> {
    let Some(default) = meant(status, "$DEFAULT") else { return Ok(None) };
    if let Some(latest) = latest
        && latest.hash() == default.hash
    {
        return Ok(Some(latest));
    }
    let revision = revisions.get_opt(&default.revision).await?;
    Ok(revision.and_then(|revision| documents::revision::content(revision).ok()))
}
