//! Secrets in defaults: whoever may read the document reads them, and every version keeps them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Rule, Warnings};
use crate::automation::Automation;
use crate::errors::member;
use crate::parameter::{ParameterDefinition, ParameterType};
use crate::precondition;

/// Words that name a secret.
const SECRETS: [&str; 9] =
    ["password", "passwd", "passphrase", "pwd", "secret", "secrets", "token", "credential", "credentials"];
/// Words that make a secret of the `key` after them.
const SECRET_KEYS: [&str; 7] = ["api", "access", "private", "secret", "auth", "encryption", "signing"];
/// Words that say that the value is about a secret and is none.
const ABOUT: &str = "age arn count days enabled endpoint expiry file files hours id ids length limit manager max min \
    minutes name names parameter path paths policy provider region rotation seconds size ttl type uri url version";

pub(super) fn check(parameters: &BTreeMap<String, ParameterDefinition>, warnings: &mut Warnings) {
    for (name, definition) in parameters {
        let holds_text = !matches!(definition.kind, ParameterType::Integer | ParameterType::Boolean);
        let is_public = definition.allowed_values.is_some();
        let has_value = definition.default.as_ref().is_some_and(has_text);
        if holds_text && has_value && !is_public && names_a_secret(name) {
            warnings.add(
                Rule::SecretInDefault,
                path_of(name),
                "the name says that this is a secret, and whoever may read the document sees it: leave the default \
                 out, and let scripts take the value from where secrets are kept",
            );
        }
    }
}

pub(super) fn check_automation(automation: &Automation, warnings: &mut Warnings) {
    for name in automation.parameters.iter().filter(|name| names_a_secret(name)) {
        let definition = automation.source.get("parameters").and_then(|parameters| parameters.get(name));
        let Some(definition) = definition else { continue };
        if definition.get("allowedValues").is_none() && definition.get("default").is_some_and(has_text) {
            warnings.add(
                Rule::SecretInDefault,
                path_of(name),
                "the name says that this is a secret, and whoever may read the document sees it: leave the default out",
            );
        }
    }
}

fn path_of(name: &str) -> String {
    member(&member("parameters", name), "default")
}

/// Whether there is a text in it that is no reference to a parameter store.
fn has_text(default: &Value) -> bool {
    match default {
        Value::String(text) => !text.trim().is_empty() && !precondition::has_ssm_reference(text),
        Value::Array(items) => items.iter().any(has_text),
        Value::Object(object) => object.values().any(has_text),
        _ => false,
    }
}

fn names_a_secret(name: &str) -> bool {
    let words = words(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let about = words.last().is_some_and(|last| ABOUT.split_whitespace().any(|about| about == *last))
        || words.contains(&"manager");
    let names = words.iter().any(|word| SECRETS.contains(word));
    let keys = words.windows(2).any(|pair| matches!(pair, [kind, "key"] if SECRET_KEYS.contains(kind)));
    let joined = ["apikey", "accesskey", "privatekey", "secretkey"].iter().any(|key| words.contains(key));
    !about && (names || keys || joined)
}

/// The words of a name in `camelCase`, `snake_case` or `UPPER-CASE`, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut previous = '_';
    for character in name.chars() {
        if !character.is_alphanumeric() {
            previous = character;
            continue;
        }
        let begins = !previous.is_alphanumeric() || (character.is_uppercase() && !previous.is_uppercase());
        match words.last_mut() {
            Some(word) if !begins => word.extend(character.to_lowercase()),
            _ => words.push(character.to_lowercase().collect()),
        }
        previous = character;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_recognised_in_any_spelling() {
        for name in [
            "password",
            "dbPassword",
            "DB_PASSWORD",
            "adminPwd",
            "SecretKey",
            "apiToken",
            "ApiKey",
            "APIKEY",
            "AWS_SECRET_ACCESS_KEY",
            "clientSecret",
            "github_token",
            "privateKey",
            "credentials",
        ] {
            assert!(names_a_secret(name), "{name}");
        }
    }

    #[test]
    fn names_of_what_is_about_a_secret_are_not() {
        for name in [
            "key",
            "KeyName",
            "keyPair",
            "passwordLength",
            "SecretArn",
            "secretName",
            "tokenUrl",
            "secretsManagerUser",
            "PasswordParameter",
            "tokens_per_second",
            "compass",
            "publicKey",
            "KmsKeyId",
            "Keyboard",
            "MaxCredentialUsageAge",
        ] {
            assert!(!names_a_secret(name), "{name}");
        }
    }
}
