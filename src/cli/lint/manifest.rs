//! Kubernetes manifests: which objects are Documents, and what they say beside their content.

use keelson_document::DocumentType;
use serde_json::Value;

/// The API group of Documents, with the slash before the version.
const GROUP: &str = "keelson.dev/";

/// A Document in a manifest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Manifest<'a> {
    object: &'a Value,
}

/// Whether a value is a Kubernetes object of any kind.
pub fn is_object(value: &Value) -> bool {
    value.get("apiVersion").is_some_and(Value::is_string) && value.get("kind").is_some_and(Value::is_string)
}

/// The Documents of an object, which may be a list of objects, each with its path.
pub fn documents(object: &Value) -> Vec<(String, Manifest<'_>)> {
    let kind = object.get("kind").and_then(Value::as_str);
    let group = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    match (kind, object.get("items").and_then(Value::as_array)) {
        (Some("Document"), _) if group.starts_with(GROUP) => vec![(String::new(), Manifest { object })],
        (Some("List" | "DocumentList"), Some(items)) => {
            let items = items.iter().enumerate();
            items
                .filter(|(_, item)| is_object(item))
                .flat_map(|(index, item)| {
                    let found = documents(item).into_iter();
                    found.map(move |(inner, manifest)| (format!("items[{index}].{inner}"), manifest))
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

impl<'a> Manifest<'a> {
    /// The content: an object, or its text.
    pub fn content(self) -> Option<&'a Value> {
        self.spec("content").filter(|content| !content.is_null())
    }

    /// The type that it says, Command if none.
    pub fn document_type(self) -> Result<DocumentType, String> {
        match self.spec("documentType") {
            None | Some(Value::Null) => Ok(DocumentType::Command),
            Some(Value::String(name)) => name.parse().map_err(|_| unknown(&format!("{name:?}"))),
            Some(other) => Err(unknown(&other.to_string())),
        }
    }

    /// Whether a failed step ends the document.
    pub fn fails_fast(self) -> bool {
        self.spec("failFast") == Some(&Value::Bool(true))
    }

    /// Whether scripts run with `set -e`.
    pub fn has_strict_scripts(self) -> bool {
        self.spec("strictScripts") == Some(&Value::Bool(true))
    }

    fn spec(self, key: &str) -> Option<&'a Value> {
        self.object.get("spec")?.get(key)
    }
}

fn unknown(found: &str) -> String {
    format!(
        "{found} is no document type: use one of {}",
        DocumentType::ALL.map(DocumentType::as_str).join(", ")
    )
}
