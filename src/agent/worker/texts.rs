//! What a result shows of a step's output.

use keelson_core::output::{STREAM_LIMIT, merged_output, truncate};
use keelson_document::Conclusion;

use super::output::StepOutput;
use crate::run_directory::StepRecord;

/// Puts the step's texts, cut as AWS cuts them, and the digests of its whole streams into its record.
///
/// Only the beginning of each stream matters for the texts: what lies beyond their limit changes none of them.
pub fn fill(record: &mut StepRecord, output: &StepOutput, conclusion: &Conclusion) {
    let mut stdout = output.stdout.head();
    let mut stderr = if conclusion.errors_cleared { Vec::new() } else { output.stderr.head() };
    record.output = output.error.clone().unwrap_or_else(|| merged_output(&stdout, &stderr));
    stdout.extend_from_slice(conclusion.sentence.as_bytes());
    record.standard_output = truncate(&stdout, STREAM_LIMIT);
    if !conclusion.errors_cleared {
        stderr.extend_from_slice(conclusion.sentence.as_bytes());
        record.standard_error = truncate(&stderr, STREAM_LIMIT);
    }
    record.stdout = output.stdout.record();
    record.stderr = output.stderr.record();
    record.refresh_associations.clone_from(&output.refresh_associations);
}
