//! Updating the agent: its own binary, against a gateway in the test's process, and on a machine whose service
//! manager is a script.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers may fail the test")]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../fake_gateway.rs"]
mod fake_gateway;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "worker/harness.rs"]
mod harness;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "daemon/node.rs"]
mod node;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::{Ended, Run};
use keelson_protocol::v1::GetAgentResponse;
use node::{Node, Told};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What a gateway sends of a program of this version.
fn pieces(version: &str, program: &[u8]) -> Vec<GetAgentResponse> {
    let sha256 = Sha256::digest(program).to_vec();
    let mut pieces: Vec<_> = program
        .chunks(1000)
        .map(|data| GetAgentResponse { data: data.to_vec(), ..GetAgentResponse::default() })
        .collect();
    pieces[0] = GetAgentResponse {
        version: version.into(),
        bytes: program.len() as u64,
        sha256,
        ..pieces[0].clone()
    };
    pieces
}

async fn fetched(node: &Node, pieces: Vec<GetAgentResponse>) -> (Told, Option<Vec<u8>>) {
    *node.gateway.program.lock().unwrap() = pieces;
    let to = node.path("fetched");
    let _there_may_be_none = fs::remove_file(&to);
    let told = node.agent(&["fetch-agent", "--installed", "1.0.0", "--to", to.to_str().unwrap()]).await;
    (told, fs::read(to).ok())
}

#[tokio::test]
async fn a_node_fetches_the_agent_whole_or_says_why_not() {
    let node = Node::new().await;
    let (stranger, _) = fetched(&node, Vec::new()).await;
    assert!(stranger.code == 1 && stranger.err.contains("not enrolled"), "{stranger:?}");
    node.enrol("right").await;
    let (none, _) = fetched(&node, Vec::new()).await;
    assert!(
        none.code == 1 && none.err.contains("the gateway refuses: this gateway has no agents"),
        "{none:?}"
    );

    let program: Vec<u8> = (0..5000_u32).flat_map(u32::to_le_bytes).collect();
    let (told, file) = fetched(&node, pieces("1.1.0", &program)).await;
    assert_eq!((told.code, told.out.as_str()), (0, "the gateway has keelson-agent 1.1.0\n"));
    assert!(file.unwrap() == program);

    let (current, file) = fetched(&node, pieces("1.0.0", &program)).await;
    assert_eq!((current.code, file), (0, None), "what is installed is not fetched again");
    let (older, file) = fetched(&node, pieces("0.9.0", &program)).await;
    assert!(older.code == 1 && older.err.contains("older than 1.0.0") && file.is_none(), "{older:?}");

    let mut damaged = pieces("1.1.0", &program);
    damaged[3].data[0] ^= 1;
    let mut cut = pieces("1.1.0", &program);
    cut.pop();
    let mut more = pieces("1.1.0", &program);
    more.push(GetAgentResponse { data: vec![0; 1000], ..GetAgentResponse::default() });
    for (pieces, why) in
        [(damaged, "its SHA-256 is"), (cut, "it has 19000 bytes"), (more, "it has 21000 bytes")]
    {
        let (told, file) = fetched(&node, pieces).await;
        assert!(told.code == 1 && told.err.contains(why), "{told:?}");
        assert!(file.is_none(), "a program that is not whole is left behind");
    }
}

/// A machine with an installed agent and a daemon that is said to be connected.
struct Machine {
    run: Run,
    _daemon: File,
}

impl Machine {
    fn new() -> Self {
        let mut run = Run::new();
        let (tools, program) = (run.scratch("tools"), run.scratch("keelson-agent"));
        fs::create_dir(&tools).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_keelson-agent"), &program).unwrap();
        // Instead of a daemon, the script leaves what one of the installed program would tell of itself.
        executable(
            &tools.join("systemctl"),
            &format!(
                r#"cd {folder} && echo "$@" >>calls || exit 1
case $1 in
show) echo "{{ path={folder}/keelson-agent ; argv[]=/ ; }}" ;;
restart)
    version=$(./keelson-agent --version)
    printf '{{"version":"%s","pid":%s,"node":"n","link":{{"connected":{{"gateway":"g","address":"a","since_unix_ms":0}}}},"running":[],"queued":0,"unacknowledged":0}}' "${{version#keelson-agent }}" $$ >status.new
    mv status.new status.json ;;
esac"#,
                folder = run.scratch("").display()
            ),
        );
        executable(&tools.join("systemd-run"), &format!("echo guarded >>{}", run.scratch("calls").display()));
        let lock = File::create(run.scratch("agent.lock")).unwrap();
        lock.lock().unwrap();
        let path: &'static str = format!("{}:/usr/bin:/bin", tools.display()).leak();
        run.environment.push(("PATH", path));
        let started = Command::new(tools.join("systemctl")).arg("restart").status().unwrap();
        assert!(started.success());
        Self { run, _daemon: lock }
    }

    fn update(&self, inputs: &Value) -> Ended {
        let step = json!({"name": "update", "action": "aws:updateSsmAgent", "inputs": inputs});
        self.run.run(&json!({"schemaVersion": "2.2", "mainSteps": [step]}))
    }

    /// What is there when the watcher of an update to this version has died.
    fn leave_a_trial(&self, to: &str) {
        let trial = json!({"from": "0.0.1", "to": to, "state": self.run.scratch("")});
        fs::write(self.run.scratch("keelson-agent.update"), trial.to_string()).unwrap();
    }

    fn recover(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keelson-agent"));
        command.arg("recover").args(options).arg(self.run.scratch("keelson-agent"));
        command.envs(self.run.environment.iter().copied());
        command
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.run.scratch("calls")).unwrap()
    }
}

fn executable(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_step_replaces_the_agent_and_says_by_what() {
    let machine = Machine::new();
    let source = machine.run.scratch("other");
    executable(&source, "echo keelson-agent 9.0.0");
    let ended = machine.update(&json!({"agentName": "amazon-ssm-agent", "source": source}));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(ended.output(0), format!("keelson-agent {version} is updated to 9.0.0, which is connected\n"));
    assert_eq!((ended.status(), ended.steps()), ("Success", vec!["Success 0".to_owned()]));
    let file = |name: &str| fs::read(machine.run.scratch(name)).unwrap();
    assert!(file("keelson-agent") == file("other"));
    assert!(file("keelson-agent.previous") == fs::read(env!("CARGO_BIN_EXE_keelson-agent")).unwrap());
    assert!(
        machine.calls().contains("guarded\nrestart --no-block keelson-agent.service\n"),
        "{}",
        machine.calls()
    );
    for left in ["keelson-agent.new", "keelson-agent.update", "keelson-agent.link"] {
        assert!(!machine.run.scratch(left).exists(), "{left}");
    }
}

#[test]
fn awss_own_document_updates_this_agent_from_the_gateway() {
    let mut machine = Machine::new();
    machine.run.parameters = json!({"version": "", "allowDowngrade": "false"});
    let properties = json!({
        "agentName": "amazon-ssm-agent",
        "source": "https://s3.{Region}.amazonaws.com/amazon-ssm-{Region}/ssm-agent-manifest.json",
        "allowDowngrade": "{{ allowDowngrade }}",
        "targetVersion": "{{ version }}",
    });
    let ended = machine.run.run(&json!({
        "schemaVersion": "1.2",
        "parameters": {
            "version": {"type": "String", "default": ""},
            "allowDowngrade": {"type": "String", "default": "false", "allowedValues": ["true", "false"]},
        },
        "runtimeConfig": {"aws:updateSsmAgent": {"properties": [properties]}},
    }));
    assert!(ended.output(0).contains("this server is not enrolled"), "{}", ended.output(0));
}

#[test]
fn what_is_not_to_be_installed_leaves_everything_as_it_was() {
    let machine = Machine::new();
    let version = env!("CARGO_PKG_VERSION");
    let offer = |name: &str, script: &str| {
        let path = machine.run.scratch(name);
        executable(&path, script);
        path
    };
    let same = offer("same", &format!("echo keelson-agent {version}"));
    let older = offer("older", "echo keelson-agent 0.0.1");
    let other = offer("other", "echo something else");
    let broken = offer("broken", "exit 3");
    for (inputs, status, words) in [
        (json!({"source": same}), "Success", format!("keelson-agent {version} is installed already")),
        (json!({"source": older}), "Failed", "0.0.1 is older than".to_owned()),
        (json!({"source": same, "targetVersion": "7.0.0"}), "Failed", "7.0.0 was asked for".to_owned()),
        (json!({"source": other}), "Failed", "is no keelson-agent".to_owned()),
        (json!({"source": broken}), "Failed", "exit status: 3".to_owned()),
        (json!({"source": "/nonexistent"}), "Failed", "cannot read /nonexistent".to_owned()),
        (json!({"agentName": "cron"}), "Failed", "only keelson-agent can be updated".to_owned()),
        (json!({}), "Failed", "this server is not enrolled".to_owned()),
    ] {
        fs::remove_dir_all(machine.run.directory()).ok();
        let ended = machine.update(&inputs);
        assert!(ended.output(0).contains(&words), "{inputs}: {}", ended.output(0));
        assert_eq!(ended.status(), status, "{inputs}");
    }
    let installed = fs::read(machine.run.scratch("keelson-agent")).unwrap();
    assert!(installed == fs::read(env!("CARGO_BIN_EXE_keelson-agent")).unwrap());
    assert!(!machine.calls().contains("no-block") && !machine.run.scratch("keelson-agent.new").exists());
}

#[test]
fn only_one_update_goes_on_at_a_time() {
    let machine = Machine::new();
    let lock = File::create(machine.run.scratch("update.lock")).unwrap();
    lock.lock().unwrap();
    let ended = machine.update(&json!({}));
    assert!(ended.output(0).contains("another update of this agent is under way"), "{}", ended.output(0));
}

#[test]
fn no_update_begins_while_one_that_was_cut_short_is_being_ended() {
    let machine = Machine::new();
    machine.leave_a_trial("9.9.9");
    let mut recovering = machine.recover(&[]).spawn().unwrap();
    let lock = File::create(machine.run.scratch("update.lock")).unwrap();
    let begun = Instant::now();
    while lock.try_lock().is_ok() {
        lock.unlock().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing keeps others away");
        std::thread::sleep(Duration::from_millis(20));
    }
    let ended = machine.update(&json!({}));
    recovering.kill().unwrap();
    recovering.wait().unwrap();
    assert!(ended.output(0).contains("another update of this agent is under way"), "{}", ended.output(0));
}

#[test]
fn an_agent_that_starts_is_the_previous_one_if_nobody_watches_over_the_new_one_any_more() {
    let machine = Machine::new();
    machine.leave_a_trial("9.9.9");
    let program = machine.run.scratch("keelson-agent");
    let start = || {
        assert!(machine.recover(&["--at-start"]).status().unwrap().success());
        fs::read_to_string(&program).ok()
    };
    executable(&machine.run.scratch("keelson-agent.previous"), "echo the previous one");
    let lock = File::create(machine.run.scratch("update.lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(start(), None, "it is on trial, and somebody watches");
    lock.unlock().unwrap();
    assert_eq!(start().as_deref(), Some("#!/bin/sh\necho the previous one\n"));
    assert!(!machine.run.scratch("keelson-agent.update").exists());
    fs::write(&program, "another one").unwrap();
    assert_eq!(start().as_deref(), Some("another one"), "without a trial nothing is put back");
}
