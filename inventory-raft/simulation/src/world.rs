//! What outlives the processes of a run: disks, what happened, and what was found. The hosts share it; one thread runs them all.

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use inventory_api::NodeState;
use inventory_raft::{
    simulation::{Node, Place, Seen, StoredVote},
    stock::LogTime,
};

use crate::{
    check::{History, Op, Steps},
    dice::Dice,
    disk::Disk,
    plan::Plan,
    run::Options,
};

/// When the simulated world begins, in milliseconds since the Unix epoch.
pub(crate) const EPOCH_MS: u64 = 1_750_000_000_000;

/// The simulated wall clock.
pub(crate) fn now() -> LogTime {
    let elapsed = turmoil::sim_elapsed().unwrap_or_default();
    LogTime(EPOCH_MS + u64::try_from(elapsed.as_millis()).unwrap_or_default())
}

/// What happened, as a hash; two runs are the same if theirs are. Printed when asked for.
pub(crate) struct Trace {
    hasher: blake3::Hasher,
    print: bool,
}

impl Trace {
    fn note(&mut self, at: Duration, line: &impl fmt::Display) {
        let line = format!("{:>9.3} {line}\n", at.as_secs_f64());
        self.hasher.update(line.as_bytes());
        if self.print {
            eprint!("{line}");
        }
    }

    pub(crate) fn hash(&self) -> String {
        self.hasher.finalize().to_hex()[..16].to_owned()
    }
}

pub(crate) struct State {
    pub(crate) disks: BTreeMap<u64, Disk>,
    /// Running nodes.
    pub(crate) nodes: BTreeMap<u64, Node>,
    /// Processes begun, of all nodes.
    pub(crate) incarnations: u64,
    pub(crate) trace: Trace,
    pub(crate) history: History,
    pub(crate) steps: Steps,
    /// For what hosts draw.
    pub(crate) dice: Dice,
    looks_inside: bool,
    /// The first thing that is wrong.
    violation: Option<String>,
    /// There is something to sell.
    pub(crate) is_stocked: bool,
    /// Faults are over and every member is up.
    pub(crate) is_calm: bool,
}

impl State {
    pub(crate) fn violated(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    fn found(&mut self, checked: Result<(), String>) {
        if let Err(what) = checked {
            self.violated(what);
        }
    }

    /// A client has its answer.
    pub(crate) fn add(&mut self, op: Op) {
        let added = self.history.add(op, self.looks_inside.then_some(&self.steps));
        self.found(added);
    }
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) plan: Arc<Plan>,
    directory: PathBuf,
    state: Arc<Mutex<State>>,
}

impl World {
    pub(crate) fn new(plan: Plan, directory: PathBuf, dice: Dice, options: &Options) -> Self {
        let state = State {
            disks: BTreeMap::new(),
            nodes: BTreeMap::new(),
            incarnations: 0,
            trace: Trace { hasher: blake3::Hasher::new(), print: options.trace },
            history: History::default(),
            steps: Steps::default(),
            dice,
            looks_inside: options.looks_inside,
            violation: None,
            is_stocked: false,
            is_calm: false,
        };
        Self { plan: Arc::new(plan), directory, state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a node's snapshots lie.
    pub(crate) fn directory(&self, node: u64) -> PathBuf {
        self.directory.join(node.to_string())
    }

    /// Notes something that a host does.
    pub(crate) fn note(&self, line: &impl fmt::Display) {
        self.note_at(turmoil::sim_elapsed().unwrap_or_default(), line);
    }

    /// Notes something that happens between the steps.
    pub(crate) fn note_at(&self, at: Duration, line: &impl fmt::Display) {
        self.state().trace.note(at, line);
    }

    /// A node has crashed: what it had not synced is lost.
    pub(crate) fn ends(&self, node: u64, at: Duration) {
        // Dropped without the lock: a node's end may look at the world.
        let gone = self.state().nodes.remove(&node);
        drop(gone);
        let mut state = self.state();
        state.steps.ended(node);
        let lost = state.disks.get(&node).map_or(0, Disk::crash);
        state.trace.note(at, &format_args!("n{node} crashes and loses {lost} records"));
    }

    /// A node begins with the records of its disk.
    pub(crate) fn begins(&self, node: u64, vote: Option<StoredVote>) {
        let mut state = self.state();
        if state.looks_inside {
            let checked = state.steps.begins(node, vote);
            state.found(checked);
        }
    }

    pub(crate) fn applied(&self, node: u64, seen: &Seen<'_>) {
        let mut state = self.state();
        let at = turmoil::sim_elapsed().unwrap_or_default();
        state.trace.note(at, &format_args!("n{node} applies {:?}", seen.place));
        if state.looks_inside {
            let checked = state.steps.applied(node, seen);
            state.found(checked);
        }
    }

    pub(crate) fn written(&self, node: u64, entries: &[(Place, [u8; 32])]) {
        let mut state = self.state();
        if state.looks_inside {
            let checked = state.steps.written(node, entries);
            state.found(checked);
        }
    }

    pub(crate) fn promised(&self, node: u64, vote: StoredVote) {
        self.state().steps.promise(node, vote);
    }

    /// A node that takes itself for the leader.
    pub(crate) fn leader(&self) -> Option<u64> {
        let leads = |node: &Node| node.standing().state == NodeState::Leader;
        self.state().nodes.iter().find(|(_, node)| leads(node)).map(|(id, _)| *id)
    }

    /// Looks at all nodes after a step: the first thing that is wrong.
    pub(crate) fn look(&self) -> Result<(), String> {
        let mut state = self.state();
        let State { nodes, steps, looks_inside, violation, .. } = &mut *state;
        if let Some(violation) = violation.take() {
            return Err(violation);
        }
        if *looks_inside { steps.step(nodes) } else { Ok(()) }
    }

    /// Looks at all nodes and at what clients were told, when all is over.
    pub(crate) fn judge(&self) -> Result<(), String> {
        let mut state = self.state();
        let State { nodes, steps, history, looks_inside, .. } = &mut *state;
        if *looks_inside {
            steps.last(nodes)?;
        }
        history.judge(looks_inside.then_some(steps))
    }
}
