//! The stock of one SKU as a sequential object, and what a history says was done with it.

use crate::history::Settled;

/// Index of a hold or purchase among those of a SKU.
pub(super) type Id = usize;

/// One thing that was decided about the SKU at one moment, however often it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Receive {
        units: u64,
    },
    Reserve {
        id: Id,
        units: u64,
    },
    Purchase {
        id: Id,
        units: u64,
    },
    Confirm {
        id: Id,
    },
    Release {
        id: Id,
    },
    Expire {
        id: Id,
    },
    /// Told what is available.
    Read {
        value: Option<u64>,
    },
    /// Refused so many units, and perhaps told what was available.
    Short {
        units: u64,
        value: Option<u64>,
    },
    /// The hold was found to be over.
    Over {
        id: Id,
    },
    /// Found so. `ver` is then the version that the id's last change made.
    Is {
        id: Id,
        settled: Settled,
    },
}

impl What {
    /// Whether it counts the version up.
    pub(super) fn changes(&self) -> bool {
        !matches!(self, Self::Read { .. } | Self::Short { .. } | Self::Over { .. } | Self::Is { .. })
    }

    pub(super) fn id(&self) -> Option<Id> {
        match self {
            Self::Reserve { id, .. } | Self::Purchase { id, .. } | Self::Confirm { id } | Self::Release { id } => Some(*id),
            Self::Expire { id } | Self::Over { id } | Self::Is { id, .. } => Some(*id),
            Self::Receive { .. } | Self::Read { .. } | Self::Short { .. } => None,
        }
    }

    /// Whether its version is that of the SKU at its moment.
    pub(super) fn sees_version(&self) -> bool {
        !matches!(self, Self::Over { .. } | Self::Is { .. })
    }
}

/// One decision with the time in which it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) what: What,
    /// Not before.
    pub(super) call: u64,
    /// Made before this; `None`: perhaps never.
    pub(super) deadline: Option<u64>,
    pub(super) ver: Option<u64>,
    /// The lines of the history that say so.
    pub(super) proof: Vec<usize>,
}

impl Step {
    pub(super) fn must(&self) -> bool {
        self.deadline.is_some()
    }
}

/// The SKU at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) available: u64,
    pub(super) ver: u64,
    ids: Vec<IdState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct IdState {
    settled: Settled,
    units: u64,
    ver: u64,
}

/// What to give back to [`State::undo`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    available: u64,
    id: Option<(Id, IdState)>,
}

impl State {
    pub(super) fn new(available: u64, ver: u64, ids: usize) -> Self {
        Self { available, ver, ids: vec![IdState { settled: Settled::Never, units: 0, ver: 0 }; ids] }
    }

    /// Whether the step can be the next decision.
    pub(super) fn allows(&self, step: &Step) -> bool {
        let is = |id: Id, settled| self.ids[id].settled == settled;
        let possible = match step.what {
            What::Receive { .. } => true,
            What::Reserve { id, units } | What::Purchase { id, units } => is(id, Settled::Never) && self.available >= units,
            What::Confirm { id } | What::Release { id } | What::Expire { id } => is(id, Settled::Held),
            What::Read { value } => value.is_none_or(|value| value == self.available),
            What::Short { units, value } => self.available < units && value.is_none_or(|value| value == self.available),
            What::Over { id } => is(id, Settled::Released) || is(id, Settled::Expired),
            What::Is { id, settled } => is(id, settled),
        };
        let version = match step.what {
            What::Is { id, .. } => self.ids[id].ver,
            what if what.changes() => self.ver + 1,
            _ => self.ver,
        };
        possible && step.ver.is_none_or(|ver| ver == version)
    }

    /// Makes a change that is allowed.
    pub(super) fn make(&mut self, what: What) -> Before {
        let id = what.id();
        let before = Before { available: self.available, id: id.map(|id| (id, self.ids[id])) };
        self.ver += 1;
        match what {
            What::Receive { units } => self.available += units,
            What::Reserve { id, units } => self.take(id, units, Settled::Held),
            What::Purchase { id, units } => self.take(id, units, Settled::Sold),
            What::Confirm { id } => self.ids[id].settled = Settled::Sold,
            What::Release { id } => self.give_back(id, Settled::Released),
            What::Expire { id } => self.give_back(id, Settled::Expired),
            What::Read { .. } | What::Short { .. } | What::Over { .. } | What::Is { .. } => {}
        }
        if let Some(id) = id {
            self.ids[id].ver = self.ver;
        }
        before
    }

    pub(super) fn undo(&mut self, before: Before) {
        self.ver -= 1;
        self.available = before.available;
        if let Some((id, state)) = before.id {
            self.ids[id] = state;
        }
    }

    fn take(&mut self, id: Id, units: u64, settled: Settled) {
        self.available -= units;
        self.ids[id] = IdState { settled, units, ver: 0 };
    }

    fn give_back(&mut self, id: Id, settled: Settled) {
        self.available += self.ids[id].units;
        self.ids[id].settled = settled;
    }
}
