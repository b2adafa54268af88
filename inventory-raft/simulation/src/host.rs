//! A node's host: the node, its peers' port and its clients' port.

use std::{io, sync::Arc, time::Duration};

use inventory_raft::{
    simulation::{Journal, Node, Seen, Settings, Unanswered, last_vote},
    stock::Command,
};
use turmoil::net::UdpSocket;

use crate::{
    plan::Bug,
    talk::{Ask, CLIENT_PORT, Change, DATAGRAM_BYTES, Reply},
    wire::NodeWire,
    world::World,
};

/// As a node has it by default.
const HEARTBEAT: Duration = Duration::from_millis(100);
const SILENCE: Duration = Duration::from_millis(400);

/// Runs until the host is crashed. A node that stops by itself is a finding.
pub(crate) async fn run(world: World, id: u64) -> turmoil::Result {
    let (disk, incarnation) = {
        let mut state = world.state();
        state.incarnations += 1;
        let disk = state.disks.get(&id).cloned().ok_or("a node without a disk")?;
        (disk, state.incarnations)
    };
    let wire = NodeWire::bind(world.clone(), id, incarnation).await?;
    let settings = Settings {
        node_id: id,
        data_dir: world.directory(id),
        heartbeat: HEARTBEAT,
        silence: SILENCE,
        snapshot_every: world.plan.snapshot_every,
        members: if id <= world.plan.nodes { (1..=world.plan.nodes).collect() } else { Vec::new() },
    };
    let journal = disk.open(world.clone(), id);
    let vote = last_vote(&journal.records());
    world.begins(id, vote);
    world.note(&format_args!("n{id} begins, its vote is {vote:?}"));
    let seen_by = world.clone();
    let sight = Box::new(move |seen: &Seen<'_>| seen_by.applied(id, seen));
    let node = Node::start(settings, journal, Arc::new(wire.clone()), sight).await?;
    world.state().nodes.insert(id, node.clone());
    let reason = tokio::select! {
        biased;
        reason = node.run() => reason,
        broken = wire.serve(node.clone()) => format!("the peers' port: {broken:?}"),
        broken = serve_clients(world.clone(), node.clone()) => format!("the clients' port: {broken:?}"),
    };
    world.state().violated(format!("node {id} stopped by itself: {reason}"));
    Ok(())
}

async fn serve_clients(world: World, node: Node) -> io::Result<()> {
    let socket = Arc::new(UdpSocket::bind(("0.0.0.0", CLIENT_PORT)).await?);
    let mut buffer = vec![0; DATAGRAM_BYTES];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await?;
        let Ok((number, ask)) = postcard::from_bytes::<(u64, Ask)>(&buffer[..length]) else { continue };
        let (socket, node, bug) = (socket.clone(), node.clone(), world.plan.bug);
        tokio::spawn(async move {
            let reply = answer(&node, ask, bug).await;
            if let Ok(bytes) = postcard::to_stdvec(&(number, reply)) {
                // What does not get through is lost like any message.
                let _ = socket.send_to(&bytes, from).await;
            }
        });
    }
}

async fn answer(node: &Node, ask: Ask, bug: Option<Bug>) -> Reply {
    match ask {
        Ask::Submit(commands) => submit(node, commands).await,
        Ask::Read { sku, linearizable } => {
            if linearizable && bug != Some(Bug::StaleRead) && node.linearize().await.is_err() {
                return refused(node);
            }
            Reply::Stock(node.look(|_, inventory| inventory.stock(&sku).cloned()))
        }
        Ask::Change(change) => Reply::Changed(match change {
            Change::AddLearner(id) => node.add_learner(id).await,
            Change::Promote(id) => node.promote(id).await,
            Change::Demote(id) => node.demote(id).await,
            Change::Remove(id) => node.remove(id).await,
            Change::TransferLeader(to) => node.transfer_leader(to).await,
        }),
    }
}

fn refused(node: &Node) -> Reply {
    Reply::Refused { leader: node.standing().leader }
}

async fn submit(node: &Node, commands: Vec<Command>) -> Reply {
    match node.submit(commands).await {
        Ok(outcomes) => Reply::Outcomes(outcomes),
        Err(Unanswered::Refused) => refused(node),
        Err(Unanswered::Unknown) => Reply::Unknown,
    }
}
