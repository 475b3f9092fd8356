use crate::identity::NodeRecord;

use super::*;

fn identity() -> Identity {
    Identity {
        record: NodeRecord {
            namespace: "default".into(),
            node: "mi-1".into(),
            uid: "uid".into(),
            addresses: vec!["gateway:8443".into()],
            proxy: None,
        },
        ca: String::new(),
        certificate: rcgen::generate_simple_self_signed(Vec::new()).unwrap().cert.pem(),
        key: String::new(),
    }
}

fn record(link: Link) -> Record {
    Record {
        version: "1.2.3".into(),
        pid: 7,
        node: "mi-1".into(),
        link,
        running: vec!["web-1".into()],
        queued: 2,
        unacknowledged: 3,
    }
}

#[test]
fn a_connected_agent_says_to_whom_and_what_it_does_and_exits_with_0() {
    let link = Link::Connected { gateway: "gateway-0".into(), address: "g:1".into(), since_unix_ms: 0 };
    let report = described(&identity(), true, Some(&record(link)));
    assert_eq!(report.code, 0);
    for line in [
        "enrolled as:             mi-1 in namespace default\n",
        "gateway:                 connected to gateway-0 at g:1 since 1970-01-01T00:00:00Z\n",
        "running documents:       1 (web-1), 2 waiting\n",
        "unacknowledged results:  3\n",
    ] {
        assert!(report.text.contains(line), "{line:?} is not in {}", report.text);
    }
    assert!(report.text.contains("certificate valid until: 4"), "{}", report.text);
}

#[test]
fn an_agent_that_cannot_connect_says_why_and_exits_with_4() {
    let link = Link::Connecting { reason: "cannot connect to g:1: refused".into() };
    let report = described(&identity(), true, Some(&record(link)));
    assert!(report.text.contains("not connected: cannot connect to g:1: refused"));
    assert_eq!(report.code, 4);
    let report = described(&identity(), true, Some(&record(Link::Removed { reason: "deleted".into() })));
    assert!(report.text.contains("removed by the control plane: deleted"));
    assert_eq!(report.code, 4);
}

#[test]
fn what_a_stopped_agent_left_behind_is_not_taken_for_the_present() {
    let link = Link::Connected { gateway: "g".into(), address: "g:1".into(), since_unix_ms: 0 };
    let report = described(&identity(), false, Some(&record(link)));
    assert!(report.text.contains("the agent does not run") && !report.text.contains("web-1"));
    assert_eq!(report.code, 4);
}

#[test]
fn a_server_that_is_no_node_says_how_to_enrol_and_exits_with_3() {
    let state = tempfile::tempdir().unwrap();
    let report = report(state.path()).unwrap();
    assert!(report.text.starts_with("not enrolled"));
    assert_eq!(report.code, 3);
}

#[test]
fn a_daemon_tells_what_it_is_only_while_it_runs() {
    let state = tempfile::tempdir().unwrap();
    let link = Link::Connected { gateway: "gateway-0".into(), address: "g:1".into(), since_unix_ms: 0 };
    std::fs::write(state.path().join("status.json"), serde_json::json!(record(link)).to_string()).unwrap();
    assert_eq!(daemon(state.path()), None);
    let _lock = state_lock::take(state.path()).unwrap();
    assert_eq!(daemon(state.path()), Some(Daemon { pid: 7, version: "1.2.3".into(), connected: true }));
    let other_version =
        r#"{"version": "9.0.0", "pid": 8, "link": {"connected": {"through": "g"}}, "tasks": {}}"#;
    std::fs::write(state.path().join("status.json"), other_version).unwrap();
    assert_eq!(daemon(state.path()), Some(Daemon { pid: 8, version: "9.0.0".into(), connected: true }));
    std::fs::write(state.path().join("status.json"), "no status").unwrap();
    assert_eq!(daemon(state.path()), Some(Daemon { pid: 0, version: String::new(), connected: false }));
}
