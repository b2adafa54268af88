//! An experiment as it is run. Pure.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    check::{BOUNDED_STALENESS, CONSERVATION, EXACTLY_ONCE, LINEARIZABLE, NO_LOST_ACK, NO_OVERSELL},
    fault::{Entry, Fault, FaultError, Needs, Target},
};

/// Longest run: what a history holds at some thousand operations a second.
pub const LONGEST_RUN: Duration = Duration::from_secs(3 * 3_600);

/// The gate may take so many windows, and a minute for connections and caches to warm up.
const GATE_WINDOWS: u32 = 3;
const WARM_UP: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub struct Experiment {
    pub name: String,
    /// What is expected to be true, for people.
    pub hypothesis: String,
    pub seed: u64,
    /// The built-in topology that it is started on when none runs.
    pub topology: String,
    pub load: Load,
    pub steady: Steady,
    /// In order of their beginning.
    pub steps: Vec<Step>,
    pub random: Option<Random>,
    pub abort: Abort,
    pub expect: Expect,
    /// The file, with its parameters as they were given.
    pub text: String,
}

/// Who comes meanwhile.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Shoppers a second, over all edges.
    pub rate: f64,
    /// Clients of the inventory a second.
    pub deals: f64,
    /// Reads a second that ask each node by itself for a linearizable answer, also one that has no business giving it.
    pub node_reads: f64,
    pub sale: Option<Sale>,
}

/// Everybody wants one unit of the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sale {
    pub units: u32,
    pub shoppers: u32,
}

impl Load {
    /// How long it takes from the opening of the sale until everybody has come.
    pub fn sale_time(&self) -> Duration {
        self.sale.map_or(Duration::ZERO, |sale| Duration::from_secs_f64(f64::from(sale.shoppers) / self.rate))
    }
}

/// What is so before, and has to be so again afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steady {
    pub window: Duration,
    /// Share of checkouts that succeed, in parts of a million.
    pub checkout_success_ppm: Option<u64>,
    /// From when a checkout was due.
    pub p99_ms: Option<u64>,
    /// Every node of the inventory has, within a second, what the leader had.
    pub replicas_level: bool,
    /// Longest time from the last heal until a whole window is so.
    pub again_within: Duration,
}

impl Steady {
    /// Longest time until it has been steady before anything is broken.
    pub fn gate_within(&self) -> Duration {
        GATE_WINDOWS * self.window + WARM_UP
    }

    /// Longest time after the last heal until a whole window was steady again.
    pub fn recovery_within(&self) -> Duration {
        self.again_within + self.window
    }
}

/// One fault at a time of the schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Line of the file; 0 where it was drawn.
    pub line: usize,
    /// From the end of the gate on.
    pub at: Duration,
    /// Draws who `random(...)` is; without it, the experiment's seed and the place of the step do.
    pub seed: Option<u64>,
    pub pick: Pick,
}

/// What is broken, at whom, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Pick {
    pub entry: &'static Entry,
    pub parameters: BTreeMap<String, i64>,
    pub fault: Fault,
    /// Resolved when the fault begins.
    pub target: Target,
    /// Zero for what has no length.
    pub time: Duration,
}

/// Faults that are drawn by the seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Random {
    pub time: Duration,
    /// From one fault's beginning to the next.
    pub every: Duration,
    pub picks: Vec<Pick>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abort {
    pub any: Vec<AbortWhen>,
    pub lease: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AbortWhen {
    InvariantViolated,
    /// Of all requests that were answered in so long.
    ErrorRate {
        above_ppm: u64,
        time: Duration,
    },
    Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    pub rto_ms: Option<u64>,
    pub rpo_ops: u64,
    pub max_unavailable_ms: Option<u64>,
    pub invariants: Vec<Invariant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invariant {
    NoOversell,
    NoLostAck,
    Conservation,
    ExactlyOnce,
    Linearizable,
    Stale(Duration),
}

impl Invariant {
    pub(super) const NAMES: [(&'static str, Self); 5] = [
        (NO_OVERSELL, Self::NoOversell),
        (NO_LOST_ACK, Self::NoLostAck),
        (CONSERVATION, Self::Conservation),
        (EXACTLY_ONCE, Self::ExactlyOnce),
        (LINEARIZABLE, Self::Linearizable),
    ];

    /// The check that judges it.
    pub fn check(&self) -> &'static str {
        Self::NAMES.iter().find(|(_, invariant)| invariant == self).map_or(BOUNDED_STALENESS, |(name, _)| name)
    }
}

impl Pick {
    /// The same fault at the same target, for another time and with other parameters.
    pub fn with(&self, time: Duration, parameters: BTreeMap<String, i64>) -> Result<Self, FaultError> {
        let fault = Fault::parse(self.entry.name, &parameters)?;
        Ok(Self { fault, parameters, time, ..self.clone() })
    }
}

impl Step {
    /// What draws the target of the `nth` step of the schedule: another one for each step, and the same in every run of the seed.
    pub fn draws_by(&self, of: &Experiment, nth: usize) -> u64 {
        self.seed.unwrap_or_else(|| of.seed.wrapping_add(nth as u64))
    }
}

impl Experiment {
    /// The schedule: the steps of the file, and those that the seed draws.
    pub fn schedule(&self) -> Vec<Step> {
        let drawn = self.random.iter().flat_map(|random| super::draw(random, self.seed));
        let mut steps: Vec<Step> = self.steps.iter().cloned().chain(drawn).collect();
        steps.sort_by_key(|step| step.at);
        steps
    }

    /// When the last step is over, from the end of the gate on; steps that have no length take what they take.
    pub fn length(&self) -> Duration {
        self.schedule().iter().map(|step| step.at + step.pick.time).max().unwrap_or_default()
    }

    /// Whether some step needs a topology that was started so.
    pub fn needs(&self, what: Needs) -> bool {
        let drawn = self.random.iter().flat_map(|random| &random.picks);
        self.steps.iter().map(|step| &step.pick).chain(drawn).any(|pick| pick.entry.needs == what)
    }
}
