//! What a fault at some processes comes to: processes that are held, and links that are made bad. Pure.

use deploy_api::{Link, MIN_VOTERS, ProcessFault, ProcessKind};
use fault_proxy::Condition;

use super::{
    kind::Fault,
    partition::{ShapeError, cuts},
    snapshot::Snapshot,
};

/// Links in one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkCondition {
    pub links: Vec<String>,
    pub condition: Condition,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Hold {
        processes: Vec<String>,
        fault: ProcessFault,
    },
    Links(Vec<LinkCondition>),
    /// One after the other.
    Restart {
        processes: Vec<String>,
    },
    /// Leadership of the inventory goes to this process.
    Transfer {
        to: String,
    },
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error("{0} does not run, so it cannot be hurt")]
    NotRunning(String),
    #[error("{0} is no node of the inventory; disks and clocks can be hurt there alone, and votes taken")]
    NotInventory(String),
    #[error("leadership can be handed to a voter that does not lead; there is none among the targets and no other")]
    NobodyToLead,
    #[error("{0} has no vote now, so none can be taken")]
    NoVote(String),
    #[error(
        "without {without} the inventory would have {left} voters; {MIN_VOTERS} is the least, so that what is acknowledged is on two disks"
    )]
    TooFewVoters { without: String, left: usize },
}

/// What is to be done.
pub fn plan(fault: Fault, targets: &[String], snapshot: &Snapshot) -> Result<Action, PlanError> {
    let processes = targets.to_vec();
    match fault {
        Fault::Partition(shape) => {
            let cuts = cuts(shape, targets, snapshot)?;
            Ok(Action::Links(cuts.into_iter().map(|(condition, links)| LinkCondition { links, condition }).collect()))
        }
        Fault::Link { condition, from_too } => {
            let links = links_of(targets, from_too, snapshot)?;
            Ok(Action::Links(vec![LinkCondition { links, condition }]))
        }
        Fault::RollingRestart => Ok(Action::Restart { processes: running(processes, snapshot)? }),
        Fault::LeaderTransfer => transfer(targets, snapshot),
        Fault::Process(fault) => {
            let at_inventory = [ProcessFault::DiskFull, ProcessFault::SyncFails, ProcessFault::Demoted].contains(&fault)
                || matches!(fault, ProcessFault::Clock { .. });
            if at_inventory {
                let other = |name: &&String| snapshot.process(name).is_none_or(|process| process.kind != ProcessKind::Inventory);
                if let Some(other) = processes.iter().find(other) {
                    return Err(PlanError::NotInventory(other.clone()));
                }
            }
            if fault == ProcessFault::Demoted {
                leaves_enough(&processes, snapshot)?;
            }
            Ok(Action::Hold { processes: running(processes, snapshot)?, fault })
        }
    }
}

/// A fault at what is gone anyhow would prove nothing.
fn running(processes: Vec<String>, snapshot: &Snapshot) -> Result<Vec<String>, PlanError> {
    let gone = processes.iter().find(|name| snapshot.process(name).is_none_or(|process| process.pid.is_none()));
    gone.cloned().map_or(Ok(processes), |gone| Err(PlanError::NotRunning(gone)))
}

fn leaves_enough(targets: &[String], snapshot: &Snapshot) -> Result<(), PlanError> {
    if let Some(other) = targets.iter().find(|name| !snapshot.voters.contains(*name)) {
        return Err(PlanError::NoVote(other.clone()));
    }
    let left = snapshot.voters.iter().filter(|name| !targets.contains(name)).count();
    if left < MIN_VOTERS { Err(PlanError::TooFewVoters { without: targets.join(", "), left }) } else { Ok(()) }
}

fn links_of(targets: &[String], from_too: bool, snapshot: &Snapshot) -> Result<Vec<String>, ShapeError> {
    let meant = |link: &&Link| targets.contains(&link.to) || from_too && targets.contains(&link.from);
    let links: Vec<String> = snapshot.links.iter().filter(meant).map(|link| link.name.clone()).collect();
    match (links.is_empty(), snapshot.links.is_empty()) {
        (_, true) => Err(ShapeError::NoLinks),
        (true, _) => Err(ShapeError::NothingBetween),
        _ => Ok(links),
    }
}

fn transfer(targets: &[String], snapshot: &Snapshot) -> Result<Action, PlanError> {
    let leader = snapshot.leader.as_deref();
    let voters = || snapshot.voters.iter().filter(|name| Some(name.as_str()) != leader);
    let wanted = voters().find(|name| targets.contains(name)).or_else(|| voters().next());
    wanted.map(|to| Action::Transfer { to: to.clone() }).ok_or(PlanError::NobodyToLead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::snapshot::tests::snapshot;

    fn names(of: &[&str]) -> Vec<String> {
        of.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_cannot_be_hurt_is_said_before_anything_is_done() {
        let mut snapshot = snapshot();
        snapshot.processes[0].pid = None;
        let at = |fault, target: &str| plan(fault, &names(&[target]), &snapshot);
        let kill = Fault::Process(ProcessFault::Down);
        assert_eq!(at(kill, "postgres"), Err(PlanError::NotRunning("postgres".to_owned())));
        assert_eq!(at(Fault::Process(ProcessFault::DiskFull), "edge-eu"), Err(PlanError::NotInventory("edge-eu".to_owned())));
        assert_eq!(at(kill, "edge-eu"), Ok(Action::Hold { processes: names(&["edge-eu"]), fault: ProcessFault::Down }));
    }

    #[test]
    fn a_vote_is_taken_where_there_is_one_and_two_are_left() {
        let demote = Fault::Process(ProcessFault::Demoted);
        let at = |targets: &[&str]| plan(demote, &names(targets), &snapshot());
        let held = |name: &str| Ok(Action::Hold { processes: names(&[name]), fault: ProcessFault::Demoted });
        assert_eq!(at(&["inventory-eu"]), held("inventory-eu"));
        assert_eq!(at(&["inventory-us"]), held("inventory-us"), "the leader too");
        assert_eq!(at(&["orders-eu"]), Err(PlanError::NotInventory("orders-eu".to_owned())));
        let without = "inventory-ap, inventory-eu".to_owned();
        assert_eq!(at(&["inventory-ap", "inventory-eu"]), Err(PlanError::TooFewVoters { without, left: 1 }));
        let two = snapshot().with_voters(&["inventory-eu:1".to_owned(), "inventory-us:1".to_owned()]);
        let then = |target: &str| plan(demote, &names(&[target]), &two);
        assert_eq!(then("inventory-ap"), Err(PlanError::NoVote("inventory-ap".to_owned())));
        assert!(matches!(then("inventory-eu"), Err(PlanError::TooFewVoters { left: 1, .. })));
        assert_eq!(
            plan(Fault::LeaderTransfer, &names(&["inventory-ap"]), &two),
            Ok(Action::Transfer { to: "inventory-eu".to_owned() })
        );
    }

    #[test]
    fn leadership_goes_to_a_target_or_to_another_voter() {
        let to = |targets: &[&str]| plan(Fault::LeaderTransfer, &names(targets), &snapshot());
        assert_eq!(to(&["inventory-ap"]), Ok(Action::Transfer { to: "inventory-ap".to_owned() }));
        assert_eq!(to(&["inventory-us"]), Ok(Action::Transfer { to: "inventory-ap".to_owned() }), "us leads");
    }

    #[test]
    fn links_to_a_target_and_from_it() {
        let of = |from_too| links_of(&names(&["inventory-us"]), from_too, &snapshot()).unwrap();
        assert!(of(false).iter().all(|name| name.ends_with(">inventory-us")));
        assert_eq!(of(true).len(), of(false).len() + 2, "to the two other nodes");
    }
}
