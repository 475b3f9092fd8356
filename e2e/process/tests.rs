//! What a test may rely on: output is kept, ends are seen, nothing survives its owner.

use std::{thread, time::Duration};

use super::*;
use crate::wait::eventually;

fn shell(folder: &tempfile::TempDir, script: &str) -> Process {
    let program =
        Program::new("/bin/sh", folder.path().join("log")).args(["-c", script]).env("GREETING", "hello");
    Process::start(program).unwrap()
}

async fn logged(process: &Process, text: &str) {
    eventually(Duration::from_secs(10), text, || async {
        Ok(process.log_tail().contains(text).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn output_of_every_start_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = shell(&folder, "echo $GREETING from $$; exec sleep 600");
    logged(&process, &format!("hello from {}", process.pid())).await;
    let first = process.pid();
    process.restart().unwrap();
    assert_ne!(process.pid(), first);
    logged(&process, &format!("hello from {}", process.pid())).await;
    assert!(process.log_tail().contains(&format!("hello from {first}")));
}

#[tokio::test]
async fn a_process_that_ends_by_itself_is_told_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = shell(&folder, "echo no such flag >&2; exit 3");
    process.wait().unwrap();
    let message = process.ensure_running().unwrap_err().to_string();
    assert!(message.contains("no such flag"), "{message}");
    assert_eq!(process.exit_status().unwrap().unwrap().code(), Some(3));
}

#[tokio::test]
async fn terminate_kills_what_does_not_heed_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = shell(&folder, "trap '' TERM; echo ready; while :; do sleep 0.05; done");
    logged(&process, "ready").await;
    let status = process.terminate(Duration::from_millis(100)).await.unwrap();
    assert!(!status.success());
    assert!(!process.is_running());
}

#[tokio::test]
async fn a_process_outlives_the_thread_that_asked_for_it_but_not_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, folder) =
        thread::spawn(move || (shell(&folder, "echo up; sleep 600"), folder)).join().unwrap();
    logged(&process, "up").await;
    assert!(process.is_running());
    let pid = process.pid();
    drop(process);
    assert!(!Path::new("/proc").join(pid.to_string()).exists());
    drop(folder);
}

#[test]
fn a_missing_program_is_named() {
    let error = Process::start(Program::new("/nonexistent/keelson", "/tmp/unused")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/keelson"));
}
