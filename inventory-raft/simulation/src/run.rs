//! One run, from its seed to what was found.

use std::{
    cell::RefCell,
    panic,
    sync::Once,
    thread,
    time::{Duration, SystemTime},
};

use inventory_api::NodeState;
use inventory_raft::simulation::Node;
use serde::{Deserialize, Serialize};
use turmoil::Sim;

use crate::{
    client,
    dice::Dice,
    disk::Disk,
    entropy, host, operator,
    plan::{Bug, Plan},
    storm::Storm,
    talk,
    world::{self, World},
};

const TICK: Duration = Duration::from_millis(1);

/// Longest time until everything is answered and every node is up to date, when the faults are over: many elections.
const CALM_LIMIT: Duration = Duration::from_secs(60);

/// Debug builds nest futures deeply.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// What may be chosen about a run beside its seed.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A fault to plant.
    pub bug: Option<Bug>,
    /// First members; `None`: the seed says.
    pub nodes: Option<u64>,
    /// Looks into the nodes at every step. Otherwise only what clients were told is judged.
    pub looks_inside: bool,
    /// Prints what happens.
    pub trace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { bug: None, nodes: None, looks_inside: true, trace: false }
    }
}

/// What a run was and what it found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub seed: u64,
    /// A hash of all that happened: equal for two runs that were the same.
    pub trace: String,
    /// What is wrong, if anything is.
    pub violation: Option<String>,
    /// Operations of clients that were answered or given up.
    pub operations: usize,
    /// Log entries committed.
    pub entries: usize,
    pub leaders: usize,
    pub crashes: u64,
    /// Simulated time.
    pub lasted: Duration,
}

thread_local! {
    static PANICKED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A panic anywhere in a run is a finding, also in a task that nobody waits for.
fn watch_panics() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            if thread::current().name().is_some_and(|name| name.starts_with("seed ")) {
                PANICKED.with_borrow_mut(|panicked| panicked.get_or_insert_with(|| what.to_string()).truncate(2_000));
            } else {
                usual(what);
            }
        }));
    });
}

/// Runs a seed on a thread of its own, which is the run's only one.
///
/// Runtimes and tasks are numbered through the whole process, and the numbers take part in what is drawn: only the first run of a process
/// is the same as the first run of another.
///
/// # Errors
/// The thread cannot be started, there is no room for the nodes' snapshots, or randomness does not come from the seed.
pub fn simulate(seed: u64, options: Options) -> std::io::Result<Report> {
    watch_panics();
    inventory_raft::simulation::simulate_clock(world::now);
    let directory = tempfile::tempdir()?;
    let path = directory.path().to_owned();
    let run = move || {
        entropy::seed(seed);
        if !entropy::is_in_place() {
            return Err(std::io::Error::other(
                "in this build randomness does not come from the seed; use the dev or the soak profile",
            ));
        }
        let mut dice = Dice::new(seed);
        let plan = Plan::of(&mut dice, &options);
        let world = World::new(plan, path, dice.fork(), &options);
        let mut run = Run { storm: Storm::new(dice.fork()), world, sim: builder(&mut dice) };
        run.people(&mut dice);
        let found = panic::catch_unwind(panic::AssertUnwindSafe(|| run.whole())).unwrap_or_else(|_| Err("a panic".to_owned()));
        let found = PANICKED.with_borrow_mut(Option::take).map_or(found, Err);
        Ok(run.report(seed, found.err()))
    };
    let thread = thread::Builder::new().name(format!("seed {seed}")).stack_size(STACK_BYTES).spawn(run)?;
    thread.join().map_err(|_| std::io::Error::other(format!("the thread of seed {seed} broke down")))?
}

fn builder(dice: &mut Dice) -> Sim<'static> {
    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(dice.draw())
        .epoch(SystemTime::UNIX_EPOCH + Duration::from_millis(world::EPOCH_MS))
        .tick_duration(TICK)
        .simulation_duration(Duration::from_secs(3_600))
        .tcp_capacity(4_096)
        .udp_capacity(4_096)
        .enable_random_order();
    builder.build()
}

struct Run {
    world: World,
    storm: Storm,
    sim: Sim<'static>,
}

impl Run {
    fn people(&mut self, dice: &mut Dice) {
        let (world, sim) = (&self.world, &mut self.sim);
        world.note_at(Duration::ZERO, &format_args!("{:?}", world.plan));
        for node in 1..=world.plan.hosts() {
            let disk = Disk::new(world.plan.sync, world.plan.bug, dice.fork());
            world.state().disks.insert(node, disk);
            let world = world.clone();
            sim.host(talk::host(node), move || host::run(world.clone(), node));
        }
        for number in 1..=world.plan.clients {
            sim.client(format!("c{number}"), client::run(world.clone(), number, dice.fork()));
        }
        if let Some(every_ms) = world.plan.change_every {
            sim.client("operator", operator::run(world.clone(), every_ms, dice.fork()));
        }
        sim.set_max_message_latency(world.plan.max_latency);
        sim.set_fail_rate(world.plan.link_failure);
    }

    /// One step of everything, and a look at what it did. Says whether the clients are done.
    fn step(&mut self) -> Result<bool, String> {
        let is_done = self.sim.step().map_err(|error| format!("the simulation stopped: {error}"))?;
        if let Some(panicked) = PANICKED.with_borrow_mut(Option::take) {
            return Err(panicked);
        }
        self.world.look()?;
        Ok(is_done)
    }

    fn whole(&mut self) -> Result<(), String> {
        let stocked = |run: &Self| run.world.state().is_stocked;
        while !stocked(self) {
            self.step()?;
            if self.sim.elapsed() > CALM_LIMIT {
                return Err("the cluster does not begin".to_owned());
            }
        }
        let ends = self.sim.elapsed() + self.world.plan.storm;
        while self.sim.elapsed() < ends {
            self.storm.blow(&mut self.sim, &self.world);
            self.step()?;
        }
        self.storm.calm(&mut self.sim, &self.world);
        let limit = self.sim.elapsed() + CALM_LIMIT;
        while !(self.step()? && self.is_settled()) {
            if self.sim.elapsed() > limit {
                return Err(format!("{CALM_LIMIT:?} after the last fault: {}", self.standings()));
            }
        }
        self.world.judge()
    }

    fn nodes(&self) -> Vec<(u64, Node)> {
        self.world.state().nodes.iter().map(|(id, node)| (*id, node.clone())).collect()
    }

    /// There is a leader with a vote, no change of the membership is half done, and every voter has applied all that the leader has.
    fn is_settled(&self) -> bool {
        let standings: Vec<_> = self.nodes().iter().map(|(id, node)| (*id, node.standing())).collect();
        let newest = standings.iter().filter(|(_, standing)| standing.state == NodeState::Leader);
        let Some((id, leader)) = newest.max_by_key(|(_, standing)| standing.term) else { return false };
        if !leader.is_settled || !leader.voters.contains(id) {
            return false;
        }
        let is_level = |voter: &u64| standings.iter().any(|(id, standing)| id == voter && standing.applied == leader.last_log);
        leader.voters.iter().all(is_level)
    }

    fn standings(&self) -> String {
        let standings: Vec<_> = self.nodes().iter().map(|(id, node)| format!("n{id} {:?}", node.standing())).collect();
        format!("clients wait, or nodes are not level: {}", standings.join("; "))
    }

    fn report(&self, seed: u64, violation: Option<String>) -> Report {
        let state = self.world.state();
        Report {
            seed,
            trace: state.trace.hash(),
            violation,
            operations: state.history.len(),
            entries: state.steps.entries(),
            leaders: state.steps.elections(),
            crashes: self.storm.crashes,
            lasted: self.sim.elapsed(),
        }
    }
}
