//! What a schema generated from Rust has that the API server does not know.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// Takes away formats of unsigned numbers: the API server warns about each, at every `kubectl apply`. Their
/// range is said by `minimum` all the same.
pub(crate) fn drop_unknown_formats(definition: &mut CustomResourceDefinition) {
    for version in &mut definition.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            visit(schema);
        }
    }
}

fn visit(schema: &mut JSONSchemaProps) {
    if schema.format.as_deref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = None;
    }
    for property in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        visit(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = schema.items.as_mut() {
        visit(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = schema.additional_properties.as_mut() {
        visit(values);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_definition_has_a_format_that_the_api_server_warns_about() {
        let text = serde_json::to_string(&crate::definitions()).unwrap();
        assert!(text.contains("\"format\":\"int64\""), "known formats stay");
        assert!(!text.contains("\"format\":\"uint"), "unknown ones go");
    }
}
