//! Nodes are what tests take them for: booted machines with a network that can be cut, that reboot, and that leave nothing.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    time::Duration,
};

use keelson_e2e::{Network, Node, network::cleanup_stale, sandbox::can_boot_nodes, wait::eventually};
use tokio::{net::TcpStream, time::timeout};

/// False, with the reason printed, where nodes cannot be booted and the person who runs the tests said to go on without.
async fn nodes_can_be_booted() -> bool {
    if env::var("KEELSON_E2E_ALLOW_SKIP").as_deref() != Ok("1") {
        return true;
    }
    match can_boot_nodes().await {
        Ok(()) => true,
        Err(reason) => {
            eprintln!("SKIPPED: {reason}");
            false
        }
    }
}

async fn accepts(address: Ipv4Addr, port: u16) -> bool {
    let connected = TcpStream::connect(SocketAddr::from((address, port)));
    matches!(timeout(Duration::from_millis(500), connected).await, Ok(Ok(_)))
}

async fn until_port_22_is(node: &Node, open: bool) {
    let what = format!("port 22 of {} to be {}", node.host_name(), if open { "open" } else { "unreachable" });
    eventually(Duration::from_secs(20), &what, || async {
        Ok((accepts(node.address(), 22).await == open).then_some(()))
    })
    .await
    .unwrap();
}

/// What the network with this number has in the kernel's tables: mounts, namespaces, interfaces, cgroups.
fn traces(network: u8) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let is_ours = |line: &&str| line.contains(&format!("/run/{network}/node"));
    let mut found: Vec<String> = mounts.lines().filter(is_ours).map(str::to_owned).collect();
    for list in [
        "/run/netns",
        "/run/systemd/nspawn/propagate",
        "/sys/class/net",
        "/sys/fs/cgroup",
        "/sys/fs/cgroup/systemd",
        "/sys/fs/cgroup/memory",
    ] {
        let Ok(entries) = fs::read_dir(list) else { continue };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let ours = names.filter(|name| name.starts_with(&format!("keelson{network}-")));
        found.extend(ours.map(|name| format!("{list}/{name}")));
    }
    found
}

fn number_of(network: &Network) -> u8 {
    network.host_address().octets()[2]
}

#[tokio::test]
async fn three_nodes_boot_run_are_cut_off_reboot_and_leave_nothing_behind() {
    if !nodes_can_be_booted().await {
        return;
    }
    let network = Network::create().unwrap();
    let number = number_of(&network);
    let banner = network.common_layer().join("opt/keelson/banner");
    fs::create_dir_all(banner.parent().unwrap()).unwrap();
    fs::write(&banner, "same on every node").unwrap();

    let nodes = Node::boot_many(&network, 3).await.unwrap();
    each_is_a_machine_of_its_own(&nodes).await;
    nodes_reach_each_other_and_the_host(&network, &nodes).await;
    a_command_has_no_power_over_the_host(&nodes[0]).await;
    files_go_in_and_out(&nodes[0]).await;
    a_killed_service_is_seen(&nodes[0]).await;
    a_cut_link_is_cut_until_it_is_reconnected(&nodes[1]).await;
    a_reboot_is_a_new_boot_of_the_same_disk(&nodes[2]).await;
    a_node_off_or_crashed_comes_back(&nodes[1]).await;

    assert!(traces(number).len() > 10, "these are not the traces that are left");
    drop(nodes);
    drop(network);
    assert_eq!(traces(number), [""; 0]);
}

async fn each_is_a_machine_of_its_own(nodes: &[Node]) {
    let mut boots = Vec::new();
    for node in nodes {
        until_port_22_is(node, true).await;
        assert_eq!(
            node.shell("cat /etc/hostname; hostname; systemctl is-system-running; cat /opt/keelson/banner")
                .await
                .unwrap(),
            format!("{0}\n{0}\nrunning\nsame on every node", node.host_name())
        );
        boots.push(node.boot_id().await.unwrap());
        boots.push(node.read("/etc/machine-id").unwrap());
    }
    boots.sort();
    boots.dedup();
    assert_eq!(boots.len(), 2 * nodes.len(), "two nodes share a boot or machine id");
}

async fn nodes_reach_each_other_and_the_host(network: &Network, nodes: &[Node]) {
    let listener = tokio::net::TcpListener::bind((network.host_address(), 0)).await.unwrap();
    let host = listener.local_addr().unwrap();
    let reach = |address: Ipv4Addr, port: u16| format!("bash -c 'exec 3<>/dev/tcp/{address}/{port}'");
    nodes[0].shell(&reach(host.ip().to_string().parse().unwrap(), host.port())).await.unwrap();
    nodes[0].shell(&reach(nodes[1].address(), 22)).await.unwrap();
}

async fn a_command_has_no_power_over_the_host(node: &Node) {
    let refused = node.run("date --set '2030-01-01'").await.unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert_eq!(node.run("exit 7").await.unwrap().status.code(), Some(7));
    let error = node.shell("echo broken pipe >&2; exit 3").await.unwrap_err().to_string();
    assert!(error.contains("broken pipe"), "{error}");
}

async fn files_go_in_and_out(node: &Node) {
    node.write_executable("/opt/tool/bin/greet", "#!/bin/sh\necho hello | tee /tmp/said\n").unwrap();
    assert_eq!(node.shell("/opt/tool/bin/greet").await.unwrap(), "hello\n");
    assert_eq!(node.read("/tmp/said").unwrap(), "hello\n");
    node.copy_in(Path::new("/bin/true"), "/opt/tool/bin/succeed").unwrap();
    node.shell("/opt/tool/bin/succeed").await.unwrap();
    assert!(node.exists("/opt/tool") && !node.exists("/opt/other"));
}

async fn a_killed_service_is_seen(node: &Node) {
    let main = node.pid_of("ssh.service").await.unwrap();
    assert!(fs::read_to_string(format!("/proc/{main}/comm")).unwrap().starts_with("sshd"));
    node.kill("ssh.service").await.unwrap();
    eventually(Duration::from_secs(20), "systemd to start sshd again", || async {
        Ok((node.pid_of("ssh.service").await? != main).then_some(()))
    })
    .await
    .unwrap();
    assert!(node.cpu_time().unwrap() > Duration::ZERO);
}

async fn a_cut_link_is_cut_until_it_is_reconnected(node: &Node) {
    node.cut_off().unwrap();
    until_port_22_is(node, false).await;
    assert_eq!(node.shell("echo still alive").await.unwrap(), "still alive\n");
    node.reconnect().unwrap();
    until_port_22_is(node, true).await;
}

async fn a_reboot_is_a_new_boot_of_the_same_disk(node: &Node) {
    let before = node.boot_id().await.unwrap();
    node.write("/var/lib/kept", "kept").unwrap();
    node.write("/run/lost", "lost").unwrap();
    node.reboot().await.unwrap();
    assert_ne!(node.boot_id().await.unwrap(), before);
    assert_eq!(node.read("/var/lib/kept").unwrap(), "kept");
    assert!(!node.exists("/run/lost"));
    until_port_22_is(node, true).await;
    let before = node.boot_id().await.unwrap();
    // Whether the command that asks for it sees its own end is of no interest.
    let _ = node.run("systemctl reboot").await;
    eventually(Duration::from_secs(60), "the node to reboot by itself", || async {
        Ok((node.boot_id().await? != before).then_some(()))
    })
    .await
    .unwrap();
}

async fn a_node_off_or_crashed_comes_back(node: &Node) {
    node.power_off().await.unwrap();
    assert!(!accepts(node.address(), 22).await);
    node.power_on().await.unwrap();
    until_port_22_is(node, true).await;
    node.crash().await.unwrap();
    assert!(!accepts(node.address(), 22).await);
    node.power_on().await.unwrap();
    until_port_22_is(node, true).await;
}

/// Boots a node and stays until it is killed: the part of the next test that runs in a process of its own.
async fn be_a_run_to_be_killed(booted: &Path) {
    let network = Network::create().unwrap();
    let _node = Node::boot(&network, 1).await.unwrap();
    fs::write(booted, [number_of(&network)]).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_run_is_cleaned_up_by_the_next() {
    if let Some(booted) = env::var_os("KEELSON_E2E_BOOTED") {
        return be_a_run_to_be_killed(Path::new(&booted)).await;
    }
    if !nodes_can_be_booted().await {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let booted = folder.path().join("booted");
    let mut run = Command::new(env::current_exe().unwrap());
    run.args(["--exact", "a_killed_run_is_cleaned_up_by_the_next"]).env("KEELSON_E2E_BOOTED", &booted);
    let mut run = run.spawn().unwrap();
    let number = eventually(Duration::from_secs(60), "the other run to boot a node", || async {
        Ok(fs::read(&booted)?.first().copied())
    });
    let number = number.await.unwrap();
    let before = traces(number);
    cleanup_stale().unwrap();
    assert!(!before.is_empty());
    assert_eq!(traces(number), before, "a run that is going on was cleaned up");
    run.kill().unwrap();
    run.wait().unwrap();
    cleanup_stale().unwrap();
    assert_eq!(traces(number), [""; 0]);
}
