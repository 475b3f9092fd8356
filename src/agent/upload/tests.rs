use std::fs;

use keelson_protocol::MAX_OUTPUT_PIECE;
use keelson_protocol::v1::{Dispatch, OutputStream};

use super::*;
use crate::connect::Reach;
use crate::fake_gateway::FakeGateway;
use crate::journal::Journal;
use crate::run_directory::{RunDirectory, Stream};
use crate::runs::fixture::order;
use crate::runs::{Notice, Setting};

struct Fixture {
    _folder: tempfile::TempDir,
    gateway: FakeGateway,
    archive: NodeClient<Channel>,
    task: OutputTask,
}

impl Fixture {
    async fn new(stage: OutputStage) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::new(folder.path().join("uid-1"));
        directory.prepare(&order("uid-1")).unwrap();
        let gateway = FakeGateway::plaintext().await;
        let connection = Reach::plaintext(&gateway.address).connect(0).await.unwrap();
        let task = OutputTask { command_uid: "uid-1".into(), invocation: "web-1".into(), directory, stage };
        Self { _folder: folder, gateway, archive: NodeClient::new(connection.channel), task }
    }

    fn prints(&self, stream: Stream, bytes: &[u8]) {
        use std::io::Write;
        let path = self.task.directory.output(0, stream);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    fn archived(&self, stream: OutputStream) -> Vec<u8> {
        let archive = self.gateway.archive.lock().unwrap();
        archive.streams.get(&(0, stream.into())).cloned().unwrap_or_default()
    }

    fn pieces(&self) -> Vec<usize> {
        self.gateway.archive.lock().unwrap().pieces.clone()
    }

    async fn drain(&mut self, transfer: &mut Transfer) -> Step {
        loop {
            let step = transfer.step(&self.task, &mut self.archive).await;
            if step != Step::Moved {
                return step;
            }
        }
    }
}

fn waits() -> OutputStage {
    OutputStage::ResultWaits(std::time::Instant::now())
}

#[tokio::test]
async fn the_whole_output_arrives_in_pieces_of_a_mebibyte_at_most() {
    let mut fixture = Fixture::new(waits()).await;
    let printed: Vec<u8> = (0..=250).cycle().take(2 * MAX_OUTPUT_PIECE + 5).collect();
    fixture.prints(Stream::Stdout, &printed);
    fixture.prints(Stream::Stderr, b"oops");
    let mut transfer = Transfer::resume(&fixture.task);
    assert_eq!(fixture.drain(&mut transfer).await, Step::Complete);
    assert!(fixture.archived(OutputStream::Stdout) == printed);
    assert_eq!(fixture.archived(OutputStream::Stderr), b"oops");
    assert_eq!(fixture.pieces(), [MAX_OUTPUT_PIECE, 4, MAX_OUTPUT_PIECE, 5]);
}

#[tokio::test]
async fn a_run_without_output_is_complete_at_once() {
    let mut fixture = Fixture::new(waits()).await;
    let mut transfer = Transfer::resume(&fixture.task);
    assert_eq!(fixture.drain(&mut transfer).await, Step::Complete);
    assert!(fixture.pieces().is_empty());
}

#[tokio::test]
async fn the_next_agent_goes_on_at_the_offset_that_was_stored() {
    let mut fixture = Fixture::new(waits()).await;
    fixture.prints(Stream::Stdout, b"first ");
    let mut transfer = Transfer::resume(&fixture.task);
    fixture.drain(&mut transfer).await;
    fixture.prints(Stream::Stdout, b"second");
    let mut transfer = Transfer::resume(&fixture.task);
    fixture.drain(&mut transfer).await;
    assert_eq!(fixture.archived(OutputStream::Stdout), b"first second");
    assert_eq!(fixture.pieces(), [6, 6]);
}

#[tokio::test]
async fn an_archive_that_lost_bytes_gets_them_again() {
    let mut fixture = Fixture::new(waits()).await;
    fixture.prints(Stream::Stdout, b"first second");
    fs::write(fixture.task.directory.upload_file(), r#"{"0/stdout":6}"#).unwrap();
    let mut transfer = Transfer::resume(&fixture.task);
    assert_eq!(fixture.drain(&mut transfer).await, Step::Complete);
    assert_eq!(fixture.archived(OutputStream::Stdout), b"first second");
}

#[tokio::test]
async fn an_archive_that_is_away_gets_everything_when_it_is_back() {
    let mut fixture = Fixture::new(waits()).await;
    fixture.prints(Stream::Stdout, b"text");
    fixture.gateway.archive.lock().unwrap().fails = true;
    let mut transfer = Transfer::resume(&fixture.task);
    let Step::Failed { again } = fixture.drain(&mut transfer).await else { panic!("it did not fail") };
    fixture.gateway.archive.lock().unwrap().fails = false;
    assert_eq!(fixture.drain(&mut transfer).await, Step::Failed { again }, "not before its time");
    sleep(again.saturating_duration_since(Instant::now())).await;
    assert_eq!(fixture.drain(&mut transfer).await, Step::Complete);
    assert_eq!(fixture.archived(OutputStream::Stdout), b"text");
}

#[tokio::test]
async fn what_a_running_document_prints_is_gathered_but_a_full_piece_goes_at_once() {
    let mut fixture = Fixture::new(OutputStage::Growing).await;
    fixture.prints(Stream::Stdout, b"a little");
    let mut transfer = Transfer::resume(&fixture.task);
    assert_eq!(fixture.drain(&mut transfer).await, Step::Nothing);
    fixture.prints(Stream::Stdout, &vec![b'x'; MAX_OUTPUT_PIECE]);
    assert_eq!(fixture.drain(&mut transfer).await, Step::Nothing);
    assert_eq!(fixture.pieces(), [MAX_OUTPUT_PIECE]);
}

/// Runs that end at once, because there is no worker; each with this output.
async fn ended_runs(folder: &std::path::Path, outputs: &[(&str, Option<Vec<u8>>)]) -> Arc<Runs> {
    let setting = Setting {
        node: "mi-1".into(),
        namespace: "default".into(),
        folder: folder.join("runs"),
        boot_id: "boot-1".into(),
        platform: crate::facts::Platform::default(),
        output_cap_bytes: 1,
        program: "/nonexistent".into(),
        reboot_command: String::new(),
    };
    let runs = Runs::new(setting, Journal::open(&folder.join("journal.redb")).unwrap());
    for (uid, printed) in outputs {
        let dispatch =
            Dispatch { command_uid: (*uid).to_owned(), expires_in_ms: 60_000, ..Dispatch::default() };
        runs.dispatch(&dispatch, crate::clock::since_boot());
        let output = runs.setting().directory(uid).output(0, Stream::Stdout);
        let streams = output.parent().unwrap();
        match printed {
            Some(printed) => {
                fs::create_dir_all(streams).unwrap();
                fs::write(output, printed).unwrap();
            }
            // A file where the folder of all streams has to be.
            None => fs::write(streams.parent().unwrap(), "").unwrap(),
        }
    }
    while runs.summary().unacknowledged < outputs.len() {
        runs.changed().await;
    }
    runs
}

#[tokio::test]
async fn a_run_whose_output_cannot_be_read_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let runs = ended_runs(folder.path(), &[("a", None), ("b", Some(vec![b'x'; 3 * MAX_OUTPUT_PIECE]))]).await;
    let (_, mut notices) = runs.attach();
    let gateway = FakeGateway::plaintext().await;
    let mut archive = NodeClient::new(Reach::plaintext(&gateway.address).connect(0).await.unwrap().channel);
    let mut uploader = Uploader { runs, transfers: BTreeMap::new() };
    for _ in 0..2 {
        assert_eq!(uploader.pass(&mut archive).await, Some(Duration::ZERO), "it goes on at once");
    }
    uploader.pass(&mut archive).await;
    let told = notices.try_recv();
    assert_eq!(told, Ok(Notice::Finished { command_uid: "b".into(), output_pending: false }));
    assert!(uploader.pass(&mut archive).await > Some(Duration::ZERO), "the other one waits");
}
