//! What a script finds in its environment beside what the agent has.

use std::collections::BTreeMap;

use crate::plugin::StepContext;

/// The variables to set over the agent's own: what the step asks for; over it the parameters that the document
/// hands over as variables; over these what says which run this is, which a document cannot change.
pub fn variables(context: &StepContext<'_>, wanted: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut variables = wanted;
    variables.extend(context.document.environment(context.values));
    let order = context.order;
    let fixed = [
        ("SSM_COMMAND_ID", &order.command_uid),
        ("AWS_SSM_INSTANCE_ID", &order.node),
        ("AWS_SSM_REGION_NAME", &order.namespace),
        ("AWS_SSM_PLATFORM_NAME", &order.platform_name),
        ("AWS_SSM_PLATFORM_VERSION", &order.platform_version),
    ];
    variables.extend(fixed.map(|(name, value)| (name.to_owned(), value.clone())));
    variables
}
