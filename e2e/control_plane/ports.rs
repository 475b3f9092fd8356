//! Finds loopback ports for the control plane that stay free while its API server is down.

use std::{net::TcpListener, process};

use anyhow::{Context, ensure};

/// Below the range from which the kernel takes ports for outgoing connections, so that a port left for a moment is
/// not taken by one of them.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// The loopback ports of one control plane.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub etcd: u16,
    pub etcd_peer: u16,
    pub api_server: u16,
    pub controller_manager: u16,
}

impl Ports {
    /// Finds four that are free now. Two processes start their search at different places.
    pub fn find() -> anyhow::Result<Self> {
        let offset = u16::try_from(process::id() * 16 % u32::from(COUNT))?;
        let candidates = (0..COUNT).map(|step| FIRST + (offset + step) % COUNT);
        // Held until all are found, so that none is found twice.
        let held: Vec<TcpListener> =
            candidates.filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()).take(4).collect();
        ensure!(held.len() == 4, "no four loopback ports are free between {FIRST} and {}", FIRST + COUNT);
        let mut ports = held.iter().map(|listener| listener.local_addr().map(|address| address.port()));
        let mut next = || -> anyhow::Result<u16> { Ok(ports.next().context("one port too few")??) };
        Ok(Self { etcd: next()?, etcd_peer: next()?, api_server: next()?, controller_manager: next()? })
    }
}
