//! Documents of the cluster that steps name: they came with the order.

use keelson_document::document_reference;

use crate::run_directory::{CalledDocument, Order};

/// The document that a reference such as `Name`, `Name:3` or an ARN means, and the name of a file for it.
pub fn find<'a>(reference: &str, order: &'a Order) -> Result<(&'a CalledDocument, String), String> {
    let (name, version) =
        document_reference(reference).ok_or_else(|| format!("{reference:?} is no document's name or ARN"))?;
    let is_meant =
        |called: &&CalledDocument| called.name.eq_ignore_ascii_case(name) && called.version == version;
    let found = order.called_documents.iter().find(is_meant).ok_or_else(|| {
        format!(
            "the document {name:?} in version {version} did not come with the Command: there was no Document of this \
             name and version when it started, or a file of this node names it and no step of the Command's own \
             document does; apply it, or name it there"
        )
    })?;
    Ok((found, format!("{name}.json")))
}
