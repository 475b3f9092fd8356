use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use keelson_core::status::StepStatus;

use super::*;

fn order() -> Order {
    Order {
        command_uid: "uid-1".into(),
        invocation: "web-1".into(),
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

fn prepared() -> (tempfile::TempDir, RunDirectory) {
    let folder = tempfile::tempdir().unwrap();
    let directory = RunDirectory::new(folder.path().join("document/orchestration/uid-1"));
    directory.prepare(&order()).unwrap();
    (folder, directory)
}

#[test]
fn a_prepared_folder_is_private_and_holds_the_order() {
    let (_folder, directory) = prepared();
    directory.prepare(&order()).unwrap();
    assert_eq!(directory.order().unwrap(), Some(order()));
    assert_eq!(fs::metadata(directory.path()).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!directory.has_worker().unwrap());
    assert_eq!((directory.worker().unwrap(), directory.progress().unwrap()), (None, None));
    assert!(directory.outputs().unwrap().is_empty());
}

#[test]
fn a_run_is_begun_once_a_boot_even_when_its_worker_is_gone() {
    let (_folder, directory) = prepared();
    let lock = directory.begin_work("boot-1").unwrap();
    assert!(lock.is_some() && directory.has_worker().unwrap());
    assert!(directory.begin_work("boot-1").unwrap().is_none());
    drop(lock);
    assert!(!directory.has_worker().unwrap());
    assert!(directory.begin_work("boot-1").unwrap().is_none());
    assert!(directory.begin_work("boot-2").unwrap().is_some());
    assert_eq!(directory.worker().unwrap().unwrap().boot_id, "boot-2");
}

#[test]
fn a_cancel_reaches_a_worker_that_waits_and_one_that_starts_later() {
    let (_folder, directory) = prepared();
    directory.cancel().unwrap();
    assert!(directory.is_cancelled());
    let mut control = directory.open_control().unwrap();
    directory.cancel().unwrap();
    let mut byte = [0];
    control.read_exact(&mut byte).unwrap();
    assert_eq!(byte, [CANCEL_BYTE]);
}

#[test]
fn a_broken_file_is_an_error_that_names_it() {
    let (_folder, directory) = prepared();
    fs::write(directory.path().join(".keelson-progress.json"), "{").unwrap();
    let error = directory.progress().unwrap_err().to_string();
    assert!(error.contains(".keelson-progress.json"), "{error}");
}

#[test]
fn progress_and_outputs_are_read_back_as_written() {
    let (_folder, directory) = prepared();
    let progress = Progress {
        steps: Vec::new(),
        current: Some(CurrentStep { index: 0, name: "a".into(), action: "aws:x".into(), started_unix_ms: 1 }),
        finished: false,
        status: StepStatus::InProgress,
        message: String::new(),
        started_unix_ms: 1,
        ended_unix_ms: 0,
        duration_ms: 0,
    };
    directory.write_progress(&progress, Durability::Atomic).unwrap();
    assert_eq!(directory.progress().unwrap(), Some(progress));
    let stderr = directory.output(3, Stream::Stderr);
    fs::create_dir_all(stderr.parent().unwrap()).unwrap();
    fs::write(&stderr, "x").unwrap();
    assert_eq!(directory.outputs().unwrap(), [(3, Stream::Stderr)]);
}
