//! Versions: content → `ControllerRevision`, numbered, never changed.

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use keelson_api::{DOCUMENT_LABEL, Document, DocumentVersion};
use keelson_document::{Document as Content, Errors};
use kube::api::{ListParams, ObjectMeta, PostParams};
use kube::{Api, Client, Resource as _, ResourceExt as _};

use crate::context::Context;
use crate::documents;
use crate::error::Error;

/// Annotation on a revision: SHA-256 of its canonical JSON.
const HASH_ANNOTATION: &str = "keelson.dev/hash";

/// Reads `spec.content`, be it an object or text.
pub fn parse(content: &serde_json::Value) -> Result<Content, Errors> {
    match content {
        serde_json::Value::String(text) => keelson_document::parse(text),
        other => keelson_document::from_value(other.clone()),
    }
}

/// Makes sure that the newest version is `content`; all versions, oldest first.
pub async fn ensure(
    client: &Client,
    document: &Document,
    content: &Content,
) -> Result<Vec<DocumentVersion>, Error> {
    let api: Api<ControllerRevision> =
        Api::namespaced(client.clone(), &document.namespace().unwrap_or_default());
    let mut versions = list(&api, document).await?;
    let hash = content.hash();
    if versions.last().is_none_or(|latest| latest.hash != hash) {
        let highest = versions.last().and_then(|latest| latest.version.parse::<i64>().ok()).unwrap_or(0);
        let revision = revision(document, content, &hash, highest + 1)?;
        let created = api.create(&PostParams::default(), &revision).await?;
        versions.push(described(&created));
    }
    Ok(versions)
}

/// The stored versions, oldest first. The revisions are the truth; the status only shows them.
async fn list(api: &Api<ControllerRevision>, document: &Document) -> Result<Vec<DocumentVersion>, Error> {
    let selector =
        ListParams::default().labels(&format!("{DOCUMENT_LABEL}={}", document.uid().unwrap_or_default()));
    let mut revisions = api.list(&selector).await?.items;
    revisions.sort_by_key(|revision| revision.revision);
    Ok(revisions.iter().map(described).collect())
}

fn described(revision: &ControllerRevision) -> DocumentVersion {
    DocumentVersion {
        version: revision.revision.unwrap_or(0).to_string(),
        hash: revision.annotations().get(HASH_ANNOTATION).cloned().unwrap_or_default(),
        revision: revision.name_any(),
        created_date: revision.creation_timestamp().unwrap_or(Time(crate::context::now())),
    }
}

/// The same for one number of one Document, so that none is given twice. What another Document of this name has left,
/// which is collected later or was orphaned on purpose, is not in the way.
fn revision_name(document: &Document, number: i64) -> String {
    let uid: String = document.uid().unwrap_or_default().chars().take(8).collect();
    keelson_core::names::suffixed(&document.name_any(), &format!("v{number}-{uid}"))
}

fn revision(
    document: &Document,
    content: &Content,
    hash: &str,
    number: i64,
) -> Result<ControllerRevision, Error> {
    Ok(ControllerRevision {
        metadata: ObjectMeta {
            name: Some(revision_name(document, number)),
            namespace: document.namespace(),
            labels: Some([(DOCUMENT_LABEL.to_owned(), document.uid().unwrap_or_default())].into()),
            annotations: Some([(HASH_ANNOTATION.to_owned(), hash.to_owned())].into()),
            owner_references: document.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data: RawExtension(serde_json::from_str(&content.canonical_json())?),
        revision: Some(number),
    })
}

/// The number and content of the default version: the one just parsed, or an older one from its revision.
pub async fn default_content(
    context: &Context,
    document: &Document,
    latest: Content,
    versions: &[DocumentVersion],
    default: Option<String>,
) -> Result<Option<(String, Content)>, Error> {
    let Some(version) = versions.iter().find(|version| Some(&version.version) == default.as_ref()) else {
        return Ok(None);
    };
    if version.hash == latest.hash() {
        return Ok(Some((version.version.clone(), latest)));
    }
    let reference = documents::reference(document, version);
    let content = documents::load(context, &reference).await?;
    Ok(content.map(|content| (version.version.clone(), content)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keelson_api::DocumentSpec;
    use serde_json::json;

    fn document(uid: &str) -> Document {
        let spec: DocumentSpec = serde_json::from_value(json!({ "content": {} })).unwrap();
        let mut document = Document::new("web-server", spec);
        document.metadata.uid = Some(uid.into());
        document
    }

    #[test]
    fn a_version_is_named_by_its_number_and_apart_from_those_of_an_earlier_document_of_the_name() {
        let first = document("0a1b2c3d-0000-4000-8000-000000000000");
        assert_eq!(revision_name(&first, 2), "web-server-v2-0a1b2c3d");
        let second = document("4e5f6a7b-0000-4000-8000-000000000000");
        assert_ne!(revision_name(&first, 1), revision_name(&second, 1));
    }
}
