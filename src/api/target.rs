//! What Commands and Associations have in common: targets and parameters, in AWS's form.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameter values by name, each a list of strings as in AWS.
pub type Parameters = BTreeMap<String, Vec<String>>;

/// One condition on nodes. All targets must match (AND); within one, any value does (OR).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct Target {
    /// `InstanceIds` (values are ManagedNode names, or `*` for every node), `tag:KEY` (values of that tag)
    /// or `tag-key` (values are keys of tags the node has).
    #[schemars(length(min = 1, max = 163), regex(pattern = r"^(InstanceIds|tag-key|tag:.{1,128})$"))]
    pub key: String,
    /// The values, any of which matches.
    #[schemars(length(min = 1, max = 1000), inner(length(max = 256)))]
    pub values: Vec<String>,
}
