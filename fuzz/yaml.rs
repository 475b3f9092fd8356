//! Reads any text as YAML with Keelson's reader and with a general one: what the other can read, Keelson has to read as
//! the same, or refuse for a reason of its own.
//!
//! The first byte of the input is left out, so that the seeds of the other target fit.

#![no_main]

use keelson_document::parse_value;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Words of the reasons for which Keelson refuses what the other reader takes: bounds, tags, and merges of no object.
const STRICTER: [&str; 5] = ["deep", "bytes", "aliases", "tag", "merged"];

fuzz_target!(|data: &[u8]| {
    let Some(Ok(text)) = data.get(1..).map(std::str::from_utf8) else { return };
    // What begins so is JSON, which YAML reads in more ways than one.
    if text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
        return;
    }
    // The other reader gives the last line of a block an end that the text does not have.
    let text = &format!("{text}\n");
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    let Ok(theirs) = serde_saphyr::from_str_with_options::<Value>(text, options) else { return };
    match parse_value(text).map_err(|errors| errors.to_string()) {
        Ok(ours) => assert_eq!(ours, theirs),
        Err(reason) => assert!(STRICTER.iter().any(|word| reason.contains(word)), "{reason}"),
    }
});
