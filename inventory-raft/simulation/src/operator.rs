//! Changes the membership while everything else goes on: nodes join, are promoted, lose their vote, leave; leadership moves.

use std::time::Duration;

use inventory_api::NodeState;
use inventory_raft::simulation::Standing;
use tokio::time::sleep;

use crate::{
    client::Caller,
    dice::Dice,
    talk::{Ask, Change, Reply},
    world::World,
};

/// Fewer voters than this are not left over.
const MIN_VOTERS: usize = 3;

/// A change is asked for so often before the operator looks again at what there is.
const ATTEMPTS: u32 = 3;

const PATIENCE: Duration = Duration::from_secs(3);

/// Runs until the faults are over.
pub(crate) async fn run(world: World, every_ms: u64, mut dice: Dice) -> turmoil::Result {
    let mut caller = Caller::bind(world.clone(), "operator".to_owned(), dice.fork()).await?;
    let mut spare: Vec<u64> = (world.plan.nodes + 1..=world.plan.hosts()).collect();
    loop {
        sleep(dice.ms(every_ms / 4, every_ms * 2)).await;
        if world.state().is_calm {
            return Ok(());
        }
        let Some(leader) = leader(&world) else { continue };
        let change = next(&mut dice, &leader, &mut spare);
        for _ in 0..ATTEMPTS {
            let reply = caller.once(&Ask::Change(change.clone()), PATIENCE).await?;
            if let Some(Reply::Changed(result)) = &reply {
                world.note(&format_args!("operator {change:?}: {result:?}"));
                if result.is_ok() {
                    break;
                }
            }
        }
    }
}

fn leader(world: &World) -> Option<Standing> {
    let nodes: Vec<_> = world.state().nodes.values().cloned().collect();
    nodes.iter().map(inventory_raft::simulation::Node::standing).find(|standing| standing.state == NodeState::Leader)
}

fn next(dice: &mut Dice, leader: &Standing, spare: &mut Vec<u64>) -> Change {
    let followers: Vec<u64> = leader.voters.iter().copied().filter(|id| Some(*id) != leader.leader).collect();
    match dice.below(5) {
        0 if !spare.is_empty() => Change::AddLearner(spare.remove(0)),
        1 | 0 if !leader.learners.is_empty() => Change::Promote(*dice.pick(&leader.learners)),
        2 if leader.voters.len() > MIN_VOTERS => Change::Remove(*dice.pick(&followers)),
        // The leader too: it then hands over.
        3 if leader.voters.len() > MIN_VOTERS => Change::Demote(*dice.pick(&leader.voters)),
        _ if followers.is_empty() => Change::TransferLeader(1),
        _ => Change::TransferLeader(*dice.pick(&followers)),
    }
}
