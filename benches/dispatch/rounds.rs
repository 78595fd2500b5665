//! The rounds: in each, every party is measured in turn.

use std::path::Path;

use anyhow::Context as _;
use anyhow::Result;

use crate::args::Options;
use crate::cortex;
use crate::cortex::Hub;
use crate::cortex::Node;
use crate::cortex::Programs;
use crate::embedded::Embedded;
use crate::figure::Figure;
use crate::figure::Figures;
use crate::figure::Party;
use crate::fleet;
use crate::load::AnyLane;
use crate::load::all_at_once;
use crate::load::in_flight;
use crate::load::one_at_a_time;
use crate::nats::Nats;
use crate::spawn;
use crate::ssh::Ssh;

/// Tasks under way at once.
const IN_FLIGHT: usize = 64;

/// Nodes that get a task each at the same moment.
const NODES: usize = 100;

/// How often everything is measured; the table has medians.
const ROUNDS: usize = 5;

/// The lanes of one party.
struct Lanes {
    party: Party,
    lanes: Vec<AnyLane>,
    /// What a task costs it, in tasks of the fastest: slow ones get fewer.
    weight: usize,
}

/// How much is measured in a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    rounds: usize,
    /// What all counts are divided by.
    part: usize,
}

impl Extent {
    /// As the options say.
    pub(crate) fn of(options: &Options) -> Self {
        if options.quick { Self { rounds: 1, part: 5 } } else { Self { rounds: ROUNDS, part: 1 } }
    }

    fn count(self, count: usize) -> usize {
        (count / self.part).max(IN_FLIGHT)
    }
}

/// `echo hi` on one node: one at a time, with a new process a task, and 64 in flight.
pub(crate) async fn one_node(
    options: &Options,
    programs: Option<&Programs>,
    dir: &Path,
    figures: &mut Figures,
) -> Result<()> {
    let extent = Extent::of(options);
    // Whatever is not measured is not started.
    let (mut nats, mut ssh, mut cortex) = (None, None, None);
    let mut parties = Vec::new();
    for &party in &options.parties {
        let mut lanes = Vec::with_capacity(IN_FLIGHT);
        let weight = match party {
            Party::Spawn => {
                lanes.extend((0..IN_FLIGHT).map(|_| spawn::lane()));
                1
            }
            Party::Nats => {
                let nats = nats.insert(Nats::start(dir, 1).await?);
                lanes.extend((0..IN_FLIGHT).map(|_| nats.lane(0)));
                1
            }
            Party::Ssh => {
                let ssh = ssh.insert(Ssh::start(1).await?);
                lanes.extend((0..IN_FLIGHT).map(|_| ssh.lane(0)));
                5
            }
            Party::Cortex => {
                let Some(programs) = programs else { continue };
                let hub = Hub::start(programs, dir).await?;
                let node = Node::start(programs, &hub).await?;
                let (_, node) = cortex.insert((hub, node));
                for _ in 0..IN_FLIGHT {
                    lanes.push(node.lane().await?);
                }
                1
            }
        };
        parties.push(Lanes { party, lanes, weight });
    }
    for _ in 0..extent.rounds {
        for Lanes { party, lanes, weight } in &mut parties {
            let Some(lane) = lanes.first_mut() else { continue };
            let mut sample = one_at_a_time(&mut **lane, extent.count(600 / *weight))
                .await
                .with_context(|| party.word())?;
            figures.add(Figure::Single, *party, sample.quantile(0.5));
            figures.add(Figure::SingleTail, *party, sample.quantile(0.99));
        }
        if let Some((_, node)) = &cortex {
            let mut lane = node.exec_lane();
            let mut sample = one_at_a_time(&mut *lane, extent.count(150))
                .await
                .with_context(|| Party::Cortex.word())?;
            figures.add(Figure::NewProcess, Party::Cortex, sample.quantile(0.5));
        }
        for Lanes { party, lanes, weight } in &mut parties {
            let rate = in_flight(lanes, extent.count(4_000 / *weight))
                .await
                .with_context(|| party.word())?;
            figures.add(Figure::InFlight, *party, rate);
        }
    }
    if let Some((hub, _)) = &cortex {
        figures.hub_memory = Some(hub.resident()?);
    }
    Ok(())
}

/// `echo hi` on 100 nodes at once.
pub(crate) async fn many_nodes(
    options: &Options,
    programs: Option<&Programs>,
    dir: &Path,
    figures: &mut Figures,
) -> Result<()> {
    let extent = Extent::of(options);
    let (mut nats, mut ssh, mut cortex) = (None, None, None);
    let mut parties: Vec<(Party, Vec<AnyLane>)> = Vec::new();
    for &party in &options.parties {
        let mut lanes = Vec::with_capacity(NODES);
        match party {
            Party::Spawn => lanes.extend((0..NODES).map(|_| spawn::lane())),
            Party::Nats => {
                let nats = nats.insert(Nats::start(dir, NODES).await?);
                lanes.extend((0..NODES).map(|node| nats.lane(node)));
            }
            Party::Ssh => {
                let ssh = ssh.insert(Ssh::start(NODES).await?);
                lanes.extend((0..NODES).map(|node| ssh.lane(node)));
            }
            Party::Cortex => {
                let Some(programs) = programs else { continue };
                let home = dir.join("hundred");
                std::fs::create_dir(&home)?;
                let hub = Hub::start(programs, &home).await?;
                let fleet = fleet::start(hub.api(), &home, "node", NODES).await?;
                let nodes: Vec<String> = (0..NODES).map(|node| fleet::name("node", node)).collect();
                let session = hub.api().connect().await?.session(nodes.clone()).await?;
                for node in nodes {
                    let request = cortex::echo(Some(node));
                    lanes.push(hub.api().lane(&session, &request, Some("hi\n")).await?);
                }
                cortex = Some((hub, fleet));
            }
        }
        parties.push((party, lanes));
    }
    for round in 0..=extent.rounds {
        for (party, lanes) in &mut parties {
            let took = all_at_once(lanes).await.with_context(|| party.word())?;
            // The first opens files and fills caches.
            if round > 0 {
                figures.add(Figure::Fleet, *party, took);
            }
        }
    }
    drop(cortex);
    Ok(())
}

/// A skill that does nothing: what signatures, TLS and the store cost by themselves.
pub(crate) async fn nothing(options: &Options, dir: &Path, figures: &mut Figures) -> Result<()> {
    let extent = Extent::of(options);
    let is_asked = |party| options.parties.contains(&party);
    let home = dir.join("nothing");
    std::fs::create_dir(&home)?;
    let mut all: Vec<(Figure, Figure, Party, Vec<AnyLane>)> = Vec::new();
    let (mut nats, mut embedded) = (None, None);
    if is_asked(Party::Nats) {
        let nats = nats.insert(Nats::start(&home, 1).await?);
        let lanes = (0..IN_FLIGHT).map(|_| nats.idle_lane()).collect();
        all.push((Figure::Nothing, Figure::NothingInFlight, Party::Nats, lanes));
    }
    if is_asked(Party::Cortex) {
        let cortex = embedded.insert(Embedded::start(&home).await?);
        let lanes = (0..IN_FLIGHT).map(|_| cortex.lane()).collect();
        all.push((Figure::Nothing, Figure::NothingInFlight, Party::Cortex, lanes));
        let mut lanes = Vec::with_capacity(IN_FLIGHT);
        for _ in 0..IN_FLIGHT {
            lanes.push(cortex.rest_lane().await?);
        }
        all.push((Figure::NothingRest, Figure::NothingRestInFlight, Party::Cortex, lanes));
    }
    for _ in 0..extent.rounds {
        for (single, many, party, lanes) in &mut all {
            let Some(lane) = lanes.first_mut() else { continue };
            let mut sample = one_at_a_time(&mut **lane, extent.count(2_000))
                .await
                .with_context(|| party.word())?;
            figures.add(*single, *party, sample.quantile(0.5));
            figures.add(
                *many,
                *party,
                in_flight(lanes, extent.count(20_000)).await.with_context(|| party.word())?,
            );
        }
    }
    // The lanes hold the hub.
    drop(all);
    match embedded {
        Some(embedded) => embedded.stop().await,
        None => Ok(()),
    }
}
