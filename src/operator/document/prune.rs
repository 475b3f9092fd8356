//! Which versions may go: the oldest beyond the limit that nobody uses.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::ControllerRevision;
use keelson_api::{Association, Command, Document};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::core::DeserializeGuard;

use super::usage::{Subject, Usage};
use super::version::Stored;
use crate::context::Context;
use crate::error::Error;
use crate::patch::{Kind, is_not_found};
use crate::watch::readable;

/// Commands that have not ended.
const UNFINISHED: &str =
    "status.status!=Success,status.status!=Failed,status.status!=TimedOut,status.status!=Cancelled";

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Pruned {
    /// All went that may go.
    Done,
    /// Something may go once Commands that are starting say what they run.
    Later,
}

/// Deletes what may go, and takes it out of `versions`.
pub async fn prune(
    context: &Context,
    api: &Api<ControllerRevision>,
    subject: &Subject<'_>,
    versions: &mut Vec<Stored>,
    usage: &Usage,
) -> Result<Pruned, Error> {
    let limit = limit(subject.document);
    if superfluous(versions, limit, |version| usage.contains_key(version)).is_empty() {
        return Ok(Pruned::Done);
    }
    // The cache may not show yet what was begun a moment ago.
    let all = ListParams::default();
    let unfinished = ListParams::default().fields(UNFINISHED);
    let associations = list::<Association>(context, &all).await?;
    let commands = list::<Command>(context, &unfinished).await?;
    if commands.iter().any(|command| subject.may_be_frozen_by(command)) {
        return Ok(Pruned::Later);
    }
    let now = subject.usage(&associations, &commands);
    let is_used = |version: &str| usage.contains_key(version) || now.contains_key(version);
    for version in superfluous(versions, limit, is_used) {
        let (uid, resource_version) = version.state;
        let preconditions = Preconditions { uid: Some(uid), resource_version: Some(resource_version) };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match api.delete(&version.version.revision, &parameters).await {
            Err(error) if !is_not_found(&error) => return Err(error.into()),
            _ => versions.retain(|kept| kept.version != version.version),
        }
    }
    Ok(Pruned::Done)
}

/// The objects of a kind as they are now, but for those that cannot be read.
async fn list<K: Kind>(context: &Context, which: &ListParams) -> Result<Vec<Arc<K>>, Error> {
    let api: Api<DeserializeGuard<K>> = Api::all(context.client.clone());
    let all = api.list(which).await?.items;
    Ok(all.into_iter().filter_map(|object| readable(object).ok().map(Arc::new)).collect())
}

/// How many versions a Document keeps, if so few are in use.
fn limit(document: &Document) -> usize {
    usize::try_from(document.spec.version_history_limit).unwrap_or(usize::MAX)
}

/// The oldest ones that nobody uses, as many as are beyond the limit; never the newest.
fn superfluous(versions: &[Stored], limit: usize, is_used: impl Fn(&str) -> bool) -> Vec<Stored> {
    let excess = versions.len().saturating_sub(limit.max(1));
    let older = versions.split_last().map_or(versions, |(_, older)| older);
    older.iter().filter(|version| !is_used(&version.version.version)).take(excess).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;
    use keelson_api::DocumentVersion;

    fn versions(count: usize) -> Vec<Stored> {
        (1..=count)
            .map(|number| Stored {
                version: DocumentVersion {
                    version: number.to_string(),
                    version_name: None,
                    hash: format!("hash-{number}"),
                    revision: format!("doc-v{number}"),
                    created_date: Time(Timestamp::UNIX_EPOCH),
                },
                used_by: None,
                owners: Vec::new(),
                state: (String::new(), String::new()),
            })
            .collect()
    }

    fn kept(count: usize, limit: usize, wanted: &[&str]) -> Vec<String> {
        let go = superfluous(&versions(count), limit, |version| wanted.contains(&version));
        let go: Vec<_> = go.into_iter().map(|stored| stored.version.version).collect();
        let all = versions(count).into_iter().map(|stored| stored.version.version);
        all.filter(|version| !go.contains(version)).collect()
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
