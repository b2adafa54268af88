//! The process: storage, Raft, the client API, the peers' port, and the leader's own duties.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use storefront_service::{Door, Listeners, Readiness, routed, serve_behind, serve_connections};
use storefront_tls::{Tls, Wanted};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    batcher::Batcher,
    clock,
    config::Config,
    consensus::{Consensus, Directories, Placement, Settling},
    http::{self, Api},
    identity,
    read::ReadRounds,
    space::Space,
    stock::{Command, MAX_EXPIRE_PER_COMMAND},
};

/// How often the leader looks for reservations whose time is over, and metrics of the node are refreshed.
const TICK: Duration = Duration::from_millis(100);

/// The listener for peers.
#[derive(Debug)]
pub struct RaftListener(pub TcpListener);

impl RaftListener {
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        let address = config.raft_listen;
        Ok(Self(TcpListener::bind(address).await.with_context(|| format!("cannot listen for peers on {address}"))?))
    }
}

/// Runs a node until `shutdown`, or until its log fails. Then it must not carry on: an error is returned.
pub async fn run(config: Config, listeners: Listeners, raft: RaftListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    let tls = config.tls.clone().choose()?;
    let tls = tls.map(|files| Tls::open_node(files, &config.cluster_id, config.node_id)).transpose()?.map(Tls::followed);
    if let Some(file) = config.clock_offset_file.clone() {
        tokio::spawn(clock::follow(file));
    }
    let lock = identity::claim(&config.data_dir, &config.cluster_id, config.node_id)?;
    let directories =
        Arc::new(Directories::open(&config.data_dir, config.node_id, lock.directory).context("who was met before")?);
    let (consensus, peers) = Consensus::start(config.consensus(), directories.clone(), tls.as_ref()).await?;
    let consensus = Arc::new(consensus);
    let (batcher, reads) = (Batcher::start(consensus.clone()), ReadRounds::start(consensus.clone()));
    let space = Space::new(&config.data_dir, config.space_limits());
    let readiness = Readiness::new(&["raft"]);
    let placement = Placement::new(config.leader_region.clone(), Duration::from_millis(config.heartbeat_ms));
    let api = Arc::new(Api {
        consensus: consensus.clone(),
        batcher: batcher.clone(),
        reads,
        space: space.clone(),
        region: config.region.clone(),
        stopping: shutdown.clone(),
    });
    // Peers are served until the client port has drained: a proposal under way still needs their answers.
    let door_for_peers = door(tls.as_ref(), Wanted::OtherNode, "raft");
    let peers = tokio::spawn(serve_connections(raft.0, door_for_peers, routed(peers), std::future::pending()));
    let clients = door(tls.as_ref(), Wanted::Member, "client");
    let served = tokio::select! {
        served = serve_behind(clients, listeners, http::service(api), readiness.clone(), shutdown) => served,
        reason = consensus.failed() => Err(anyhow::anyhow!("Raft stopped: {reason}")),
        reason = directories.denied() => Err(anyhow::anyhow!(reason)),
        () = space.watch() => Ok(()),
        () = lead(consensus.clone(), batcher, readiness.clone(), placement) => Ok(()),
    };
    peers.abort();
    consensus.stop().await;
    drop(lock);
    served
}

fn door(tls: Option<&Tls>, wanted: Wanted, port: &'static str) -> Door {
    tls.map_or(Door::Open, |tls| Door::Tls(tls.acceptor(wanted, port)))
}

/// The duties of a leader, and what the node tells about itself. Never returns.
pub(crate) async fn lead(consensus: Arc<Consensus>, batcher: Batcher, readiness: Readiness, mut placement: Placement) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut replay, mut settling) = (Replay::default(), Settling::default());
    loop {
        tick.tick().await;
        let view = consensus.view();
        replay.look(&consensus).await;
        settling.look(&consensus).await;
        placement.look(&consensus).await;
        metrics::gauge!("inventory_has_leader").set(if view.leader.is_some() { 1.0 } else { 0.0 });
        metrics::gauge!("inventory_leads").set(if consensus.is_leader() { 1.0 } else { 0.0 });
        metrics::gauge!("inventory_queue_depth").set(batcher.depth() as f64);
        metrics::gauge!("inventory_term").set(view.term as f64);
        metrics::gauge!("inventory_applied_index").set(consensus.log_progress().applied as f64);
        let state = view.leader.as_ref().map(|_| ()).ok_or_else(|| "no leader is known".to_owned());
        readiness.set("raft", state.and_then(|()| replay.state()));
        consensus.snapshot_when_due().await;
        let due = consensus.shared.read().inventory.next_expiry().is_some_and(|at| at <= clock::now());
        if due && consensus.is_leader() {
            let sweep = batcher.submit(vec![Command::Expire { limit: MAX_EXPIRE_PER_COMMAND }]);
            if let Err(error) = sweep.await {
                tracing::debug!(%error, "the sweep waits for the next tick");
            }
        }
    }
}

/// Whether a node that was just started has applied again what was committed before.
#[derive(Default)]
struct Replay {
    /// What was committed when a leader was first heard.
    until: Option<u64>,
    is_over: bool,
}

impl Replay {
    async fn look(&mut self, consensus: &Consensus) {
        if self.is_over {
            return;
        }
        if consensus.is_leader() {
            self.is_over = consensus.ensure_linearizable().await.is_ok();
            return;
        }
        let heard = Some(consensus.shared.heard_commit()).filter(|commit| *commit > 0);
        self.until = self.until.or(heard);
        self.is_over = self.until.is_some_and(|until| consensus.shared.read().index() >= until);
    }

    fn state(&self) -> Result<(), String> {
        if self.is_over { Ok(()) } else { Err("what was committed before the start is being applied".to_owned()) }
    }
}
