//! Says on each revision who uses it, where the admission policy reads it, and makes it outlive its Document for those
//! of its namespace who use it. Written only where it changes.

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use keelson_api::{Association, Command, USED_BY_ANNOTATION};
use kube::{Api, Resource};
use serde_json::json;

use super::usage::{Usage, User, Users};
use super::version::{Stored, change_metadata};
use crate::error::Error;

/// The most Commands and Associations that own a revision. When the Document is deleted, the one of them that is kept
/// longest keeps the revision for all.
const MAX_OWNERS: usize = 20;

/// Makes every revision say what `usage` says.
pub async fn write(
    api: &Api<ControllerRevision>,
    namespace: &str,
    versions: &mut [Stored],
    usage: &Usage,
) -> Result<(), Error> {
    for version in versions {
        let users = usage.get(&version.version.version);
        let (used_by, owners) = (users.map(ToString::to_string), owners(&version.owners, namespace, users));
        if used_by == version.used_by && owners == version.owners {
            continue;
        }
        let metadata = json!({ "annotations": { USED_BY_ANNOTATION: used_by }, "ownerReferences": owners });
        *version = change_metadata(api, version, metadata).await?;
    }
    Ok(())
}

/// The owners that a revision should have: those that only it knows, and who of its namespace uses it. An owner of
/// another namespace is none.
fn owners(current: &[OwnerReference], namespace: &str, users: Option<&Users>) -> Vec<OwnerReference> {
    let kinds = [Command::kind(&()), Association::kind(&())];
    let others = current.iter().filter(|owner| !kinds.iter().any(|kind| owner.kind == *kind));
    let mut owners: Vec<_> = others.cloned().collect();
    if let Some(users) = users {
        let is_near = |user: &&User| user.namespace == namespace;
        let commands = users.commands.iter().filter(is_near).map(owner::<Command>);
        let associations = users.associations.iter().filter(is_near).map(owner::<Association>);
        owners.extend(commands.chain(associations).take(MAX_OWNERS));
    }
    owners
}

fn owner<K: Resource<DynamicType = ()>>(user: &User) -> OwnerReference {
    OwnerReference {
        api_version: K::api_version(&()).into_owned(),
        kind: K::kind(&()).into_owned(),
        name: user.name.clone(),
        uid: user.uid.clone(),
        controller: None,
        block_owner_deletion: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(namespace: &str, name: &str) -> User {
        User { namespace: namespace.into(), name: name.into(), uid: format!("uid-{name}") }
    }

    #[test]
    fn a_revision_is_owned_by_its_document_and_by_those_of_its_namespace_who_use_it() {
        let document =
            OwnerReference { kind: "Document".into(), name: "web".into(), ..OwnerReference::default() };
        let users = Users {
            commands: vec![user("shop", "one"), user("far", "two")],
            associations: vec![user("far", "three"), user("shop", "four")],
            ..Users::default()
        };
        let owned = owners(std::slice::from_ref(&document), "shop", Some(&users));
        let names: Vec<_> = owned.iter().map(|owner| owner.name.as_str()).collect();
        assert_eq!(names, ["web", "one", "four"]);
        assert_eq!(owners(&owned, "shop", Some(&users)), owned, "the same again changes nothing");
        assert_eq!(owners(&owned, "shop", None), [document], "who ceases to use it lets go");
    }
}
