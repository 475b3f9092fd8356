//! Finding what a `documentName` and `documentVersion` mean: first in the referrer's namespace, then in the
//! library, which is Keelson's own namespace.

mod kind;
pub mod revision;

use std::sync::Arc;

use k8s_openapi::api::apps::v1::ControllerRevision;
use keelson_api::{Document, DocumentReference, DocumentStatus, DocumentVersion};
use keelson_core::names::document_name;
use keelson_document::{Content, Document as CommandDocument};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt as _};

use crate::context::Context;
use crate::error::Error;

pub use kind::document_type;

/// A version of a document that can be run.
#[derive(Debug, Clone)]
pub struct ResolvedDocument {
    /// Which one, exactly.
    pub reference: DocumentReference,
    /// Its content.
    pub content: CommandDocument,
    /// Its Document's `spec.failFast`.
    pub fail_fast: bool,
    /// Its Document's `spec.strictScripts`.
    pub strict_scripts: bool,
}

/// Why a name and version mean nothing that can be run. It may change when a Document does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// PascalCase, for a condition.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// How many versions a message lists.
const LISTED: usize = 20;

/// A document of a type that does not run on nodes was named.
pub const NOT_RUNNABLE: &str = "DocumentTypeNotRunnable";

/// Resolves a name and version to what a node can run, as seen from `namespace`.
pub async fn resolve(
    context: &Context,
    namespace: &str,
    name: &str,
    version: &str,
) -> Result<Result<ResolvedDocument, Unresolved>, Error> {
    let (document, version) = match find_runnable(context, namespace, name, version) {
        Ok(found) => found,
        Err(unresolved) => return Ok(Err(unresolved)),
    };
    let reference = reference(&document, &version);
    Ok(match load(context, &reference).await? {
        Some(Content::Command(content)) => Ok(ResolvedDocument {
            reference,
            content,
            fail_fast: document.spec.fail_fast,
            strict_scripts: document.spec.strict_scripts,
        }),
        _ => Err(Unresolved {
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
    Ok(revision::content(revision).ok())
}

/// Which version of which Document that can be run, from the caches alone.
pub fn find_runnable(
    context: &Context,
    namespace: &str,
    name: &str,
    version: &str,
) -> Result<(Arc<Document>, DocumentVersion), Unresolved> {
    let document = document(context, namespace, name)?;
    let kind = document_type(document.spec.document_type);
    match kind::not_runnable(&document.name_any(), kind) {
        Some(message) => Err(Unresolved { reason: NOT_RUNNABLE, message }),
        None => find(context, namespace, name, version),
    }
}

/// Which version of which Document of whatever type, from the caches alone.
pub fn find(
    context: &Context,
    namespace: &str,
    name: &str,
    version: &str,
) -> Result<(Arc<Document>, DocumentVersion), Unresolved> {
    let document = document(context, namespace, name)?;
    let version = version_of(&document, version)?;
    Ok((document, version))
}

/// The Document that a name means.
pub fn document(context: &Context, namespace: &str, name: &str) -> Result<Arc<Document>, Unresolved> {
    let lower = document_name(name);
    [namespace, &context.namespace]
        .iter()
        .find_map(|namespace| context.index.documents.get(&ObjectRef::new(&lower).within(namespace)))
        .ok_or_else(|| Unresolved {
            reason: "DocumentNotFound",
            message: format!(
                "spec.documentName: there is no Document {lower:?} in namespace {namespace:?} or in the library ({:?})",
                context.namespace
            ),
        })
}

fn version_of(document: &Document, wanted: &str) -> Result<DocumentVersion, Unresolved> {
    let name = document.name_any();
    let status = document.status.clone().unwrap_or_default();
    if status.versions.is_empty() {
        return Err(Unresolved {
            reason: "DocumentNotReady",
            message: format!(
                "spec.documentName: Document {name:?} has no valid version yet; see its conditions"
            ),
        });
    }
    meant(&status, wanted).cloned().ok_or_else(|| Unresolved {
        reason: "VersionNotFound",
        message: format!(
            "spec.documentVersion: Document {name:?} has no version {wanted}; it has {}",
            listed(&status.versions)
        ),
    })
}

/// The version that `$DEFAULT`, `$LATEST`, a number or a version's name means.
pub fn meant<'a>(status: &'a DocumentStatus, wanted: &str) -> Option<&'a DocumentVersion> {
    let number = match wanted {
        "$DEFAULT" => status.default_version.as_deref()?,
        "$LATEST" => status.latest_version.as_deref()?,
        other => other,
    };
    let versions = &status.versions;
    versions
        .iter()
        .find(|version| version.version == number)
        .or_else(|| versions.iter().find(|version| version.version_name.as_deref() == Some(wanted)))
}

/// Versions for people, such as `1, 2 (stable), 3`: the newest ones, where there are many.
pub fn listed(versions: &[DocumentVersion]) -> String {
    let (older, newest) = versions.split_at(versions.len().saturating_sub(LISTED));
    let newest = newest.iter().map(described).collect::<Vec<_>>().join(", ");
    match (versions.is_empty(), older.len()) {
        (true, _) => "none".into(),
        (false, 0) => newest,
        (false, older) => format!("{older} older ones, {newest}"),
    }
}

/// A version for people, such as `2 (stable)`.
pub fn described(version: &DocumentVersion) -> String {
    match &version.version_name {
        Some(name) => format!("{} ({name})", version.version),
        None => version.version.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    fn version(number: &str, name: Option<&str>) -> DocumentVersion {
        DocumentVersion {
            version: number.into(),
            version_name: name.map(Into::into),
            hash: String::new(),
            revision: format!("d-v{number}"),
            created_date: Time(Timestamp::UNIX_EPOCH),
        }
    }

    fn status() -> DocumentStatus {
        DocumentStatus {
            default_version: Some("1".into()),
            latest_version: Some("3".into()),
            versions: vec![version("1", None), version("2", Some("stable")), version("3", None)],
            ..DocumentStatus::default()
        }
    }

    #[test]
    fn a_version_is_meant_by_number_by_name_and_by_what_default_and_latest_mean() {
        let status = status();
        let number = |wanted| meant(&status, wanted).map(|version| version.version.as_str());
        assert_eq!(number("$DEFAULT"), Some("1"));
        assert_eq!(number("$LATEST"), Some("3"));
        assert_eq!(number("2"), Some("2"));
        assert_eq!(number("stable"), Some("2"));
        assert_eq!(number("unstable"), None);
    }

    #[test]
    fn of_many_versions_the_newest_are_listed() {
        let many: Vec<_> = (1..=1000).map(|number| version(&number.to_string(), None)).collect();
        let listed = listed(&many);
        assert!(listed.starts_with("980 older ones, 981, ") && listed.ends_with(", 1000"), "{listed}");
    }

    #[test]
    fn a_version_that_is_not_there_is_told_with_those_that_are() {
        let mut document = Document::new("hello", serde_json::from_str(r#"{"content":{}}"#).unwrap());
        assert_eq!(version_of(&document, "stable").unwrap_err().reason, "DocumentNotReady");
        document.status = Some(status());
        let unresolved = version_of(&document, "stabel").unwrap_err();
        assert_eq!(unresolved.reason, "VersionNotFound");
        assert_eq!(
            unresolved.message,
            "spec.documentVersion: Document \"hello\" has no version stabel; it has 1, 2 (stable), 3"
        );
    }
}
