//! An archive that is out of order delays nobody's outcome, loses no output, and leaves no trace once it is mended.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::time::Duration;

use keelson_api::{InvocationStatus, RunStatus};
use keelson_e2e::Lab;
use keelson_e2e::keelson::invocation_of;
use keelson_e2e::wait::eventually;

/// More than the gateway has places for.
const RUNS: usize = 12;
/// An outcome waits half a minute for the archive; then there is the rest.
const SOON: Duration = Duration::from_secs(120);

#[tokio::test]
async fn runs_end_without_the_archive_and_their_output_follows_when_it_is_back() {
    let lab = Lab::start("archive", 1).await.unwrap();
    let script = "echo run >> /root/$SSM_COMMAND_ID.runs; echo text";
    lab.keelson.script("say", script, 600).await.unwrap();
    let in_the_way = lab.keelson.archive().join("v1");
    assert!(!in_the_way.exists(), "nothing has been archived yet");
    std::fs::write(&in_the_way, "a file where a folder has to be").unwrap();

    let names: Vec<_> = (0..RUNS).map(|run| format!("say-{run:02}")).collect();
    let target = format!("documentName: say, targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    for name in &names {
        lab.keelson.command(name, &target).await.unwrap();
    }
    for name in &names {
        lab.keelson.ended(name, SOON).await.unwrap();
        let status = status_of(&lab, name).await;
        assert_eq!((status.status, status.output_pending), (RunStatus::Success, true), "{name}");
        assert_eq!(status.steps[0].output, "text\n", "{name}");
    }

    std::fs::remove_file(&in_the_way).unwrap();
    for name in &names {
        let arrived = async || {
            let status = status_of(&lab, name).await;
            Ok((!status.output_pending).then_some(status))
        };
        let status = eventually(SOON, "the output to arrive", arrived).await.unwrap();
        assert_eq!((status.status, status.steps[0].output.as_str()), (RunStatus::Success, "text\n"));
        assert!(status.late_result.is_none(), "{name}: the same result is not a late one");
        let folder = lab.keelson.archive().join(status.output_key.unwrap());
        let kept = std::fs::read_to_string(folder.join("0/stdout-00000000000000000000")).unwrap();
        assert_eq!(kept, "text\n");
        assert!(
            std::fs::read_to_string(folder.join("result.json"))
                .unwrap()
                .contains("\"standardOutputContent\":\"text")
        );
        let uid = invocation_of(&lab.client(), name).await.unwrap().spec.command_uid;
        assert_eq!(lab.nodes[0].read(&format!("/root/{uid}.runs")).unwrap(), "run\n", "{name} ran once");
    }
    let nothing_left = || async {
        let told = lab.nodes[0].shell("keelson-agent status").await?;
        Ok(told.contains("unacknowledged results:  0").then_some(()))
    };
    eventually(SOON, "every result to be acknowledged", nothing_left).await.unwrap();
}

async fn status_of(lab: &Lab, name: &str) -> InvocationStatus {
    invocation_of(&lab.client(), name).await.unwrap().status.unwrap()
}
