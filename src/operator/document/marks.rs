//! Says on each revision who uses it, where the admission policy reads it, and makes it outlive its Document for the
//! Commands of its namespace that run it. Written only where it changes.

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use keelson_api::{Command, USED_BY_ANNOTATION};
use kube::{Api, Resource as _};

use super::usage::{Usage, Users};
use super::version::{Stored, change_metadata};
use crate::error::Error;

/// The most Commands that own a revision. When the Document is deleted, the one of them that is kept longest keeps the
/// revision for all.
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
        *version = change_metadata(api, version, |metadata| {
            let annotations = metadata.annotations.get_or_insert_default();
            match used_by {
                Some(used_by) => annotations.insert(USED_BY_ANNOTATION.into(), used_by),
                None => annotations.remove(USED_BY_ANNOTATION),
            };
            metadata.owner_references = Some(owners);
        })
        .await?;
    }
    Ok(())
}

/// The owners that a revision should have: those that are no Commands, and the Commands that use it. An owner of
/// another namespace is none.
fn owners(current: &[OwnerReference], namespace: &str, users: Option<&Users>) -> Vec<OwnerReference> {
    let kind = Command::kind(&());
    let commands = users.into_iter().flat_map(|users| &users.commands);
    let commands = commands.filter(|command| command.namespace == namespace).take(MAX_OWNERS);
    let others = current.iter().filter(|owner| owner.kind != kind).cloned();
    others
        .chain(commands.map(|command| OwnerReference {
            api_version: Command::api_version(&()).into_owned(),
            kind: kind.to_string(),
            name: command.name.clone(),
            uid: command.uid.clone(),
            controller: None,
            block_owner_deletion: None,
        }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::usage::User;

    fn user(namespace: &str, name: &str) -> User {
        User { namespace: namespace.into(), name: name.into(), uid: format!("uid-{name}") }
    }

    #[test]
    fn a_revision_is_owned_by_its_document_and_by_the_commands_of_its_namespace() {
        let document =
            OwnerReference { kind: "Document".into(), name: "web".into(), ..OwnerReference::default() };
        let users = Users { commands: vec![user("shop", "one"), user("far", "two")], ..Users::default() };
        let owned = owners(std::slice::from_ref(&document), "shop", Some(&users));
        let names: Vec<_> = owned.iter().map(|owner| owner.name.as_str()).collect();
        assert_eq!(names, ["web", "one"]);
        assert_eq!(owners(&owned, "shop", Some(&users)), owned, "the same again changes nothing");
        assert_eq!(owners(&owned, "shop", None), [document], "a Command that has ended lets go");
    }
}
