//! What a seed stands for: the cluster, the weather, the workload. And the faults that are planted to see that they are found.

use std::{str::FromStr, time::Duration};

use crate::{dice::Dice, disk::SyncTime, run::Options};

/// A fault of the software itself, planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The disk says that a write is synced when it is only written.
    AckBeforeSync,
    /// The memory of what was refused is lost.
    RefusalForgotten,
    /// A read that promises the newest state looks at the local one.
    StaleRead,
    /// A vote is gone after a crash.
    VoteNotPersisted,
}

impl Bug {
    pub const ALL: [Self; 4] = [Self::AckBeforeSync, Self::RefusalForgotten, Self::StaleRead, Self::VoteNotPersisted];

    pub fn name(self) -> &'static str {
        match self {
            Self::AckBeforeSync => "ack-before-sync",
            Self::RefusalForgotten => "refusal-forgotten",
            Self::StaleRead => "stale-read",
            Self::VoteNotPersisted => "vote-not-persisted",
        }
    }
}

impl FromStr for Bug {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|bug| bug.name() == name).ok_or_else(|| format!("no such bug; there are {}", names()))
    }
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) bug: Option<Bug>,
    /// First members: 1 to this.
    pub(crate) nodes: u64,
    pub(crate) clients: u64,
    /// How long faults happen.
    pub(crate) storm: Duration,
    pub(crate) snapshot_every: u64,
    pub(crate) sync: SyncTime,
    pub(crate) max_latency: Duration,
    /// Datagrams that get lost, of a hundred.
    pub(crate) lost_percent: u64,
    /// That a message breaks its link for a while.
    pub(crate) link_failure: f64,
    /// Mean time between faults of each kind, in milliseconds; `None`: they do not happen.
    pub(crate) crash_every: Option<u64>,
    pub(crate) power_cut_every: Option<u64>,
    pub(crate) cut_every: Option<u64>,
    pub(crate) change_every: Option<u64>,
    /// Longest time that a crashed node is away, in milliseconds.
    pub(crate) max_away: u64,
}

/// Nodes that may join.
const SPARE: u64 = 2;

impl Plan {
    /// Nodes that run: the first members, and those that may join.
    pub(crate) fn hosts(&self) -> u64 {
        self.nodes + if self.change_every.is_some() { SPARE } else { 0 }
    }

    pub(crate) fn of(dice: &mut Dice, options: &Options) -> Self {
        let every = |dice: &mut Dice, choices: &[u64]| Some(*dice.pick(choices)).filter(|mean| *mean > 0);
        Self {
            bug: options.bug,
            nodes: options.nodes.unwrap_or(*dice.pick(&[3, 3, 5])),
            clients: dice.between(2, 4),
            storm: dice.ms(3_000, 7_000),
            snapshot_every: *dice.pick(&[15, 60, 1_000]),
            sync: SyncTime { max: Duration::from_millis(*dice.pick(&[1, 5, 15, 50])), stalls_percent: *dice.pick(&[0, 0, 3]) },
            max_latency: Duration::from_millis(*dice.pick(&[4, 30, 30, 250])),
            lost_percent: *dice.pick(&[0, 0, 2, 15]),
            link_failure: *dice.pick(&[0.0, 0.0, 0.000_5, 0.003]),
            crash_every: every(dice, &[0, 400, 1_000, 1_500]),
            power_cut_every: every(dice, &[0, 0, 2_500]),
            cut_every: every(dice, &[0, 500, 1_500]),
            change_every: every(dice, &[0, 0, 1_200]),
            max_away: *dice.pick(&[40, 700, 2_500]),
        }
    }
}
