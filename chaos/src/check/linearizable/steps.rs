//! From the lines of a history to what was decided: retries of one command are one decision, and what became of an id afterwards tells what
//! an answer that was lost would have said.

use std::collections::BTreeMap;

use super::model::{Id, State, Step, What};
use crate::history::{Op, Operation, Out, Settled};

/// All about one SKU.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) start: State,
    /// In order of their calls.
    pub(super) steps: Vec<Step>,
}

/// Lines that contradict each other whatever the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contradiction {
    pub(super) what: String,
    pub(super) proof: Vec<usize>,
}

type Lines<'a> = Vec<(usize, &'a Operation)>;

/// `lines`: of one SKU, with their places in the history. A read that was over before anything else began says what the SKU starts with;
/// without one it starts with nothing.
pub(super) fn problem(lines: &[(usize, &Operation)]) -> Result<Problem, Contradiction> {
    let first = opening(lines);
    if let Some((at, line)) = lines.iter().find(|(_, line)| !is_possible(line)) {
        return Err(Contradiction { what: format!("a {:?} is never answered {:?}", line.op, line.out), proof: vec![*at] });
    }
    let mut by_id: BTreeMap<&str, Lines<'_>> = BTreeMap::new();
    let mut steps = Vec::new();
    for (at, line) in lines.iter().filter(|(at, _)| first.is_none_or(|(first, _)| first != *at)) {
        match line.op {
            Op::Read => steps.extend(read(*at, line)),
            _ if line.out == Out::Fail => {}
            _ => by_id.entry(&line.id).or_default().push((*at, line)),
        }
    }
    for (id, lines) in by_id.values().enumerate() {
        History::of(id, lines).steps(&mut steps)?;
    }
    let (available, ver) = first.map_or((0, 0), |(_, line)| (line.value.unwrap_or_default(), line.ver.unwrap_or_default()));
    steps.sort_by_key(|step| (step.call, step.deadline.unwrap_or(u64::MAX)));
    Ok(Problem { start: State::new(available, ver, by_id.len()), steps })
}

/// Whether the stock answers such a thing in any state.
fn is_possible(line: &Operation) -> bool {
    let says_nothing = line.value.is_none() && line.ver.is_none();
    match line.out {
        Out::Ok | Out::Fail | Out::Unknown => true,
        Out::Insufficient => matches!(line.op, Op::Reserve | Op::Purchase),
        // Of a SKU that nobody knows there is no version.
        Out::NotFound if matches!(line.op, Op::Reserve | Op::Purchase) => line.ver.is_none_or(|ver| ver == 0),
        Out::NotFound if line.op == Op::Read => true,
        // Nor of an id that stands for nothing, or of a hold that there is nothing left of to end.
        Out::NotFound => line.op != Op::Receive && says_nothing,
        Out::Expired => line.op == Op::Status || (matches!(line.op, Op::Confirm | Op::Release) && says_nothing),
    }
}

fn opening<'a>(lines: &[(usize, &'a Operation)]) -> Option<(usize, &'a Operation)> {
    let told = |line: &Operation| matches!(line.out, Out::Ok | Out::NotFound) && line.op == Op::Read;
    let (at, first) = lines.iter().filter(|(_, line)| told(line)).min_by_key(|(_, line)| line.ret)?;
    let ret = first.ret?;
    lines.iter().all(|(other, line)| other == at || ret < line.call).then_some((*at, *first))
}

fn read(at: usize, line: &Operation) -> Option<Step> {
    let (value, ver) = match line.out {
        Out::Ok => (line.value, line.ver),
        Out::NotFound => (Some(0), Some(0)),
        _ => return None,
    };
    Some(Step { what: What::Read { value }, call: line.call, deadline: line.ret, ver, proof: vec![at] })
}

/// Everything about one id.
struct History<'a> {
    id: Id,
    lines: &'a [(usize, &'a Operation)],
    /// What was found of it in the end, and where that stands.
    found: Vec<(usize, &'a Operation, Settled)>,
}

/// A command that was asked for once or more.
struct Asked<'a> {
    /// The earliest call that may have been executed.
    call: u64,
    all: Lines<'a>,
    units: u64,
}

impl<'a> Asked<'a> {
    fn answered(&self, out: Out) -> Option<(usize, &'a Operation)> {
        self.all.iter().filter(|(_, line)| line.out == out).min_by_key(|(_, line)| line.ret).copied()
    }

    fn step(&self, what: What, answer: Option<(usize, &Operation)>) -> Step {
        let proof = answer.map_or_else(|| self.all.iter().map(|(at, _)| *at).collect(), |(at, _)| vec![at]);
        let ver = self.all.iter().filter(|_| answer.is_some()).find_map(|(_, line)| line.ver);
        Step { what, call: self.call, deadline: answer.and_then(|(_, line)| line.ret), ver, proof }
    }

    /// Every answer to one command is the first one again. That there is no hold to end is not remembered.
    fn agrees(&self) -> Result<(), Contradiction> {
        let ends = |line: &Operation| matches!(line.op, Op::Confirm | Op::Release);
        let decided = || self.all.iter().filter(|(_, line)| line.out == Out::Ok || (line.is_decided() && !ends(line)));
        if let [(first_at, first), rest @ ..] = &self.all[..]
            && let Some((at, line)) = rest.iter().find(|(_, line)| line.qty != first.qty && !ends(line))
        {
            let what = format!("id {} stands for two quantities, so it names no one command", line.id);
            return Err(Contradiction { what, proof: vec![*first_at, *at] });
        }
        let Some((first_at, first)) = decided().next() else { return Ok(()) };
        for (at, line) in decided() {
            let other_version = first.ver.zip(line.ver).is_some_and(|(one, other)| one != other);
            if first.out != line.out || other_version {
                let what = format!("one command, id {}, has two different answers", line.id);
                return Err(Contradiction { what, proof: vec![*first_at, *at] });
            }
        }
        Ok(())
    }
}

impl<'a> History<'a> {
    fn of(id: Id, lines: &'a [(usize, &'a Operation)]) -> Self {
        let found = lines.iter().filter_map(|(at, line)| line.settled().map(|settled| (*at, *line, settled))).collect();
        Self { id, lines, found }
    }

    fn asked(&self, op: Op) -> Option<Asked<'a>> {
        let all: Lines<'a> = self.lines.iter().filter(|(_, line)| line.op == op).copied().collect();
        let call = all.iter().map(|(_, line)| line.call).min()?;
        let units = all.first().map_or(0, |(_, line)| line.qty);
        Some(Asked { call, all, units })
    }

    fn ended_as(&self, settled: Settled) -> Option<(usize, &'a Operation)> {
        self.found.iter().find(|(.., found)| *found == settled).map(|(at, line, _)| (*at, *line))
    }

    /// The latest time at which nothing of the kind can have happened yet, going by what was found.
    fn not_before(&self, open: &[Settled]) -> u64 {
        let of = self.found.iter().filter(|(.., settled)| open.contains(settled));
        of.map(|(_, line, _)| line.call).max().unwrap_or_default()
    }

    fn steps(&self, into: &mut Vec<Step>) -> Result<(), Contradiction> {
        for op in [Op::Receive, Op::Reserve, Op::Purchase, Op::Confirm, Op::Release] {
            self.asked(op).map_or(Ok(()), |asked| asked.agrees())?;
        }
        if let Some(asked) = self.asked(Op::Receive) {
            into.push(asked.step(What::Receive { units: asked.units }, asked.answered(Out::Ok)));
        }
        let began = self.beginning(into);
        let (sold, released) = (self.ending(Op::Confirm, into), self.ending(Op::Release, into));
        self.expiry(began, sold || released, into);
        for (at, line, settled) in &self.found {
            let what = What::Is { id: self.id, settled: *settled };
            let (call, deadline) = (line.call, line.ret);
            into.push(Step { what, call, deadline, ver: line.ver, proof: vec![*at] });
        }
        Ok(())
    }

    /// The hold or purchase. Gives since when there may be a hold.
    fn beginning(&self, into: &mut Vec<Step>) -> Option<u64> {
        let mut since = None;
        for op in [Op::Reserve, Op::Purchase] {
            let Some(asked) = self.asked(op) else { continue };
            if let Some((at, line)) = asked.answered(Out::Insufficient) {
                let what = What::Short { units: asked.units, value: line.value };
                into.push(Step { ver: line.ver, ..asked.step(what, Some((at, line))) });
                continue;
            }
            if let Some(found) = asked.answered(Out::NotFound) {
                into.push(Step { ver: Some(0), ..asked.step(What::Read { value: Some(0) }, Some(found)) });
                continue;
            }
            let what = match op {
                Op::Reserve => What::Reserve { id: self.id, units: asked.units },
                _ => What::Purchase { id: self.id, units: asked.units },
            };
            let mut step = asked.step(what, asked.answered(Out::Ok));
            if !step.must() {
                // The answer was lost; what was found afterwards stands for it, where no other command could have brought it about.
                let alone = self.asked(if op == Op::Reserve { Op::Purchase } else { Op::Reserve }).is_none();
                let seen = self.found.iter().find(|(.., settled)| *settled != Settled::Never).filter(|_| alone);
                if let Some((at, line, settled)) = seen {
                    let own =
                        (op == Op::Purchase) == (*settled == Settled::Sold) && matches!(settled, Settled::Sold | Settled::Held);
                    step.deadline = line.ret;
                    step.ver = line.ver.filter(|_| own);
                    step.proof.push(*at);
                }
                step.call = step.call.max(self.not_before(&[Settled::Never]));
            }
            since = since.or((op == Op::Reserve).then_some(step.call));
            into.push(step);
        }
        since
    }

    /// Confirm or release. Gives whether the hold certainly ended by it.
    fn ending(&self, op: Op, into: &mut Vec<Step>) -> bool {
        let Some(asked) = self.asked(op) else { return false };
        let (what, ends_as) = match op {
            Op::Confirm => (What::Confirm { id: self.id }, Settled::Sold),
            _ => (What::Release { id: self.id }, Settled::Released),
        };
        for (at, line) in &asked.all {
            let (call, deadline, ver, proof) = (line.call, line.ret, None, vec![*at]);
            match line.out {
                Out::Expired => into.push(Step { what: What::Over { id: self.id }, call, deadline, ver, proof }),
                Out::NotFound => {
                    let what = What::Is { id: self.id, settled: Settled::Never };
                    into.push(Step { what, call, deadline, ver, proof });
                }
                _ => {}
            }
        }
        let bought = self.asked(Op::Reserve).is_none() && self.asked(Op::Purchase).is_some();
        if bought && op == Op::Confirm {
            // Confirming a purchase changes nothing and says what it was.
            let sold =
                asked.answered(Out::Ok).map(|found| asked.step(What::Is { id: self.id, settled: Settled::Sold }, Some(found)));
            into.extend(sold);
            return true;
        }
        let mut step = asked.step(what, asked.answered(Out::Ok));
        if step.must() {
            into.push(step);
            return true;
        }
        if !asked.all.iter().any(|(_, line)| line.out == Out::Unknown) {
            // Every answer says that it did nothing: what was found afterwards cannot stand for it.
            return false;
        }
        match self.ended_as(ends_as) {
            Some((at, line)) => {
                (step.deadline, step.ver) = (line.ret, line.ver);
                step.proof.push(at);
            }
            // It ended in another way, for good.
            None if self.found.iter().any(|(.., settled)| !matches!(settled, Settled::Never | Settled::Held)) => return false,
            None => step.call = step.call.max(self.not_before(&[Settled::Never, Settled::Held])),
        }
        into.push(step.clone());
        step.must()
    }

    /// A hold may end by itself at any time, unless it is known to have ended otherwise, or not to have ended.
    fn expiry(&self, began: Option<u64>, ended: bool, into: &mut Vec<Step>) {
        let Some(since) = began.filter(|_| !ended) else { return };
        let mut step = Step { what: What::Expire { id: self.id }, call: since, deadline: None, ver: None, proof: Vec::new() };
        match self.ended_as(Settled::Expired) {
            Some((at, line)) => (step.deadline, step.ver, step.proof) = (line.ret, line.ver, vec![at]),
            None if self.found.iter().any(|(.., found)| matches!(found, Settled::Sold | Settled::Released)) => return,
            None => step.call = step.call.max(self.not_before(&[Settled::Never, Settled::Held])),
        }
        into.push(step);
    }
}
