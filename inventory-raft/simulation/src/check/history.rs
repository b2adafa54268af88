//! What clients did and what they were told.

use std::{collections::BTreeMap, time::Duration};

use inventory_raft::stock::{Command, Outcome, SkuStock};
use storefront_types::Sku;
use uuid::Uuid;

use super::{linear, sku_history};

/// A command's name: what it asks for and of which id. Commands that only the leader makes have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    /// Decided once; the same answer for ever.
    Once(Uuid),
    Confirm(Uuid),
    Release(Uuid),
    Extend(Uuid),
}

impl Asked {
    pub(super) fn is_once(self) -> bool {
        matches!(self, Self::Once(_))
    }
}

pub(super) fn asked(command: &Command) -> Option<Asked> {
    Some(match command {
        Command::Receive { id, .. } | Command::Adjust { id, .. } | Command::Move { id, .. } | Command::Count { id, .. } => {
            Asked::Once(id.uuid())
        }
        Command::Reserve { id, .. } | Command::Purchase { id, .. } => Asked::Once(id.uuid()),
        Command::Confirm { id } => Asked::Confirm(id.uuid()),
        Command::Release { id } => Asked::Release(id.uuid()),
        Command::Extend { id, .. } => Asked::Extend(id.uuid()),
        Command::Acknowledge { .. } | Command::Expire { .. } | Command::Mark => return None,
    })
}

/// Whether two answers say the same, but for being told again and for an end that may have been put off since.
pub(crate) fn same_decision(one: &Outcome, other: &Outcome) -> bool {
    one.code == other.code && one.lines == other.lines
}

/// What an operation was, and its answer.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Command {
        command: Command,
        outcome: Option<Outcome>,
    },
    /// Linearizable.
    Read {
        sku: Sku,
        stock: Option<SkuStock>,
    },
    /// A client gave up a command of which every node said that nothing came of it.
    GivenUp {
        command: Command,
    },
}

/// An operation, from when it was first asked to when its answer came.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) asked: Duration,
    pub(crate) answered: Option<Duration>,
    pub(crate) what: What,
}

#[derive(Default)]
pub(crate) struct History {
    ops: Vec<Op>,
    /// First answers.
    told: BTreeMap<Uuid, Outcome>,
}

impl History {
    pub(crate) fn len(&self) -> usize {
        self.ops.len()
    }

    /// Adds an operation when its answer has come.
    pub(crate) fn add(&mut self, op: Op, steps: Option<&super::Steps>) -> Result<(), String> {
        if let What::Command { command, outcome: Some(outcome) } = &op.what
            && let Some(asked) = asked(command)
        {
            if let Asked::Once(id) = asked {
                let first = self.told.entry(id).or_insert_with(|| outcome.clone());
                if !same_decision(first, outcome) {
                    return Err(format!("{command:?} was answered twice: {first:?}, then {outcome:?}"));
                }
            }
            steps.map_or(Ok(()), |steps| steps.acknowledged(asked, outcome))?;
        }
        self.ops.push(op);
        Ok(())
    }

    /// Looks at the whole, when all is over.
    pub(crate) fn judge(&self, steps: Option<&super::Steps>) -> Result<(), String> {
        // A command that was asked several times may have been refused once and done once.
        let mut times: BTreeMap<Asked, usize> = BTreeMap::new();
        let of = |op: &Op| match &op.what {
            What::Command { command, .. } | What::GivenUp { command } => asked(command),
            What::Read { .. } => None,
        };
        self.ops.iter().filter_map(of).for_each(|asked| *times.entry(asked).or_default() += 1);
        for op in self.ops.iter().filter(|op| matches!(op.what, What::GivenUp { .. })) {
            if let (Some(asked), Some(steps)) = (of(op).filter(|asked| times.get(asked) == Some(&1)), steps) {
                steps.refused(asked)?;
            }
        }
        for (sku, steps) in sku_history::of(&self.ops) {
            linear::check(&steps).map_err(|why| format!("the history of {sku} is not linearizable: {why}"))?;
        }
        Ok(())
    }
}
