//! The history of one SKU out of the history of all: each operation reduced to the lines that are about it.

use std::{collections::BTreeMap, time::Duration};

use inventory_raft::stock::{Code, Command, Inventory, Line, LogTime, OutcomeLine, SkuStock};
use storefront_types::{ReservationId, Sku};

use super::history::{Op, What};

/// Longer than anything in a run, so that time alone ends nothing in the model.
const NEVER_MS: u64 = 1_000_000_000;

/// What is done to one SKU.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// A command, and its answer as far as it is about the SKU.
    Command {
        command: Command,
        told: Option<(Code, Vec<OutcomeLine>)>,
    },
    Read {
        sku: Sku,
        stock: Option<SkuStock>,
    },
    /// A reservation's time was over; nobody was told.
    Expire(ReservationId),
}

/// A deed that took effect between two moments, or perhaps never if it has no end.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) from: Duration,
    pub(super) to: Option<Duration>,
    pub(super) deed: Deed,
}

impl Deed {
    /// Does it, and says whether the answer fits.
    pub(super) fn run(&self, model: &mut Inventory) -> bool {
        let time = LogTime(1);
        match self {
            Self::Command { command, told } => {
                let outcome = model.apply(time, command);
                told.as_ref().is_none_or(|(code, lines)| *code == outcome.code && *lines == outcome.lines)
            }
            Self::Read { sku, stock } => model.stock(sku) == stock.as_ref(),
            Self::Expire(id) => {
                let ended = model.apply(time, &Command::Extend { id: *id, ttl_ms: 0 }).code == Code::Ok;
                ended && model.apply(time, &Command::Expire { limit: 1 }).code == Code::Ok
            }
        }
    }
}

/// The steps of each SKU.
pub(super) fn of(ops: &[Op]) -> BTreeMap<Sku, Vec<Step>> {
    let mut all: BTreeMap<Sku, Vec<Step>> = BTreeMap::new();
    // Which SKUs a reservation that was made is about.
    let mut lines_of: BTreeMap<ReservationId, Vec<Sku>> = BTreeMap::new();
    for op in ops {
        if let What::Command { command: Command::Reserve { id, lines, .. } | Command::Purchase { id, lines, .. }, .. } = &op.what
        {
            lines_of.insert(*id, lines.iter().map(|line| line.sku.clone()).collect());
        }
    }
    for op in ops {
        for (sku, step) in reduced(op, &lines_of) {
            all.entry(sku).or_default().push(step);
        }
    }
    for (id, from) in ends(ops) {
        for sku in lines_of.get(&id).into_iter().flatten() {
            all.entry(sku.clone()).or_default().push(Step { from, to: None, deed: Deed::Expire(id) });
        }
    }
    all
}

/// From when on a reservation may have ended by itself, for those that may within a run. An extension may also bring the end nearer.
fn ends(ops: &[Op]) -> BTreeMap<ReservationId, Duration> {
    let mut ends: BTreeMap<ReservationId, Duration> = BTreeMap::new();
    for op in ops {
        let What::Command { command, outcome } = &op.what else { continue };
        let made = outcome.as_ref().is_none_or(|outcome| outcome.code == Code::Ok);
        let (id, ttl_ms) = match command {
            Command::Reserve { id, ttl_ms, .. } if made => (id, ttl_ms),
            // Whatever the answer to the last attempt was: an earlier one may have brought the end nearer.
            Command::Extend { id, ttl_ms } => (id, ttl_ms),
            _ => continue,
        };
        if *ttl_ms < NEVER_MS / 1_000 {
            let from = op.asked + Duration::from_millis(*ttl_ms);
            let earliest = ends.entry(*id).or_insert(from);
            *earliest = from.min(*earliest);
        }
    }
    ends
}

fn reduced(op: &Op, lines_of: &BTreeMap<ReservationId, Vec<Sku>>) -> Vec<(Sku, Step)> {
    let step = |deed| Step { from: op.asked, to: op.answered, deed };
    let (command, outcome) = match &op.what {
        What::GivenUp { .. } => return Vec::new(),
        What::Read { sku, stock } => return vec![(sku.clone(), step(Deed::Read { sku: sku.clone(), stock: stock.clone() }))],
        What::Command { command, outcome } => (command, outcome),
    };
    let skus: Vec<Sku> = match command {
        Command::Receive { sku, .. } | Command::Adjust { sku, .. } | Command::Move { sku, .. } | Command::Count { sku, .. } => {
            vec![sku.clone()]
        }
        Command::Reserve { lines, .. } | Command::Purchase { lines, .. } => lines.iter().map(|line| line.sku.clone()).collect(),
        Command::Confirm { id } | Command::Release { id } | Command::Extend { id, .. } => {
            lines_of.get(id).cloned().unwrap_or_default()
        }
        Command::Acknowledge { .. } | Command::Expire { .. } | Command::Mark => Vec::new(),
    };
    let alone = skus.len() == 1;
    let refused = outcome.as_ref().is_some_and(|outcome| outcome.code != Code::Ok);
    let makes = matches!(command, Command::Reserve { .. } | Command::Purchase { .. });
    if makes && refused && !alone {
        // Which of the SKUs was the reason does not say what the others had.
        return Vec::new();
    }
    let about = |sku: &Sku| {
        let told = outcome
            .as_ref()
            .map(|outcome| (outcome.code, outcome.lines.iter().filter(|line| line.sku == *sku).cloned().collect()));
        step(Deed::Command { command: only(command, sku), told })
    };
    skus.iter().map(|sku| (sku.clone(), about(sku))).collect()
}

/// The command without the lines of other SKUs, and without an end in time.
fn only(command: &Command, sku: &Sku) -> Command {
    let own = |lines: &[Line]| lines.iter().filter(|line| line.sku == *sku).cloned().collect();
    match command {
        Command::Reserve { id, lines, memo, .. } => {
            Command::Reserve { id: *id, lines: own(lines), ttl_ms: NEVER_MS, memo: memo.clone() }
        }
        Command::Purchase { id, lines, memo } => Command::Purchase { id: *id, lines: own(lines), memo: memo.clone() },
        Command::Extend { id, .. } => Command::Extend { id: *id, ttl_ms: NEVER_MS },
        other => other.clone(),
    }
}
