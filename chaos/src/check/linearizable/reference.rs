//! A naive checker for small histories: every order of the lines, against a stock that works as the inventory's contract says. Shares nothing
//! with the real one.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Op, Operation, Out, Settled};

/// The stock of one SKU.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shelf {
    pub(super) available: u64,
    pub(super) ver: u64,
    holds: BTreeMap<String, (Settled, u64, u64)>,
    remembered: BTreeMap<(String, Op), Answer>,
}

type Answer = (Out, Option<u64>, Option<u64>);

impl Shelf {
    /// Executes a command and gives `out`, `value`, `ver`.
    pub(super) fn execute(&mut self, op: Op, id: &str, qty: u64) -> Answer {
        let key = (id.to_owned(), op);
        match op {
            Op::Read => (Out::Ok, Some(self.available), Some(self.ver)),
            Op::Status => self.status(id),
            Op::Confirm | Op::Release => self.end(op, id),
            _ if self.remembered.contains_key(&key) => self.remembered[&key],
            _ => {
                let answer = self.first(op, id, qty);
                self.remembered.insert(key, answer);
                answer
            }
        }
    }

    fn first(&mut self, op: Op, id: &str, qty: u64) -> Answer {
        if op == Op::Receive {
            self.available += qty;
            self.ver += 1;
            return (Out::Ok, None, Some(self.ver));
        }
        if self.available < qty {
            return (Out::Insufficient, Some(self.available), Some(self.ver));
        }
        self.available -= qty;
        self.ver += 1;
        let settled = if op == Op::Reserve { Settled::Held } else { Settled::Sold };
        self.holds.insert(id.to_owned(), (settled, qty, self.ver));
        (Out::Ok, None, Some(self.ver))
    }

    fn end(&mut self, op: Op, id: &str) -> Answer {
        let Some((settled, qty, ver)) = self.holds.get_mut(id) else { return (Out::NotFound, None, None) };
        let ends_as = if op == Op::Confirm { Settled::Sold } else { Settled::Released };
        match *settled {
            Settled::Held => {
                self.ver += 1;
                (*settled, *ver) = (ends_as, self.ver);
                if op == Op::Release {
                    self.available += *qty;
                }
                (Out::Ok, None, Some(self.ver))
            }
            same if same == ends_as => (Out::Ok, None, Some(*ver)),
            Settled::Sold => (Out::Fail, None, None),
            _ => (Out::Expired, None, None),
        }
    }

    pub(super) fn expire(&mut self, id: &str) -> bool {
        let Some((settled, qty, ver)) = self.holds.get_mut(id).filter(|hold| hold.0 == Settled::Held) else { return false };
        self.ver += 1;
        (*settled, *ver) = (Settled::Expired, self.ver);
        self.available += *qty;
        true
    }

    fn status(&self, id: &str) -> Answer {
        let Some((settled, qty, ver)) = self.holds.get(id) else { return (Out::NotFound, None, None) };
        match settled {
            Settled::Held => (Out::Ok, None, Some(*ver)),
            Settled::Sold => (Out::Ok, Some(*qty), Some(*ver)),
            Settled::Released => (Out::Ok, Some(0), Some(*ver)),
            _ => (Out::Expired, Some(0), Some(*ver)),
        }
    }

    fn held(&self) -> Vec<String> {
        self.holds.iter().filter(|(_, hold)| hold.0 == Settled::Held).map(|(id, _)| id.clone()).collect()
    }
}

/// Whether some order of the lines explains them, beginning with nothing.
pub(super) fn is_linearizable(lines: &[Operation]) -> bool {
    let open: BTreeSet<usize> = (0..lines.len()).filter(|at| lines[*at].out != Out::Fail).collect();
    let mut seen = BTreeSet::new();
    explore(lines, &open, &Shelf::default(), &mut seen)
}

fn explore(lines: &[Operation], open: &BTreeSet<usize>, shelf: &Shelf, seen: &mut BTreeSet<(BTreeSet<usize>, Shelf)>) -> bool {
    let waits = |at: &usize| lines[*at].is_decided();
    if !open.iter().any(waits) {
        return true;
    }
    if !seen.insert((open.clone(), shelf.clone())) {
        return false;
    }
    let first_end = open.iter().filter(|at| waits(at)).filter_map(|at| lines[*at].ret).min().unwrap_or(u64::MAX);
    for at in open.iter().filter(|at| lines[**at].call <= first_end) {
        let line = &lines[*at];
        let mut next = shelf.clone();
        let (out, value, ver) = next.execute(line.op, &line.id, line.qty);
        let same = |told: Option<u64>, is: Option<u64>| told.is_none() || told == is;
        // Decided when nobody knew the SKU, now or by an earlier attempt: a refusal is remembered.
        let unheard_of = line.out == Out::NotFound
            && matches!(line.op, Op::Reserve | Op::Purchase)
            && (out, ver) == (Out::Insufficient, Some(0));
        let explained = (out == line.out || unheard_of)
            && same(line.ver, ver)
            && (says_no_value(line) || same(line.value, value))
            && settles_alike(line, value);
        if !waits(at) || explained {
            let mut rest = open.clone();
            rest.remove(at);
            if explore(lines, &rest, &next, seen) {
                return true;
            }
        }
    }
    shelf.held().iter().any(|id| {
        let mut next = shelf.clone();
        next.expire(id) && explore(lines, open, &next, seen)
    })
}

/// The value of a status says what it is, so a missing one is an answer too; how many units were sold is another check's business.
fn settles_alike(line: &Operation, value: Option<u64>) -> bool {
    line.op != Op::Status || line.out != Out::Ok || line.value.map(|units| units > 0) == value.map(|units| units > 0)
}

/// A change that was made says nothing of units that counts here.
fn says_no_value(line: &Operation) -> bool {
    line.out == Out::Ok && line.op != Op::Read
}
