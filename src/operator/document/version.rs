//! Versions: content → `ControllerRevision`, numbered, perhaps named, never changed.

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use keelson_api::{
    DOCUMENT_LABEL, DOCUMENT_TYPE_ANNOTATION, Document, DocumentVersion, HASH_ANNOTATION, USED_BY_ANNOTATION,
    VERSION_NAME_ANNOTATION,
};
use keelson_document::Content;
use kube::api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams, Request};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use serde_json::{Value, json};

use super::MANAGER;
use super::naming::{self, Next};
use super::status::Problem;
use crate::documents::revision;
use crate::error::Error;

/// A version as its revision says it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Number, name and hash.
    pub version: DocumentVersion,
    /// What it says about who uses it.
    pub used_by: Option<String>,
    /// Its owners: the Document, and those who use it.
    pub owners: Vec<OwnerReference>,
    /// Uid and `resourceVersion`: what is written is written to this state of it.
    pub state: (String, String),
}

/// The revisions of a Document.
pub fn revisions(client: &Client, document: &Document) -> Api<ControllerRevision> {
    Api::namespaced(client.clone(), &document.namespace().unwrap_or_default())
}

/// The stored versions, oldest first. The revisions are the truth; the status only shows them.
pub async fn list(api: &Api<ControllerRevision>, document: &Document) -> Result<Vec<Stored>, Error> {
    let selector =
        ListParams::default().labels(&format!("{DOCUMENT_LABEL}={}", document.uid().unwrap_or_default()));
    let mut revisions = api.list(&selector).await?.items;
    revisions.retain(|revision| revision.metadata.deletion_timestamp.is_none());
    revisions.sort_by_key(|revision| revision.revision);
    Ok(revisions.iter().map(stored).collect())
}

/// Makes sure that the newest version is `content`, under the name that the spec gives it, or says why it cannot be.
pub async fn ensure(
    api: &Api<ControllerRevision>,
    document: &Document,
    content: &Content,
    versions: &mut Vec<Stored>,
) -> Result<Option<Problem>, Error> {
    let hash = content.hash();
    let stored: Vec<_> = versions.iter().map(|stored| stored.version.clone()).collect();
    match naming::next(&stored, document.status.as_ref(), &hash, document.spec.version_name.as_deref()) {
        Next::Keep => Ok(None),
        Next::Refuse(problem) => Ok(Some(problem)),
        Next::Name(name) => {
            if let Some(latest) = versions.last_mut() {
                let metadata = json!({ "annotations": { VERSION_NAME_ANNOTATION: name } });
                *latest = change_metadata(api, latest, metadata).await?;
            }
            Ok(None)
        }
        Next::Make { number, name } => {
            let revision = revision(document, content, &hash, number, name)?;
            versions.push(self::stored(&create(api, &revision).await?));
            Ok(None)
        }
    }
}

/// Makes a revision with the escapes that Go gives JSON.
///
/// The API server keeps data byte by byte and refuses other bytes, but writes it anew, with these escapes, for every
/// patch: without them neither this controller nor the garbage collector could change who owns a revision.
async fn create(
    api: &Api<ControllerRevision>,
    revision: &ControllerRevision,
) -> Result<ControllerRevision, Error> {
    let body = escaped(serde_json::to_string(revision)?).into_bytes();
    let request = Request::new(api.resource_url()).create(&PostParams::default(), body);
    Ok(api.clone().into_client().request(request.map_err(kube::Error::BuildRequest)?).await?)
}

/// What Go escapes in JSON, where it stands in texts only.
const ESCAPES: [(char, &str); 5] =
    [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")];

fn escaped(json: String) -> String {
    ESCAPES.iter().fold(json, |json, (character, escape)| json.replace(*character, escape))
}

/// Merges metadata into that of a revision, if it is in the state that was seen.
pub async fn change_metadata(
    api: &Api<ControllerRevision>,
    version: &Stored,
    mut metadata: Value,
) -> Result<Stored, Error> {
    let (uid, resource_version) = &version.state;
    metadata["uid"] = uid.as_str().into();
    metadata["resourceVersion"] = resource_version.as_str().into();
    let parameters = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    Ok(stored(&api.patch(&version.version.revision, &parameters, &patch).await?))
}

fn stored(revision: &ControllerRevision) -> Stored {
    let annotation = |key: &str| revision.annotations().get(key).cloned();
    Stored {
        version: DocumentVersion {
            version: revision.revision.unwrap_or(0).to_string(),
            version_name: annotation(VERSION_NAME_ANNOTATION),
            hash: revision::hash(revision),
            revision: revision.name_any(),
            created_date: revision.creation_timestamp().unwrap_or(Time(crate::context::now())),
        },
        used_by: annotation(USED_BY_ANNOTATION),
        owners: revision.owner_references().to_vec(),
        state: (revision.uid().unwrap_or_default(), revision.resource_version().unwrap_or_default()),
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
    name: Option<String>,
) -> Result<ControllerRevision, Error> {
    let always = [
        (HASH_ANNOTATION.to_owned(), hash.to_owned()),
        (DOCUMENT_TYPE_ANNOTATION.to_owned(), content.document_type().to_string()),
    ];
    let name = name.map(|name| (VERSION_NAME_ANNOTATION.to_owned(), name));
    Ok(ControllerRevision {
        metadata: ObjectMeta {
            name: Some(revision_name(document, number)),
            namespace: document.namespace(),
            labels: Some([(DOCUMENT_LABEL.to_owned(), document.uid().unwrap_or_default())].into()),
            annotations: Some(always.into_iter().chain(name).collect()),
            owner_references: document.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data: revision::data(content)?,
        revision: Some(number),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use keelson_api::DocumentSpec;

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

    #[test]
    fn a_revision_says_what_it_holds() {
        let text = "schemaVersion: '2.2'\nmainSteps: [{action: 'aws:runShellScript', name: a, inputs: {runCommand: ['true']}}]";
        let content = keelson_document::parse_as(keelson_document::DocumentType::Command, text).unwrap();
        let revision =
            revision(&document("0a1b2c3d"), &content, &content.hash(), 3, Some("stable".into())).unwrap();
        let stored = stored(&revision).version;
        assert_eq!((stored.version.as_str(), stored.version_name.as_deref()), ("3", Some("stable")));
        assert_eq!(stored.hash, content.hash());
        assert_eq!(revision.annotations()[DOCUMENT_TYPE_ANNOTATION], "Command");
    }

    #[test]
    fn data_is_written_as_the_api_server_writes_it() {
        let written = escaped(r#"{"run":"a && b <c >d 'ü'"}"#.into());
        assert_eq!(written, r#"{"run":"a \u0026\u0026 b \u003cc \u003ed 'ü'"}"#);
        assert_eq!(escaped("\"\u{2028}\"".into()), r#""\u2028""#);
    }
}
