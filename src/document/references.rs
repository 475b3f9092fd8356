//! Where a document refers to a parameter, or to a parameter store.

use serde_json::{Map, Value};

use crate::document::Document;
use crate::errors::{element, member};
use crate::interpolate::{interpolate, references};
use crate::precondition::has_ssm_reference;

impl Document {
    /// The paths of all texts in which `{{ name }}` stands: in the inputs, settings and preconditions of steps.
    ///
    /// A secret may reach a script through its environment only, so for a parameter that holds one this has to be empty.
    pub fn references_to(&self, name: &str) -> Vec<String> {
        let is_it = |text: &str| references(text).any(|found| found == name);
        let mut paths = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let step_path = self.step_path(index);
            for (operator, arguments) in &step.precondition {
                let path = member(&member(&step_path, "precondition"), operator);
                for (place, argument) in arguments.iter().enumerate() {
                    if is_it(argument) {
                        paths.push(element(&path, place));
                    }
                }
            }
            collect(&step.inputs, &self.inputs_path(index), &is_it, &mut paths);
            collect(&step.settings, &member(&step_path, "settings"), &is_it, &mut paths);
        }
        paths
    }

    /// The paths of all texts in the inputs of steps that refer to AWS's parameter store (`{{ ssm:name }}`), by themselves
    /// or by a parameter's value, and of parameters that take such a reference into the environment of scripts. `values`
    /// are the document's bound parameters ([`crate::Bound::values`]).
    pub fn store_references(&self, values: &Map<String, Value>) -> Vec<String> {
        let mut paths = self.store_references_in_environment(values);
        for (index, step) in self.steps.iter().enumerate() {
            let inputs = interpolate(&step.inputs, values);
            collect(&inputs, &self.inputs_path(index), &has_ssm_reference, &mut paths);
        }
        paths
    }

    /// The paths of parameters whose value stands in the environment of scripts and refers to AWS's parameter store. It has
    /// not been held against the parameter's pattern, since what it stands for was to be.
    pub(crate) fn store_references_in_environment(&self, values: &Map<String, Value>) -> Vec<String> {
        let mut paths = Vec::new();
        for (name, _) in self.parameters.iter().filter(|(_, definition)| definition.is_environment()) {
            if let Some(value) = values.get(name) {
                collect(value, &member("parameters", name), &has_ssm_reference, &mut paths);
            }
        }
        paths
    }
}

/// Whether any text in `inputs` refers to AWS's parameter store.
pub(crate) fn has_store_reference(inputs: &Value) -> bool {
    let mut paths = Vec::new();
    collect(inputs, "", &has_ssm_reference, &mut paths);
    !paths.is_empty()
}

/// Adds the paths of the texts in `value` that are such.
fn collect(value: &Value, path: &str, is_it: &dyn Fn(&str) -> bool, paths: &mut Vec<String>) {
    match value {
        Value::String(text) if is_it(text) => paths.push(path.to_owned()),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, &element(path, index), is_it, paths);
            }
        }
        Value::Object(object) => {
            for (key, value) in object {
                collect(value, &member(path, key), is_it, paths);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    #[test]
    fn references_are_found_in_inputs_and_preconditions() {
        let document = parse(
            r#"{"schemaVersion": "2.2", "parameters": {"p": {"type": "String"}}, "mainSteps": [
                {"name": "a", "action": "aws:runShellScript", "inputs": {
                    "runCommand": ["echo x", "echo {{p}} {{ {{ p }} }}"], "environment": {"A": "{{ p }}", "{{ p }}": "x"}}},
                {"name": "b", "action": "aws:runShellScript", "precondition": {"StringEquals": ["x", "{{ p }}"]}}]}"#,
        )
        .unwrap();
        assert_eq!(
            document.references_to("p"),
            [
                "mainSteps[0].inputs.environment.A",
                "mainSteps[0].inputs.runCommand[1]",
                "mainSteps[1].precondition.StringEquals[1]"
            ]
        );
        assert!(document.references_to("q").is_empty());
    }

    #[test]
    fn references_to_a_parameter_store_are_found_in_inputs_and_in_the_values_they_take() {
        let document = parse(
            r#"{"schemaVersion": "2.2", "parameters": {"p": {"type": "String", "default": "{{ssm:web/port:3}}"}},
                "mainSteps": [{"name": "a", "action": "aws:runShellScript", "inputs": {
                    "runCommand": ["echo {{ ssm:x }}", "echo {{ p }}", "{{ssm:}} {{ssm: x}} {{ SSM:x }}"]}}]}"#,
        )
        .unwrap();
        let bound = document.bind(&std::collections::BTreeMap::new()).unwrap();
        let inputs = "mainSteps[0].inputs.runCommand";
        assert_eq!(
            document.store_references(bound.values()),
            [format!("{inputs}[0]"), format!("{inputs}[1]")]
        );
    }

    #[test]
    fn a_value_for_the_environment_may_not_refer_to_a_store_either() {
        let document = parse(
            r#"{"schemaVersion": "2.2", "parameters": {"p": {"type": "String", "allowedPattern": "^[a-z]+$",
                "interpolationType": "ENV_VAR"}}, "mainSteps": [{"name": "a", "action": "aws:runShellScript",
                "inputs": {"runCommand": ["rm \"/srv/$SSM_p\""]}}]}"#,
        )
        .unwrap();
        let given = |text: &str| document.bind(&[("p".to_owned(), vec![text.to_owned()])].into()).unwrap();
        assert_eq!(document.store_references(given("../etc {{ssm:x}}").values()), ["parameters.p"]);
        assert!(document.store_references(given("logs").values()).is_empty());
    }
}
