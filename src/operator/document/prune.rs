//! Which versions may go: the oldest beyond the limit that nobody uses.

use k8s_openapi::api::apps::v1::ControllerRevision;
use keelson_api::{Command, Document};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Preconditions};

use super::usage::{Subject, Usage};
use super::version::Stored;
use crate::context::Context;
use crate::error::Error;
use crate::patch::is_not_found;

/// Commands that have not ended.
const UNFINISHED: &str =
    "status.status!=Success,status.status!=Failed,status.status!=TimedOut,status.status!=Cancelled";

/// Deletes what may go; the versions that stay.
pub async fn prune(
    context: &Context,
    api: &Api<ControllerRevision>,
    subject: &Subject<'_>,
    versions: Vec<Stored>,
    usage: &Usage,
) -> Result<Vec<Stored>, Error> {
    let limit = limit(subject.document);
    let (_, candidates) = split(versions.clone(), limit, |version| usage.contains_key(version));
    if candidates.is_empty() {
        return Ok(versions);
    }
    // The cache may not show yet what was begun a moment ago.
    let commands: Api<Command> = Api::all(context.client.clone());
    let unfinished = commands.list(&ListParams::default().fields(UNFINISHED)).await?.items;
    let begun = |number: &str| {
        let used = unfinished.iter().flat_map(|command| subject.of_command(command));
        used.map(|version| version.version.as_str()).any(|used| used == number)
    };
    let (keep, remove) = split(versions, limit, |version| usage.contains_key(version) || begun(version));
    for version in &remove {
        let (uid, resource_version) = version.state.clone();
        let preconditions = Preconditions { uid: Some(uid), resource_version: Some(resource_version) };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match api.delete(&version.version.revision, &parameters).await {
            Err(error) if !is_not_found(&error) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(keep)
}

/// How many versions a Document keeps of those that nobody uses, and of all if possible.
fn limit(document: &Document) -> usize {
    usize::try_from(document.spec.version_history_limit).unwrap_or(usize::MAX)
}

/// Takes the oldest unwanted ones off until `limit` are left; the newest always stays.
fn split(
    versions: Vec<Stored>,
    limit: usize,
    is_wanted: impl Fn(&str) -> bool,
) -> (Vec<Stored>, Vec<Stored>) {
    let mut excess = versions.len().saturating_sub(limit.max(1));
    let newest = versions.len().saturating_sub(1);
    let (mut keep, mut remove) = (Vec::new(), Vec::new());
    for (position, version) in versions.into_iter().enumerate() {
        if excess > 0 && position != newest && !is_wanted(&version.version.version) {
            excess -= 1;
            remove.push(version);
        } else {
            keep.push(version);
        }
    }
    (keep, remove)
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
        let (keep, _) = split(versions(count), limit, |version| wanted.contains(&version));
        keep.into_iter().map(|stored| stored.version.version).collect()
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
