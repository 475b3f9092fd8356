//! One text and one hash for a document, however it was written.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::sorted_json;

/// JSON with sorted keys and no blanks.
pub(crate) fn json(source: &Value) -> String {
    let mut text = String::new();
    sorted_json::write(source, &mut text, |scalar, text| text.push_str(&scalar.to_string()));
    text
}

/// SHA-256 of [`json`], in lower-case hexadecimal.
pub(crate) fn hash(source: &Value) -> String {
    let digest = Sha256::digest(json(source));
    digest.iter().fold(String::with_capacity(64), |hex, byte| hex + &format!("{byte:02x}"))
}
