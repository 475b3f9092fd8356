//! Plugins that this node has not, and those that only ask for something.

use serde_json::{Value, json};

use crate::harness::{run, step};

#[test]
fn a_plugin_that_this_node_lacks_is_skipped_or_refused_and_nothing_is_started_for_it() {
    let document = json!({"schemaVersion": "2.2", "mainSteps": [
        {"name": "windows", "action": "aws:psModule", "inputs": {"runCommand": ["x"]}},
        {"name": "later", "action": "aws:configurePackage", "inputs": {}},
        {"name": "none", "action": "aws:noSuchPlugin", "inputs": {}},
        {"name": "here", "action": "aws:runShellScript", "inputs": {"runCommand": ["echo here"]}},
    ]});
    let ended = run(&document);
    assert_eq!(ended.steps(), ["Skipped 0", "Failed 1", "Failed 1", "Success 0"]);
    assert!(ended.output(0).contains("unsupported plugin: aws:psModule"));
    assert!(ended.stderr(1).starts_with("keelson-agent does not have the plugin aws:configurePackage yet: "));
    assert_eq!(ended.status(), "Failed");
}

#[test]
fn plugins_that_the_real_agent_refuses_are_refused_in_its_words() {
    let ended = run(&step("aws:cloudWatch", &json!({})));
    let text = "Plugin aws:cloudWatch is not registered by agent";
    assert_eq!((ended.steps(), ended.stderr(0), ended.output(0)), (vec!["Failed 1".to_owned()], text, text));
    let ended = run(&step("aws:softwareInventory", &json!({"applications": "Enabled"})));
    let text = "aws:softwareInventory plugin can only be invoked via ssm-associate";
    assert_eq!((ended.steps(), ended.stderr(0)), (vec!["Failed 1".to_owned()], text));
    assert_eq!(ended.output(0), format!("\n----------ERROR-------\n{text}"));
}

#[test]
fn associations_to_run_again_are_in_the_steps_record() {
    let ended = run(&step("aws:refreshAssociation", &json!({"associationIds": []})));
    assert_eq!(ended.steps(), ["Success 0"]);
    assert_eq!(ended.stdout(0), "All associations have been requested to execute immediately");
    assert_eq!(ended.step(0)["refreshAssociations"], json!([]));
    let ended = run(&step("aws:refreshAssociation", &json!({"associationIds": ["motd", "web"]})));
    assert_eq!(ended.stdout(0), "Associations [motd web] have been requested to execute immediately");
    assert_eq!(ended.step(0)["refreshAssociations"], json!(["motd", "web"]));
    let ended = run(&step("aws:refreshAssociation", &json!({"associationIds": "motd"})));
    assert_eq!(
        (ended.steps(), &ended.step(0)["refreshAssociations"]),
        (vec!["Failed 1".to_owned()], &Value::Null)
    );
}
