use std::fs;

use keelson_protocol::MAX_OUTPUT_PIECE;
use keelson_protocol::v1::OutputStream;

use super::*;
use crate::connect::Reach;
use crate::fake_gateway::FakeGateway;
use crate::run_directory::{RunDirectory, Stream};
use crate::runs::fixture::order;

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
    assert_eq!(fixture.drain(&mut transfer).await, Step::Failed);
    fixture.gateway.archive.lock().unwrap().fails = false;
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
