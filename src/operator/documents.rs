//! Finding what a `documentName` and `documentVersion` mean: first in the referrer's namespace, then in the
//! library, which is Keelson's own namespace.

use k8s_openapi::api::apps::v1::ControllerRevision;
use keelson_api::{Document, DocumentReference, DocumentVersion};
use keelson_core::names::document_name;
use keelson_document::Document as Content;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt as _};

use crate::context::Context;
use crate::error::Error;

/// A version of a document that can be run.
#[derive(Debug, Clone)]
pub struct ResolvedDocument {
    /// Which one, exactly.
    pub reference: DocumentReference,
    /// Its content.
    pub content: Content,
}

/// Why a name and version mean nothing that can be run. It may change when a Document does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// PascalCase, for a condition.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// Resolves a name and version, as seen from `namespace`.
pub async fn resolve(
    context: &Context,
    namespace: &str,
    name: &str,
    version: &str,
) -> Result<Result<ResolvedDocument, Unresolved>, Error> {
    let (document, version) = match find(context, namespace, name, version) {
        Ok(found) => found,
        Err(unresolved) => return Ok(Err(unresolved)),
    };
    let reference = reference(&document, &version);
    Ok(match load(context, &reference).await? {
        Some(content) => Ok(ResolvedDocument { reference, content }),
        None => Err(Unresolved {
            reason: "VersionNotFound",
            message: format!(
                "version {} of document {:?} is gone or damaged: ControllerRevision {}/{}",
                reference.version, reference.name, reference.namespace, reference.revision
            ),
        }),
    })
}

/// A version of a Document, exactly.
pub fn reference(document: &Document, version: &DocumentVersion) -> DocumentReference {
    DocumentReference {
        name: document.name_any(),
        version: version.version.clone(),
        hash: version.hash.clone(),
        revision: version.revision.clone(),
        namespace: document.namespace().unwrap_or_default(),
    }
}

/// The content of an exact version, if its revision still holds it.
pub async fn load(context: &Context, reference: &DocumentReference) -> Result<Option<Content>, Error> {
    let revisions: Api<ControllerRevision> = Api::namespaced(context.client.clone(), &reference.namespace);
    let Some(revision) = revisions.get_opt(&reference.revision).await? else { return Ok(None) };
    Ok(keelson_document::from_value(revision.data.0).ok())
}

/// Which version of which Document, from the caches alone.
pub fn find(
    context: &Context,
    namespace: &str,
    name: &str,
    version: &str,
) -> Result<(std::sync::Arc<Document>, DocumentVersion), Unresolved> {
    let lower = document_name(name);
    let document = [namespace, &context.namespace]
        .iter()
        .find_map(|namespace| context.index.documents.get(&ObjectRef::new(&lower).within(namespace)))
        .ok_or_else(|| Unresolved {
            reason: "DocumentNotFound",
            message: format!(
                "spec.documentName: there is no Document {lower:?} in namespace {namespace:?} or in the library ({:?})",
                context.namespace
            ),
        })?;
    let status = document.status.clone().unwrap_or_default();
    let number = match version {
        "$DEFAULT" => status.default_version,
        "$LATEST" => status.latest_version,
        number => Some(number.to_owned()),
    };
    let Some(number) = number else {
        return Err(Unresolved {
            reason: "DocumentNotReady",
            message: format!(
                "spec.documentName: Document {lower:?} has no valid version yet; see its conditions"
            ),
        });
    };
    match status.versions.iter().find(|known| known.version == number) {
        Some(known) => Ok((document, known.clone())),
        None => Err(Unresolved {
            reason: "VersionNotFound",
            message: format!(
                "spec.documentVersion: Document {lower:?} has no version {number}; it has {}",
                listed(&status.versions)
            ),
        }),
    }
}

fn listed(versions: &[DocumentVersion]) -> String {
    let numbers: Vec<_> = versions.iter().map(|version| version.version.as_str()).collect();
    if numbers.is_empty() { "none".into() } else { numbers.join(", ") }
}
