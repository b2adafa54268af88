//! What the nodes do inside, looked at as it happens.
//!
//! The log as it was first applied is the truth: a ledger that applies it from the beginning, without crashes and snapshots, says what
//! every node must have at each index.

use std::collections::{BTreeMap, BTreeSet};

use inventory_raft::{
    simulation::{Node, Place, Seen, Standing, StoredVote},
    stock::{Frozen, Inventory, Outcome},
};

use super::{history::asked, same_decision, stock_sums};

/// The ledgers are compared as a whole at every so many entries, and whenever a node has begun or taken over a snapshot; what they decide is
/// compared at each. Hashing a ledger takes most of the time of a look.
const COMPARE_EVERY: u64 = 4;

type Content = [u8; 32];
type Checked = Result<(), String>;

/// An entry as it was first applied, and the ledger after it.
struct Committed {
    place: Place,
    content: Content,
    outcomes: Vec<Outcome>,
    state: Frozen,
    hash: Option<String>,
}

impl Committed {
    fn hash(&mut self) -> &str {
        self.hash.get_or_insert_with(|| self.state.state_hash())
    }
}

#[derive(Default)]
pub(crate) struct Steps {
    model: Inventory,
    committed: BTreeMap<u64, Committed>,
    /// What stands at each place in any log.
    written: BTreeMap<Place, Content>,
    /// Leaders seen, by term and node.
    leaders: BTreeSet<(u64, u64)>,
    /// The index up to which each running node was followed.
    followed: BTreeMap<u64, u64>,
    /// The highest vote that each node told another.
    promised: BTreeMap<u64, StoredVote>,
    /// Everything that was decided about a command, in the order of the log.
    decided: BTreeMap<super::history::Asked, Vec<Outcome>>,
}

fn describe(place: Place) -> String {
    format!("entry {} of term {} by node {}", place.index, place.term, place.leader)
}

impl Steps {
    /// Entries committed.
    pub(crate) fn entries(&self) -> usize {
        self.committed.len()
    }

    /// Leaders that were seen.
    pub(crate) fn elections(&self) -> usize {
        self.leaders.len()
    }

    /// Something is written to a log: the same place never has two contents.
    pub(crate) fn written(&mut self, node: u64, entries: &[(Place, Content)]) -> Checked {
        for (place, content) in entries {
            if self.written.insert(*place, *content).is_some_and(|known| known != *content) {
                return Err(format!("node {node} writes {} with another content than before", describe(*place)));
            }
        }
        Ok(())
    }

    /// A node applied an entry.
    pub(crate) fn applied(&mut self, node: u64, seen: &Seen<'_>) -> Checked {
        let place = seen.place;
        if !self.committed.contains_key(&place.index) {
            self.commit(node, seen)?;
        }
        let Some(known) = self.committed.get_mut(&place.index) else { return Ok(()) };
        if (known.place, known.content) != (place, seen.content) {
            let (was, is) = (describe(known.place), describe(place));
            return Err(format!("a committed entry changed: {was} was applied, then node {node} applied {is}"));
        }
        if known.outcomes != seen.outcomes {
            return Err(format!(
                "node {node} decided {} otherwise: {:?}, not {:?}",
                describe(place),
                seen.outcomes,
                known.outcomes
            ));
        }
        if place.index.is_multiple_of(COMPARE_EVERY) || !self.followed.contains_key(&node) {
            return self.compare(node, place.index, seen.inventory);
        }
        self.followed.insert(node, place.index);
        Ok(())
    }

    /// An entry is applied for the first time.
    fn commit(&mut self, node: u64, seen: &Seen<'_>) -> Checked {
        let place = seen.place;
        if let Some((last, before)) = self.committed.last_key_value() {
            if place.index != last + 1 {
                return Err(format!("node {node} applied {} behind entry {last}: a gap", describe(place)));
            }
            if (place.term, place.leader) < (before.place.term, before.place.leader) {
                return Err(format!(
                    "leaders went back: node {node} applied {} behind {}",
                    describe(place),
                    describe(before.place)
                ));
            }
        }
        let outcomes = if seen.commands.is_empty() { Vec::new() } else { self.model.apply_entry(seen.time, seen.commands) };
        stock_sums::check(&self.model)?;
        for (command, outcome) in seen.commands.iter().zip(&outcomes) {
            let Some(asked) = asked(command) else { continue };
            let decided = self.decided.entry(asked).or_default();
            if asked.is_once() && decided.first().is_some_and(|first| !same_decision(first, outcome)) {
                return Err(format!("{command:?} was decided twice: {:?}, then {outcome:?}", decided[0]));
            }
            decided.push(outcome.clone());
        }
        let committed = Committed { place, content: seen.content, outcomes, state: self.model.freeze(), hash: None };
        self.committed.insert(place.index, committed);
        Ok(())
    }

    /// Every node has the same ledger at the same index.
    fn compare(&mut self, node: u64, index: u64, inventory: &Inventory) -> Checked {
        let Some(known) = self.committed.get_mut(&index) else {
            return Err(format!("node {node} has applied up to entry {index}, which nobody committed"));
        };
        let hash = inventory.state_hash();
        if known.hash() != hash {
            let (expected, place) = (known.hash().to_owned(), describe(known.place));
            let expected_records = records(&known.state);
            let found = records(&inventory.freeze());
            return Err(format!(
                "node {node} has another ledger than the log says after {place}: hash {hash}, not {expected}; {}",
                difference(&expected_records, &found)
            ));
        }
        self.followed.insert(node, index);
        Ok(())
    }

    /// Looks at all running nodes after a step of the simulation.
    pub(crate) fn step(&mut self, nodes: &BTreeMap<u64, Node>) -> Checked {
        for (id, node) in nodes {
            let standing = node.standing();
            self.leader(*id, &standing)?;
            if standing.applied == 0 || self.followed.get(id) == Some(&standing.applied) {
                continue;
            }
            node.look(|index, inventory| {
                stock_sums::check(inventory)?;
                self.compare(*id, index, inventory)
            })?;
        }
        Ok(())
    }

    /// Compares all running nodes, wherever they are.
    pub(crate) fn last(&mut self, nodes: &BTreeMap<u64, Node>) -> Checked {
        self.followed.clear();
        self.step(nodes)
    }

    /// A new leader has every committed entry of those before it.
    fn leader(&mut self, id: u64, standing: &Standing) -> Checked {
        let leads = standing.state == inventory_api::NodeState::Leader;
        if !leads || !self.leaders.insert((standing.term, id)) {
            return Ok(());
        }
        let earlier = |committed: &&Committed| (committed.place.term, committed.place.leader) < (standing.term, id);
        let must_have = self.committed.values().rev().find(earlier).map_or(0, |committed| committed.place.index);
        let later = self.committed.values().next_back().filter(|last| (last.place.term, last.place.leader) > (standing.term, id));
        if let Some(later) = later.filter(|later| later.place.term == standing.term) {
            return Err(format!("node {id} begins to lead term {} behind {}", standing.term, describe(later.place)));
        }
        if standing.last_log < must_have {
            let (term, has) = (standing.term, standing.last_log);
            return Err(format!("node {id} leads term {term} with a log up to {has}; {must_have} was committed before"));
        }
        Ok(())
    }

    /// A node is about to tell another which vote it has.
    pub(crate) fn promise(&mut self, node: u64, vote: StoredVote) {
        let promised = self.promised.entry(node).or_default();
        *promised = (*promised).max(vote);
    }

    /// A node ends. Its ledger is looked at anew when it is back.
    pub(crate) fn ended(&mut self, node: u64) {
        self.followed.remove(&node);
    }

    /// A node begins with what is on its disk: votes that it gave are there.
    pub(crate) fn begins(&self, node: u64, vote: Option<StoredVote>) -> Checked {
        let promised = self.promised.get(&node).copied().unwrap_or_default();
        if vote.unwrap_or_default() < promised {
            return Err(format!("node {node} told others that its vote is {promised:?}, and comes back with {vote:?}"));
        }
        Ok(())
    }

    /// A client was told an outcome: the log decided it.
    pub(crate) fn acknowledged(&self, asked: super::history::Asked, outcome: &Outcome) -> Checked {
        let decided = self.decided.get(&asked).map_or(&[][..], Vec::as_slice);
        if decided.iter().any(|decided| same_decision(decided, outcome)) {
            return Ok(());
        }
        Err(format!("a client was told {outcome:?} for {asked:?}; the log has {decided:?}"))
    }

    /// A client was told that certainly nothing happened: the log has nothing of it.
    pub(crate) fn refused(&self, asked: super::history::Asked) -> Checked {
        match self.decided.get(&asked) {
            Some(decided) => Err(format!("a client was told that nothing came of {asked:?}; the log has {decided:?}")),
            None => Ok(()),
        }
    }
}

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

fn records(state: &Frozen) -> Records {
    let mut found = Records::new();
    let all: Result<(), std::convert::Infallible> = state.each_record(|key, value| {
        found.insert(key.to_vec(), value.to_vec());
        Ok(())
    });
    let Ok(()) = all;
    found
}

/// What differs, for the one who looks for the reason.
fn difference(expected: &Records, found: &Records) -> String {
    let missing = expected.keys().filter(|key| !found.contains_key(*key)).count();
    let extra = found.keys().filter(|key| !expected.contains_key(*key)).count();
    let other = expected.iter().find(|(key, value)| found.get(*key).is_some_and(|found| found != *value));
    let other = other.map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), value, &found[key]));
    format!("{missing} records are missing, {extra} should not be there, the first that differs is {other:?}")
}
