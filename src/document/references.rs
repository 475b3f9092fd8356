//! Where a document refers to a parameter.

use serde_json::Value;

use crate::document::Document;
use crate::errors::{element, member};
use crate::interpolate::references;

impl Document {
    /// The paths of all texts in which `{{ name }}` stands: in the inputs, settings and preconditions of steps.
    ///
    /// A secret may reach a script through its environment only, so for a parameter that holds one this has to be empty.
    pub fn references_to(&self, name: &str) -> Vec<String> {
        let mut paths = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let step_path = self.step_path(index);
            for (operator, arguments) in &step.precondition {
                let path = member(&member(&step_path, "precondition"), operator);
                for (place, argument) in arguments.iter().enumerate() {
                    if references(argument).any(|found| found == name) {
                        paths.push(element(&path, place));
                    }
                }
            }
            collect(&step.inputs, &self.inputs_path(index), name, &mut paths);
            collect(&step.settings, &member(&step_path, "settings"), name, &mut paths);
        }
        paths
    }
}

fn collect(value: &Value, path: &str, name: &str, paths: &mut Vec<String>) {
    match value {
        Value::String(text) if references(text).any(|found| found == name) => paths.push(path.to_owned()),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, &element(path, index), name, paths);
            }
        }
        Value::Object(object) => {
            for (key, value) in object {
                collect(value, &member(path, key), name, paths);
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
}
