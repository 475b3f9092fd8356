//! Kills processes after random pauses, and starts them again as a kubelet or systemd would.

use std::fmt::{self, Display};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::try_join_all;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Phase;
use super::random::Random;
use crate::control_plane::ControlPlane;
use crate::keelson::AGENT_UNIT;
use crate::node::Node;
use crate::process::Process;

/// Between two kills of one kind.
const AGENT: Pauses = Pauses::milliseconds(200, 1_200);
const GATEWAY: Pauses = Pauses::milliseconds(4_000, 12_000);
const OPERATOR: Pauses = Pauses::milliseconds(5_000, 15_000);
/// It takes seconds to come up, and nobody gets anywhere meanwhile.
const API_SERVER: Pauses = Pauses::milliseconds(10_000, 25_000);
/// From the end of a process to its next start.
const DOWN: Pauses = Pauses::milliseconds(0, 2_000);
const GLANCE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy)]
struct Pauses {
    shortest: Duration,
    longest: Duration,
}

impl Pauses {
    const fn milliseconds(shortest: u64, longest: u64) -> Self {
        Self { shortest: Duration::from_millis(shortest), longest: Duration::from_millis(longest) }
    }

    /// The first comes early: a small run is over before a longer pause.
    fn first(self, random: &mut Random) -> Duration {
        self.draw(random) / 4
    }

    fn draw(self, random: &mut Random) -> Duration {
        random.between(self.shortest, self.longest)
    }
}

/// How often what was killed.
#[derive(Debug, Default)]
pub struct Kills {
    agents: AtomicU32,
    gateways: AtomicU32,
    operator: AtomicU32,
    api_server: AtomicU32,
}

impl Display for Kills {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
        write!(
            to,
            "killed agents {} times, gateways {}, operator {}, API server {}",
            count(&self.agents),
            count(&self.gateways),
            count(&self.operator),
            count(&self.api_server)
        )
    }
}

/// What may be killed.
pub struct Victims<'a> {
    pub control_plane: &'a mut ControlPlane,
    pub operator: &'a mut Process,
    pub gateways: &'a mut [Process],
    pub nodes: &'a [Node],
}

/// Kills while the phase is the storm; keeps alive what has ended until all is over.
pub async fn storm(
    victims: Victims<'_>,
    random: &mut Random,
    phase: &watch::Receiver<Phase>,
    kills: &Kills,
) -> anyhow::Result<()> {
    let mut gateways = Vec::new();
    for gateway in victims.gateways {
        gateways.push(process(gateway, GATEWAY, random.fork(), phase.clone(), &kills.gateways));
    }
    let operator = process(victims.operator, OPERATOR, random.fork(), phase.clone(), &kills.operator);
    let agents = agents(victims.nodes, random.fork(), phase.clone(), &kills.agents);
    let api_server = api_server(victims.control_plane, random.fork(), phase.clone(), &kills.api_server);
    let (operator, gateways, (), api_server) =
        futures::join!(operator, try_join_all(gateways), agents, api_server);
    operator.and(gateways.map(drop)).and(api_server)
}

/// A process as a kubelet keeps it: whenever it has ended, by us or by itself, it is started again.
async fn process(
    process: &mut Process,
    pauses: Pauses,
    mut random: Random,
    phase: watch::Receiver<Phase>,
    count: &AtomicU32,
) -> anyhow::Result<()> {
    let mut next = Instant::now() + pauses.first(&mut random);
    loop {
        let now = *phase.borrow();
        if now == Phase::Storm && Instant::now() >= next {
            process.kill()?;
            count.fetch_add(1, Ordering::Relaxed);
            next = Instant::now() + pauses.draw(&mut random);
        }
        if !process.is_running() {
            sleep(DOWN.draw(&mut random)).await;
            process.restart()?;
        }
        if now == Phase::Over {
            return Ok(());
        }
        sleep(GLANCE).await;
    }
}

/// Any node's agent; its systemd starts it again.
async fn agents(nodes: &[Node], mut random: Random, mut phase: watch::Receiver<Phase>, count: &AtomicU32) {
    while storm_goes_on(&mut phase, AGENT.draw(&mut random)).await {
        let Some(node) = random.choose(nodes) else { return };
        // It may just be down from an earlier kill.
        if node.kill(AGENT_UNIT).await.is_ok() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn api_server(
    control_plane: &mut ControlPlane,
    mut random: Random,
    mut phase: watch::Receiver<Phase>,
    count: &AtomicU32,
) -> anyhow::Result<()> {
    let mut pause = API_SERVER.first(&mut random);
    while storm_goes_on(&mut phase, pause).await {
        pause = API_SERVER.draw(&mut random);
        control_plane.kill_api_server()?;
        count.fetch_add(1, Ordering::Relaxed);
        sleep(DOWN.draw(&mut random)).await;
        control_plane.start_api_server().await?;
    }
    Ok(())
}

/// Waits so long; false as soon as the storm is past.
async fn storm_goes_on(phase: &mut watch::Receiver<Phase>, pause: Duration) -> bool {
    let past = phase.wait_for(|phase| *phase != Phase::Storm);
    tokio::time::timeout(pause, past).await.is_err()
}
