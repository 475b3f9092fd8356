//! Rate control over a fleet: never more in flight than allowed, and nothing is sent after too many errors.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use keelson_api::{Invocation, RunStatus};
use keelson_e2e::Lab;
use keelson_e2e::keelson::invocations_of;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};

const NODES: u8 = 20;
const COMMANDS: usize = 10;

/// What a watch saw of each Command: which Invocations are in flight, and how many at most were.
#[derive(Default)]
struct InFlight {
    now: BTreeMap<String, BTreeSet<String>>,
    most: BTreeMap<String, usize>,
}

impl InFlight {
    fn see(&mut self, invocation: &Invocation) {
        let command = invocation.spec.command_name.clone();
        let now = self.now.entry(command.clone()).or_default();
        if invocation.status.as_ref().is_some_and(|status| status.status.is_terminal()) {
            now.remove(&invocation.name_any());
        } else {
            now.insert(invocation.name_any());
        }
        let most = self.most.entry(command).or_default();
        *most = (*most).max(now.len());
    }
}

#[tokio::test]
async fn two_hundred_invocations_over_twenty_nodes_stay_within_their_limits() {
    let lab = Lab::start("rate", NODES).await.unwrap();
    let seen = Arc::new(Mutex::new(InFlight::default()));
    let watching = tokio::spawn({
        let (api, seen) = (Api::<Invocation>::namespaced(lab.client(), "default"), seen.clone());
        async move {
            let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).applied_objects());
            while let Some(Ok(invocation)) = events.next().await {
                seen.lock().unwrap().see(&invocation);
            }
        }
    });
    lab.keelson.script("nap", "sleep 0.2", 60).await.unwrap();
    for number in 0..COMMANDS {
        let spec = "documentName: nap, maxConcurrency: '5', targets: [{key: 'tag:Role', values: [web]}]";
        lab.keelson.command(&format!("nap-{number}"), spec).await.unwrap();
    }
    for number in 0..COMMANDS {
        let command = lab.keelson.ended(&format!("nap-{number}"), Duration::from_secs(180)).await.unwrap();
        let status = command.status.unwrap();
        assert_eq!(status.status, Some(RunStatus::Success));
        let counts = status.counts.unwrap();
        assert_eq!((counts.success, status.target_count), (u32::from(NODES), Some(u32::from(NODES))));
    }
    watching.abort();
    let most = std::mem::take(&mut seen.lock().unwrap().most);
    for (command, most) in &most {
        assert!(*most <= 5, "{command} had {most} in flight");
    }
    assert_eq!(most.len(), COMMANDS);

    stops_after_too_many_errors(&lab).await;
}

async fn stops_after_too_many_errors(lab: &Lab) {
    lab.keelson.script("fail", "exit 3", 60).await.unwrap();
    let spec = "documentName: fail, maxConcurrency: '1', maxErrors: '2', targets: [{key: 'tag:Role', values: [web]}]";
    lab.keelson.command("failing", spec).await.unwrap();
    let status = lab.keelson.ended("failing", Duration::from_secs(60)).await.unwrap().status.unwrap();
    assert_eq!((status.status, status.status_details.as_deref()), (Some(RunStatus::Failed), Some("Failed")));
    let counts = status.counts.unwrap();
    assert_eq!((counts.failed, counts.terminated), (3, 17), "the third error is one too many");
    assert_eq!(invocations_of(&lab.client(), "failing").await.unwrap().len(), 3, "nothing else was sent");

    let spec = "documentName: fail, maxConcurrency: 100%, maxErrors: 100%, targets: [{key: 'tag:Role', values: [web]}]";
    lab.keelson.command("all-failing", spec).await.unwrap();
    let status = lab.keelson.ended("all-failing", Duration::from_secs(60)).await.unwrap().status.unwrap();
    assert_eq!(status.error_count, Some(20));
}
