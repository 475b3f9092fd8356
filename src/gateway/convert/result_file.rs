//! `result.json` of the archive: everything a node reported of a run, with the longer texts AWS has.

use keelson_core::fleet::NodeIdentity;
use keelson_protocol::v1;
use serde::Serialize;

use super::{ending, hex, refusal_details};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultFile<'a> {
    command_uid: &'a str,
    invocation: &'a str,
    namespace: &'a str,
    node: &'a str,
    status_details: &'a str,
    message: &'a str,
    started_unix_ms: i64,
    ended_unix_ms: i64,
    duration_ms: u64,
    steps: Vec<Step<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Step<'a> {
    name: &'a str,
    action: &'a str,
    status: &'a str,
    response_code: i32,
    output: &'a str,
    standard_output_content: &'a str,
    standard_error_content: &'a str,
    started_unix_ms: i64,
    ended_unix_ms: i64,
    stdout: Option<Digest>,
    stderr: Option<Digest>,
}

#[derive(Serialize)]
struct Digest {
    bytes: u64,
    sha256: String,
    capped: bool,
}

/// The file of a run that ended (`Ok`) or was refused (`Err`), JSON.
pub(crate) fn result_file(node: &NodeIdentity, result: Result<&v1::RunResult, &v1::Refused>) -> Vec<u8> {
    let nothing = v1::RunResult::default();
    let (command_uid, invocation, message) = match result {
        Ok(result) => (&result.command_uid, &result.invocation, &result.message),
        Err(refused) => (&refused.command_uid, &refused.invocation, &refused.message),
    };
    let details = match result {
        Ok(result) => ending(&result.status).0,
        Err(refused) => refusal_details(refused),
    };
    let run = result.unwrap_or(&nothing);
    let file = ResultFile {
        command_uid,
        invocation,
        namespace: &node.namespace,
        node: &node.name,
        status_details: details.as_str(),
        message,
        started_unix_ms: run.started_unix_ms,
        ended_unix_ms: run.ended_unix_ms,
        duration_ms: run.duration_ms,
        steps: run.steps.iter().map(step).collect(),
    };
    // Texts and numbers only: there is nothing in it that serde_json could refuse.
    serde_json::to_vec(&file).unwrap_or_default()
}

fn step(step: &v1::StepResult) -> Step<'_> {
    let digest = |digest: &v1::StreamDigest| Digest {
        bytes: digest.bytes,
        sha256: hex(&digest.sha256),
        capped: digest.capped,
    };
    Step {
        name: &step.name,
        action: &step.action,
        status: &step.status,
        response_code: step.code,
        output: &step.output,
        standard_output_content: &step.standard_output,
        standard_error_content: &step.standard_error,
        started_unix_ms: step.started_unix_ms,
        ended_unix_ms: step.ended_unix_ms,
        stdout: step.stdout.as_ref().map(digest),
        stderr: step.stderr.as_ref().map(digest),
    }
}
