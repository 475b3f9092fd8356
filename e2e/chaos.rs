//! Many Invocations over many nodes while everything between them is killed at random; then each is accounted for.
//!
//! The promise is that a node runs an Invocation once, whatever crashes when. Each script counts its runs in a file on
//! its node, and that count is held against what the control plane says in the end.

mod kill;
mod random;
mod tally;
mod work;

use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use self::kill::Kills;
use self::random::Random;
use self::work::Work;
use crate::keelson::Settings;
use crate::lab::Lab;

pub use tally::Tally;

/// How many nodes take part.
pub const NODES: u8 = 20;
const PROGRESS: Duration = Duration::from_secs(2);
/// How long the storm goes on after the last Command is sent, if that has not ended before.
const LAST_GUSTS: Duration = Duration::from_secs(30);

/// How a run passes: kills, then none so that it can come to an end, then nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Storm,
    Calm,
    Over,
}

/// Two gateways, so that nodes move between them.
pub fn settings(settings: &mut Settings) {
    settings.gateways = 2;
}

/// Runs `invocations` Invocations over the lab's nodes under fire, waits until all have ended, and counts.
///
/// The seed decides which process is killed after which pause and how long each script takes; what a kill meets depends on
/// the machine. `progress` hears a line every two seconds.
pub async fn run(
    lab: &mut Lab,
    invocations: usize,
    seed: u64,
    progress: impl Fn(&str),
) -> anyhow::Result<Tally> {
    let mut random = Random::new(seed);
    let work = Work::prepare(lab, invocations, &mut random).await?;
    let kills = Kills::default();
    let (phase, phases) = watch::channel(Phase::Storm);
    let started = Instant::now();
    let Lab { keelson, nodes, .. } = &mut *lab;
    let client = keelson.client();
    let victims = kill::Victims {
        control_plane: &mut keelson.control_plane,
        operator: &mut keelson.operator,
        gateways: &mut keelson.gateways,
        nodes,
    };
    let stormed = kill::storm(victims, &mut random, &phases, &kills);
    let worked = async {
        let sent = Notify::new();
        let calmed = async {
            sent.notified().await;
            sleep(LAST_GUSTS).await;
            phase.send_replace(Phase::Calm);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = work.send_all(&client, || sent.notify_one()) => {}
            () = calmed => {}
        }
        phase.send_replace(Phase::Over);
    };
    let said = async {
        while !is_over(&phases, PROGRESS).await {
            progress(&format!("{} of {invocations} Invocations ended; {kills}", work.ended()));
        }
    };
    let (stormed, (), ()) = futures::join!(stormed, worked, said);
    stormed?;
    let tally = tally::count(lab, &work).await?;
    Ok(Tally { took: started.elapsed(), kills: kills.to_string(), ..tally })
}

/// Waits so long; true as soon as all is over.
async fn is_over(phases: &watch::Receiver<Phase>, pause: Duration) -> bool {
    let mut phases = phases.clone();
    let over = phases.wait_for(|phase| *phase == Phase::Over);
    timeout(pause, over).await.is_ok()
}
