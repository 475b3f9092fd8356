//! Schema versions that AWS keeps for old documents only.

use super::{Rule, Warnings};
use crate::document::Document;

pub(super) fn check(document: &Document, warnings: &mut Warnings) {
    if !document.schema_version.is_cross_platform() {
        warnings.add(
            Rule::DeprecatedSchema,
            "schemaVersion",
            format!(
                "schema version {} fails a step on a platform that lacks its plugin and has no preconditions: use \"2.2\"",
                document.schema_version
            ),
        );
    }
}
