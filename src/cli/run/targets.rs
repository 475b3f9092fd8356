//! Targets as people write them: AWS's shorthand, a shorter one, JSON, and label selectors.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use keelson_api::Target;
use serde::Deserialize;

const FORMS: &str =
    "write tag:KEY=VALUE[,VALUE], tag-key=KEY, InstanceIds=NODE[,NODE], or Key=...,Values=...";

/// AWS's JSON form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "Key", alias = "key")]
    key: String,
    #[serde(rename = "Values", alias = "values")]
    values: Vec<String>,
}

/// The targets of one word: `tag:Role=web,db`, `Key=tag:Role,Values=web,db`, or JSON.
pub fn targets(word: &str) -> Result<Vec<Target>, String> {
    if word.starts_with(['[', '{']) {
        return from_json(word);
    }
    let (key, values) = match word.strip_prefix("Key=") {
        Some(rest) => rest.split_once(",Values=").ok_or_else(|| format!("has no ,Values=: {FORMS}"))?,
        None => word.split_once('=').ok_or_else(|| format!("has no value: {FORMS}"))?,
    };
    Ok(vec![target(key, values.split(',').map(str::to_owned).collect())?])
}

fn from_json(text: &str) -> Result<Vec<Target>, String> {
    let list = if text.starts_with('{') { format!("[{text}]") } else { text.to_owned() };
    let written: Vec<Written> = serde_json::from_str(&list)
        .map_err(|error| format!("is no list of {{\"Key\": \"...\", \"Values\": [...]}}: {error}"))?;
    written.into_iter().map(|one| target(&one.key, one.values)).collect()
}

fn target(key: &str, values: Vec<String>) -> Result<Target, String> {
    let key = if key.eq_ignore_ascii_case("InstanceIds") { "InstanceIds" } else { key };
    let known = key == "InstanceIds"
        || key == "tag-key"
        || key.strip_prefix("tag:").is_some_and(|tag| !tag.is_empty());
    if !known {
        return Err(format!("the key {key:?} is no way to choose nodes: {FORMS}"));
    }
    if values.is_empty() || values.iter().any(String::is_empty) && !key.starts_with("tag:") {
        return Err(format!("the key {key:?} has an empty value: {FORMS}"));
    }
    Ok(Target { key: key.to_owned(), values })
}

/// A label selector as kubectl takes it: `env=prod,tier!=db,zone in (a,b),canary,!legacy`.
pub fn selector(text: &str) -> Result<LabelSelector, String> {
    let expressions = split(text).into_iter().map(requirement).collect::<Result<Vec<_>, _>>()?;
    Ok(LabelSelector { match_expressions: Some(expressions), match_labels: None })
}

/// The requirements between commas that are in no parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    text.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    })
    .map(str::trim)
    .collect()
}

fn requirement(text: &str) -> Result<LabelSelectorRequirement, String> {
    let (key, operator, values) = if let Some((key, value)) = text.split_once("!=") {
        (key, "NotIn", Some(vec![value.trim().to_owned()]))
    } else if let Some((key, list)) = text.split_once(" notin ") {
        (key, "NotIn", Some(listed(list)?))
    } else if let Some((key, list)) = text.split_once(" in ") {
        (key, "In", Some(listed(list)?))
    } else if let Some((key, value)) = text.split_once('=') {
        (key, "In", Some(vec![value.strip_prefix('=').unwrap_or(value).trim().to_owned()]))
    } else if let Some(key) = text.strip_prefix('!') {
        (key, "DoesNotExist", None)
    } else {
        (text, "Exists", None)
    };
    let key = key.trim();
    if key.is_empty()
        || key.contains(|character: char| character.is_whitespace() || "()!,".contains(character))
    {
        return Err(format!(
            "{text:?} is no condition on a label: write a=b, a!=b, a in (b,c), a notin (b,c), a or !a"
        ));
    }
    Ok(LabelSelectorRequirement { key: key.to_owned(), operator: operator.to_owned(), values })
}

fn listed(text: &str) -> Result<Vec<String>, String> {
    let inner = text.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let inner = inner.ok_or_else(|| format!("{text:?} is no list: write (a,b)"))?;
    Ok(inner.split(',').map(|value| value.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(word: &str) -> (String, Vec<String>) {
        let mut found = targets(word).unwrap();
        assert_eq!(found.len(), 1, "{word}");
        let target = found.remove(0);
        (target.key, target.values)
    }

    #[test]
    fn the_shorthands_and_json_mean_the_same() {
        let expected = ("tag:Role".to_owned(), vec!["web".to_owned(), "db".to_owned()]);
        for word in [
            "tag:Role=web,db",
            "Key=tag:Role,Values=web,db",
            r#"{"Key": "tag:Role", "Values": ["web", "db"]}"#,
            r#"[{"key": "tag:Role", "values": ["web", "db"]}]"#,
        ] {
            assert_eq!(one(word), expected, "{word}");
        }
        assert_eq!(one("instanceids=*"), ("InstanceIds".into(), vec!["*".into()]));
        assert_eq!(one("tag:Name=a=b"), ("tag:Name".into(), vec!["a=b".into()]));
    }

    #[test]
    fn what_chooses_no_nodes_is_refused_with_the_forms_that_do() {
        for word in
            ["Role=web", "tag:Role", "tag:=web", "Key=tag:Role", "InstanceIds=", "InstanceIds=a,,b", "[1]"]
        {
            let refusal = targets(word).unwrap_err();
            assert!(refusal.contains("tag:KEY=VALUE") || refusal.contains("\"Key\""), "{word}: {refusal}");
        }
    }

    #[test]
    fn selectors_are_those_of_kubectl() {
        let found = selector("env=prod, tier!=db,zone in (a, b),x notin (c),canary,!legacy,y==z").unwrap();
        let said: Vec<_> = found
            .match_expressions
            .unwrap()
            .into_iter()
            .map(|one| format!("{} {} {}", one.key, one.operator, one.values.unwrap_or_default().join("|")))
            .collect();
        assert_eq!(
            said,
            [
                "env In prod",
                "tier NotIn db",
                "zone In a|b",
                "x NotIn c",
                "canary Exists ",
                "legacy DoesNotExist ",
                "y In z"
            ]
        );
        for text in ["", "a in b", "a,,b", "a b", "=x"] {
            assert!(selector(text).is_err(), "{text:?}");
        }
    }
}
