//! A small chaos run: whatever is killed, each Invocation runs once and says so.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use keelson_e2e::{Lab, chaos};

const INVOCATIONS: usize = 40;
const SEED: u64 = 20_261_123;

#[tokio::test]
async fn every_invocation_runs_once_while_everything_is_killed() {
    let mut lab = Lab::start_with("chaos-test", chaos::NODES, chaos::settings).await.unwrap();
    let tally = chaos::run(&mut lab, INVOCATIONS, SEED, |_| {}).await.unwrap();
    assert_eq!(tally.invocations, INVOCATIONS);
    println!("{tally}");
    assert!(tally.is_right(), "{tally}");
}
