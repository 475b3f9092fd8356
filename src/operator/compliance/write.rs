//! Writing into a node's status, each part under a field manager of its own, so that nobody's write undoes
//! another's.

use keelson_api::{ComplianceStatus, ManagedNode, NodeAssociation};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::context::Context;
use crate::error::Error;
use crate::patch::{apply_status, is_not_found};

/// The field manager of `status.compliance`.
const SUMMARY_MANAGER: &str = "keelson/compliance";
/// Before an Association's name, the field manager of its entries.
const ENTRY_MANAGER: &str = "keelson/association/";
/// The API server takes no longer names of field managers.
const MAX_MANAGER: usize = 128;

/// Writes the entry of an Association on a node.
pub async fn put(context: &Context, node: &ManagedNode, entry: &NodeAssociation) -> Result<(), Error> {
    apply(context, node, &entry_manager(&entry.name), &json!({ "associations": [entry] })).await
}

/// Takes the entry of an Association off a node: what a field manager does not apply again goes.
pub async fn remove(context: &Context, node: &ManagedNode, association: &str) -> Result<(), Error> {
    apply(context, node, &entry_manager(association), &json!({})).await
}

/// Writes whether a node is compliant; `None` where no Association is for it.
pub async fn summarize(
    context: &Context,
    node: &ManagedNode,
    compliance: Option<ComplianceStatus>,
) -> Result<(), Error> {
    let status = compliance.map_or_else(|| json!({}), |compliance| json!({ "compliance": compliance }));
    apply(context, node, SUMMARY_MANAGER, &status).await
}

/// A node that is gone needs no entry. A conflict is an error: many writers met on one node, or the cache shows
/// a node that was made again.
async fn apply(
    context: &Context,
    node: &ManagedNode,
    manager: &str,
    status: &serde_json::Value,
) -> Result<(), Error> {
    match apply_status(&context.client, node, manager, status).await {
        Err(error) if !is_not_found(&error) => Err(error.into()),
        _ => Ok(()),
    }
}

fn entry_manager(association: &str) -> String {
    if ENTRY_MANAGER.len() + association.len() <= MAX_MANAGER {
        return format!("{ENTRY_MANAGER}{association}");
    }
    let digest = Sha256::digest(association);
    digest.iter().take(32).fold(ENTRY_MANAGER.to_owned(), |manager, byte| manager + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_manager_is_never_too_long_and_never_shared() {
        assert_eq!(entry_manager("web-servers"), "keelson/association/web-servers");
        let (one, other) = (entry_manager(&"a".repeat(253)), entry_manager(&"a".repeat(252)));
        assert!(one.len() <= MAX_MANAGER && one != other);
    }
}
