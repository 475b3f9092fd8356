//! Orders and progress for tests.

use keelson_core::status::StepStatus;

use crate::run_directory::{Order, Progress, StepRecord};

/// An order that says nothing special.
pub fn order(uid: &str) -> Order {
    Order {
        command_uid: uid.to_owned(),
        invocation: format!("invocation-of-{uid}"),
        node: "mi-0123456789abcdef0".into(),
        namespace: "default".into(),
        document_name: "Web".into(),
        document_version: "1".into(),
        document: "{}".into(),
        parameters: serde_json::Map::new(),
        platform_name: "Debian GNU/Linux".into(),
        platform_version: "12".into(),
        output_cap_bytes: 1 << 30,
        fail_fast: false,
        strict_scripts: false,
        called_documents: Vec::new(),
    }
}

/// A run without steps.
pub fn progress(status: StepStatus, finished: bool) -> Progress {
    Progress {
        steps: Vec::new(),
        current: None,
        finished,
        status,
        message: String::new(),
        started_unix_ms: 1_000,
        ended_unix_ms: 2_000,
        duration_ms: 1_000,
    }
}

/// A step that has ended.
pub fn step(name: &str, status: StepStatus) -> StepRecord {
    StepRecord {
        index: 0,
        name: name.to_owned(),
        action: "aws:runShellScript".into(),
        status,
        code: 0,
        output: String::new(),
        standard_output: String::new(),
        standard_error: String::new(),
        started_unix_ms: 1_000,
        ended_unix_ms: 2_000,
        stdout: None,
        stderr: None,
        refresh_associations: None,
    }
}
