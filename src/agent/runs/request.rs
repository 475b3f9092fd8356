//! A dispatch, checked: what of it a node must be able to rely on before it promises anything.

use std::path::PathBuf;
use std::time::Duration;

use keelson_protocol::v1::Dispatch;

use crate::clock;
use crate::facts::Platform;
use crate::journal::{Entry, State};
use crate::run_directory::{CalledDocument, Order, RunDirectory};

/// What is the same for every run of this agent.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Name of the node.
    pub node: String,
    /// Its namespace.
    pub namespace: String,
    /// Where the runs' folders are.
    pub folder: PathBuf,
    /// Id of this boot.
    pub boot_id: String,
    /// The distribution.
    pub platform: Platform,
    /// The most bytes kept of each output stream.
    pub output_cap_bytes: u64,
    /// The agent's own binary, which is the worker too.
    pub program: PathBuf,
    /// What reboots the machine: program and arguments; empty if nothing may.
    pub reboot_command: String,
}

impl Setting {
    /// The folder of a run. `command_uid` has been checked.
    pub fn directory(&self, command_uid: &str) -> RunDirectory {
        RunDirectory::new(self.folder.join(command_uid))
    }

    /// What to run and what to journal of a dispatch that came at `received` (time since boot), or why it can
    /// not be run.
    pub fn order(
        &self,
        dispatch: &Dispatch,
        received: Duration,
        lived: Duration,
    ) -> Result<(Entry, Order), String> {
        check_uid(&dispatch.command_uid)?;
        let parameters = if dispatch.parameters.is_empty() { "{}" } else { &dispatch.parameters };
        let parameters = serde_json::from_str(parameters)
            .map_err(|error| format!("the parameters are not a JSON object: {error}"))?;
        let entry = Entry {
            invocation: dispatch.invocation.clone(),
            state: State::Accepted,
            accepted_at: lived,
            accepted_unix_ms: clock::unix_ms(),
            boot_id: self.boot_id.clone(),
            begun_in: None,
            start_before: received.saturating_add(Duration::from_millis(dispatch.expires_in_ms)),
            expires_in_ms: dispatch.expires_in_ms,
        };
        let order = Order {
            command_uid: dispatch.command_uid.clone(),
            invocation: dispatch.invocation.clone(),
            node: self.node.clone(),
            namespace: self.namespace.clone(),
            document_name: dispatch.document_name.clone(),
            document_version: dispatch.document_version.clone(),
            document: dispatch.document.clone(),
            parameters,
            platform_name: self.platform.name.clone(),
            platform_version: self.platform.version.clone(),
            output_cap_bytes: self.output_cap_bytes,
            fail_fast: dispatch.fail_fast,
            strict_scripts: dispatch.strict_scripts,
            called_documents: dispatch.called_documents.iter().map(called).collect(),
        };
        Ok((entry, order))
    }
}

fn called(document: &keelson_protocol::v1::CalledDocument) -> CalledDocument {
    CalledDocument {
        name: document.name.clone(),
        version: document.version.clone(),
        document_version: document.document_version.clone(),
        document: document.document.clone(),
    }
}

/// The uid names a folder, so it must not lead anywhere else.
fn check_uid(uid: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (1..=64).contains(&uid.len()) && uid.bytes().all(allowed) {
        return Ok(());
    }
    Err(format!("the command uid {uid:?} is not 1 to 64 letters, digits and '-'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_that_leads_out_of_its_folder_is_refused() {
        assert!(check_uid("6f1c2c8e-6d7a-4c8e-9b1a-0123456789ab").is_ok());
        for wrong in ["", ".", "..", "../a", "a/b", "a\0", &"a".repeat(65)] {
            assert!(check_uid(wrong).is_err(), "{wrong:?}");
        }
    }
}
