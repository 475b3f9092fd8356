//! Content that nodes download: from an S3 server, from a web server, and Documents of the cluster.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use keelson_e2e::keelson::invocation_of;
use keelson_e2e::wait::eventually;
use keelson_e2e::{Lab, Process, Program, WebServer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SOON: Duration = Duration::from_secs(60);
const S3_PORT: u16 = 5001;
const WEB_PORT: u16 = 8899;

/// A step that downloads.
fn download(name: &str, source_type: &str, source_info: &Value, destination: &str) -> Value {
    let inputs =
        json!({"sourceType": source_type, "sourceInfo": source_info, "destinationPath": destination});
    json!({"name": name, "action": "aws:downloadContent", "inputs": inputs})
}

fn script(line: &str) -> Value {
    json!({"name": "show", "action": "aws:runShellScript", "inputs": {"runCommand": [line]}})
}

/// Runs a document of these steps on the only node and returns what each of them put out.
async fn run(lab: &Lab, name: &str, steps: &[Value]) -> Vec<String> {
    lab.keelson.document(name, &json!({"schemaVersion": "2.2", "mainSteps": steps})).await.unwrap();
    let spec = format!("documentName: {name}, targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    lab.keelson.command(name, &spec).await.unwrap();
    lab.keelson.ended(name, SOON).await.unwrap();
    let status = invocation_of(&lab.client(), name).await.unwrap().status.unwrap();
    status.steps.into_iter().map(|step| step.output).collect()
}

/// Sends one request to the S3 server and returns its status, or nothing where it cannot be reached.
async fn put(address: SocketAddr, path: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let length = body.len();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n"
    );
    stream.write_all(format!("{head}Content-Type: text/plain\r\n\r\n{body}").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.split(' ').nth(1).map(str::to_owned)
}

/// The program of the S3 server, where somebody has installed it.
fn moto_server() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("moto_server")).find(|path| path.exists())
}

#[tokio::test]
async fn a_node_downloads_from_the_web_and_runs_what_it_has_got() {
    let lab = Lab::start("download-web", 1).await.unwrap();
    let address = SocketAddr::new(lab.network.host_address().into(), WEB_PORT);
    let web = WebServer::listen(address).await.unwrap();
    let called = json!({"schemaVersion": "2.2", "mainSteps": [script("echo called")]});
    web.serve([("/called.json".to_owned(), called.to_string().into_bytes())].into());
    let info = json!({"url": format!("http://{address}/called.json"), "allowInsecureDownload": true});
    let outputs = run(
        &lab,
        "web",
        &[
            download("get", "HTTP", &info, "called.json"),
            json!({"name": "run", "action": "aws:runDocument",
                   "inputs": {"documentType": "LocalPath", "documentPath": "called.json"}}),
        ],
    )
    .await;
    assert!(outputs[0].ends_with("/downloads/called.json"), "{outputs:?}");
    assert_eq!(outputs[1], "called\n");

    lab.keelson.document("library", &called).await.unwrap();
    let info = json!({"name": "Library"});
    let outputs =
        run(&lab, "document", &[download("get", "SSMDocument", &info, "docs/"), script("ls docs")]).await;
    assert_eq!(outputs[1], "Library.json\n", "{outputs:?}");
}

#[tokio::test]
async fn a_node_downloads_an_object_and_all_below_a_prefix_from_s3() {
    let Some(program) = moto_server() else {
        println!(
            "skipped: there is no moto_server in PATH to serve S3; pip install 'moto[server]' brings it"
        );
        return;
    };
    let lab = Lab::start("download-s3", 1).await.unwrap();
    let address = SocketAddr::new(lab.network.host_address().into(), S3_PORT);
    let program = Program::new(program, lab.folder().join("s3.log")).args([
        "-H",
        &address.ip().to_string(),
        "-p",
        &S3_PORT.to_string(),
    ]);
    let _server = Process::start(program).unwrap();
    eventually(SOON, "the S3 server to make a bucket", || async {
        Ok(put(address, "/scripts", "").await.filter(|status| status == "200").map(drop))
    })
    .await
    .unwrap();
    for (path, text) in [("/scripts/web/run.sh", "echo ran"), ("/scripts/web/conf/a%20b", "text")] {
        assert_eq!(put(address, path, text).await.as_deref(), Some("200"));
    }
    let bucket = format!("http://{address}/scripts");
    let info = |key: &str| json!({"path": format!("{bucket}/{key}"), "allowInsecureDownload": true});

    let refused = run(&lab, "anonymous", &[download("get", "S3", &info("web/run.sh"), "run.sh")]).await;
    assert!(refused[0].contains("403 Forbidden") && refused[0].contains("no AWS credentials"), "{refused:?}");
    lab.nodes[0].shell("mkdir -p /root/.aws").await.unwrap();
    let credentials = "[default]\naws_access_key_id = key\naws_secret_access_key = secret\n";
    lab.nodes[0].write("/root/.aws/credentials", credentials).unwrap();
    let steps = [
        download("object", "S3", &info("web/run.sh"), "one/"),
        download("prefix", "S3", &info("web/"), "all"),
        download("none", "S3", &info("none"), "none"),
        script("sh one/run.sh; find all -type f | sort; cat 'all/conf/a b'"),
    ];
    let outputs = run(&lab, "signed", &steps).await;
    assert!(outputs[2].contains("s3://scripts/none: Status: 404 Not Found: NoSuchKey"), "{outputs:?}");
    assert_eq!(outputs[3], "ran\nall/conf/a b\nall/run.sh\ntext", "{outputs:?}");
}
