//! Which versions may go: the oldest beyond the limit that are not default, newest, pinned or running.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::ControllerRevision;
use keelson_api::{Command, Document, DocumentVersion};
use keelson_core::names::document_name;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt as _};

use crate::context::Context;
use crate::error::Error;
use crate::patch::is_not_found;

/// Commands that have not ended.
const UNFINISHED: &str =
    "status.status!=Success,status.status!=Failed,status.status!=TimedOut,status.status!=Cancelled";

/// Deletes what may go; the versions that stay.
pub async fn prune(
    context: &Context,
    document: &Document,
    versions: Vec<DocumentVersion>,
    default: Option<&str>,
) -> Result<Vec<DocumentVersion>, Error> {
    let limit = usize::try_from(document.spec.version_history_limit).unwrap_or(usize::MAX);
    if versions.len() <= limit {
        return Ok(versions);
    }
    let mut wanted = wanted_by_associations(context, document);
    wanted.extend(wanted_by_commands(context, document).await?);
    wanted.extend(default.map(ToOwned::to_owned));
    let (keep, remove) = split(versions, limit, &wanted);
    let api: Api<ControllerRevision> =
        Api::namespaced(context.client.clone(), &document.namespace().unwrap_or_default());
    for version in &remove {
        match api.delete(&version.revision, &DeleteParams::default()).await {
            Err(error) if !is_not_found(&error) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(keep)
}

/// Takes the oldest unwanted ones off until `limit` are left; the newest always stays.
fn split(
    versions: Vec<DocumentVersion>,
    limit: usize,
    wanted: &BTreeSet<String>,
) -> (Vec<DocumentVersion>, Vec<DocumentVersion>) {
    let mut excess = versions.len().saturating_sub(limit.max(1));
    let newest = versions.len().saturating_sub(1);
    let (mut keep, mut remove) = (Vec::new(), Vec::new());
    for (position, version) in versions.into_iter().enumerate() {
        if excess > 0 && position != newest && !wanted.contains(&version.version) {
            excess -= 1;
            remove.push(version);
        } else {
            keep.push(version);
        }
    }
    (keep, remove)
}

/// A library document may be pinned from any namespace, so every Association counts.
fn wanted_by_associations(context: &Context, document: &Document) -> BTreeSet<String> {
    let name = document.name_any();
    let associations = context.index.associations.state();
    associations
        .iter()
        .filter(|association| document_name(&association.spec.document_name) == name)
        .flat_map(|association| {
            let applied = association.status.as_ref().and_then(|status| status.document_version.clone());
            [Some(association.spec.document_version.clone()), applied]
        })
        .flatten()
        .collect()
}

async fn wanted_by_commands(context: &Context, document: &Document) -> Result<BTreeSet<String>, Error> {
    let name = document.name_any();
    let commands: Api<Command> = Api::all(context.client.clone());
    let unfinished = commands.list(&ListParams::default().fields(UNFINISHED)).await?;
    Ok(unfinished
        .items
        .into_iter()
        .filter(|command| document_name(&command.spec.document_name) == name)
        .flat_map(|command| {
            let resolved = command.status.and_then(|status| status.document_version);
            [Some(command.spec.document_version), resolved]
        })
        .flatten()
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    fn versions(count: usize) -> Vec<DocumentVersion> {
        (1..=count)
            .map(|number| DocumentVersion {
                version: number.to_string(),
                hash: format!("hash-{number}"),
                revision: format!("doc-v{number}"),
                created_date: Time(Timestamp::UNIX_EPOCH),
            })
            .collect()
    }

    fn kept(count: usize, limit: usize, wanted: &[&str]) -> Vec<String> {
        let wanted = wanted.iter().map(|version| (*version).to_owned()).collect();
        split(versions(count), limit, &wanted).0.into_iter().map(|version| version.version).collect()
    }

    #[test]
    fn the_oldest_versions_go_first() {
        assert_eq!(kept(5, 2, &[]), ["4", "5"]);
    }

    #[test]
    fn a_wanted_version_stays_however_old() {
        assert_eq!(kept(5, 2, &["1"]), ["1", "5"]);
        assert_eq!(kept(4, 1, &["1", "2"]), ["1", "2", "4"]);
    }

    #[test]
    fn the_newest_version_stays_even_when_nobody_wants_it() {
        assert_eq!(kept(3, 1, &["1"]), ["1", "3"]);
    }
}
