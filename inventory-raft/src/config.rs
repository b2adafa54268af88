//! Command line and environment.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use storefront_service::ListenArgs;
use storefront_tls::TlsArgs;

use crate::{
    consensus::{ConsensusConfig, Peer},
    space::Limits,
};

/// A node of the inventory cluster: a Raft-replicated stock ledger.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "inventory-raft", version)]
pub struct Config {
    /// Id of this node; never used for another one, also not after its data was lost
    #[arg(long, env = "NODE_ID")]
    pub node_id: u64,
    /// Name of the cluster; peers of another one are refused
    #[arg(long, env = "CLUSTER_ID", default_value = "inventory")]
    pub cluster_id: String,
    /// Region this node stands in
    #[arg(long, env = "REGION")]
    pub region: String,
    /// Directory of the log, the state and the snapshots
    #[arg(long, env = "DATA_DIR")]
    pub data_dir: PathBuf,
    #[command(flatten)]
    pub listen: ListenArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Address for peers
    #[arg(long, env = "RAFT_LISTEN")]
    pub raft_listen: SocketAddr,
    /// First members, this node among them: ID=REGION@CLIENT_HOST:PORT@RAFT_HOST:PORT, separated by commas
    #[arg(long, env = "PEERS", value_delimiter = ',')]
    pub peers: Vec<PeerArg>,
    /// Begin the cluster with the given peers if it has not begun; all of them may be told to
    #[arg(long, env = "BOOTSTRAP")]
    pub bootstrap: bool,
    /// Between two heartbeats in milliseconds; at least twice the largest round trip, with TLS three times
    #[arg(long, env = "HEARTBEAT_MS", default_value_t = 100)]
    pub heartbeat_ms: u64,
    /// Shortest silence of the leader in milliseconds after which a follower asks for votes; the longest is 1.3 times that
    #[arg(long, env = "ELECTION_MS", default_value_t = 400)]
    pub election_ms: u64,
    /// Region whose voter leads as long as it is well; without it, whoever is elected goes on
    #[arg(long, env = "LEADER_REGION")]
    pub leader_region: Option<String>,
    /// Log entries between two snapshots
    #[arg(long, env = "SNAPSHOT_EVERY", default_value_t = 50_000)]
    pub snapshot_every: u64,
    /// Bytes that must stay free on the data directory's disk; below, new reservations are refused with an alarm
    #[arg(long, env = "MIN_FREE_BYTES", default_value_t = 256 * 1024 * 1024)]
    pub min_free_bytes: u64,
    /// Bytes that the data directory may take before the same alarm; 0 for as many as there are
    #[arg(long, env = "MAX_DATA_BYTES", default_value_t = 0)]
    pub max_data_bytes: u64,
    /// A file with the milliseconds that this node's clock is to be ahead, or behind; for drills. Looked at all the time
    #[arg(long, env = "CLOCK_OFFSET_FILE")]
    pub clock_offset_file: Option<PathBuf>,
    /// Threads that serve callers and peers; half of the processors unless given. The log's writer, snapshots and the state directory have
    /// threads of their own
    #[arg(long, env = "WORKERS", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub workers: Option<u16>,
}

/// One member as given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerArg {
    id: u64,
    region: String,
    client: String,
    raft: String,
}

impl FromStr for PeerArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || format!("{text:?} is not ID=REGION@CLIENT_HOST:PORT@RAFT_HOST:PORT");
        let (id, rest) = text.split_once('=').ok_or_else(shape)?;
        let mut parts = rest.split('@').map(str::to_owned);
        let (Some(region), Some(client), Some(raft), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(shape());
        };
        Ok(Self { id: id.parse().map_err(|_| shape())?, region, client, raft })
    }
}

impl Config {
    /// Half of the processors: a hand-over from one thread to another costs a lone caller more than it gains him (273 us against 346 us on
    /// two processors), and many callers nothing.
    pub fn worker_threads(&self) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        self.workers.map_or(processors.div_ceil(2), usize::from)
    }

    pub(crate) fn space_limits(&self) -> Limits {
        Limits { min_free: self.min_free_bytes, max_used: self.max_data_bytes }
    }

    pub(crate) fn consensus(&self) -> ConsensusConfig {
        ConsensusConfig {
            cluster_id: self.cluster_id.clone(),
            node_id: self.node_id,
            data_dir: self.data_dir.clone(),
            heartbeat: Duration::from_millis(self.heartbeat_ms),
            silence: Duration::from_millis(self.election_ms),
            snapshot_every: self.snapshot_every,
            members: members(&self.peers),
            bootstrap: self.bootstrap,
        }
    }
}

/// The members of a cluster by id.
pub(crate) fn members(peers: &[PeerArg]) -> BTreeMap<u64, Peer> {
    let peer = |arg: &PeerArg| {
        let (client, raft, region) = (arg.client.clone(), arg.raft.clone(), arg.region.clone());
        (arg.id, Peer { client, raft, region })
    };
    peers.iter().map(peer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_id_region_and_two_addresses() {
        let peer: PeerArg = "1=eu@127.0.0.1:1@127.0.0.1:2".parse().unwrap();
        assert_eq!((peer.id, peer.region.as_str(), peer.raft.as_str()), (1, "eu", "127.0.0.1:2"));
        for bad in ["", "1", "x=eu@a@b", "1=eu@a", "1=eu@a@b@c"] {
            assert!(bad.parse::<PeerArg>().is_err(), "{bad:?}");
        }
    }
}
