//! Whether a history of one SKU is linearizable: is there an order of its steps, each between its beginning and its end, in which the
//! ledger itself gives the answers that were given?
//!
//! The search of Wing and Gong (1993), with Lowe's memory of where it has been (2017). The model is the ledger of production, alone and
//! in one thread.

use std::{collections::BTreeSet, time::Duration};

use inventory_raft::stock::Inventory;

use super::sku_history::{Deed, Step};

/// Places of the search, at most. The histories of a run need some hundreds.
const MAX_PLACES: usize = 200_000;

/// Steps that have been put in order, a bit for each.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Done(Vec<u64>);

impl Done {
    fn has(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }

    fn with(&self, at: usize) -> Self {
        let mut done = self.clone();
        done.0[at / 64] |= 1 << (at % 64);
        done
    }
}

/// A place of the search: what is in order, the ledger after it, and what may come next.
struct Place {
    done: Done,
    model: Inventory,
    next: Vec<usize>,
}

/// Steps that may come next: not done, and begun before every other that is not done has ended. Those with an early end first.
fn candidates(steps: &[Step], done: &Done) -> Vec<usize> {
    let open = || (0..steps.len()).filter(|at| !done.has(*at));
    let end = |at: usize| steps[at].to.unwrap_or(Duration::MAX);
    let first_end = open().map(end).min().unwrap_or(Duration::MAX);
    let mut next: Vec<usize> = open().filter(|at| steps[*at].from <= first_end).collect();
    // Taken from the back.
    next.sort_by_key(|at| std::cmp::Reverse((end(*at), *at)));
    next
}

/// Says of a history that is not linearizable how far an order goes, and what then does not fit.
pub(super) fn check(steps: &[Step]) -> Result<(), String> {
    let mut steps = steps.to_vec();
    steps.sort_by_key(|step| step.from);
    let nothing = Done(vec![0; steps.len().div_ceil(64)]);
    let required = |done: &Done| (0..steps.len()).all(|at| done.has(at) || steps[at].to.is_none());
    // Where the search has been, and where it was when most was in order.
    let mut visited: BTreeSet<(Done, String)> = BTreeSet::new();
    let (mut longest, mut farthest) = (0, nothing.clone());
    let mut path = vec![Place { next: candidates(&steps, &nothing), done: nothing, model: Inventory::default() }];
    while let Some(place) = path.last_mut() {
        if required(&place.done) {
            return Ok(());
        }
        let Some(at) = place.next.pop() else {
            path.pop();
            continue;
        };
        let mut model = place.model.clone();
        if !steps[at].deed.run(&mut model) {
            continue;
        }
        let done = place.done.with(at);
        if !visited.insert((done.clone(), model.state_hash())) {
            continue;
        }
        if visited.len() > MAX_PLACES {
            return Err(format!("no order was found among {MAX_PLACES} beginnings of one"));
        }
        if path.len() > longest {
            (longest, farthest) = (path.len(), done.clone());
        }
        path.push(Place { next: candidates(&steps, &done), done, model });
    }
    Err(stuck(&steps, &farthest))
}

fn stuck(steps: &[Step], done: &Done) -> String {
    let ordered = (0..steps.len()).filter(|at| done.has(*at)).count();
    let next: Vec<String> = candidates(steps, done).into_iter().rev().map(|at| describe(&steps[at])).collect();
    format!("{ordered} of {} steps can be put in order; then none of these fits:\n  {}", steps.len(), next.join("\n  "))
}

fn describe(step: &Step) -> String {
    let deed = match &step.deed {
        Deed::Command { command, told } => format!("{command:?}: {told:?}"),
        Deed::Read { stock, .. } => format!("read {stock:?}"),
        Deed::Expire(id) => format!("the end of {id}"),
    };
    let to = step.to.map_or_else(|| "no end".to_owned(), |to| format!("{:.3} s", to.as_secs_f64()));
    format!("from {:.3} s to {to}: {deed}", step.from.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use inventory_raft::stock::{Code, Command, Line, LogTime, OutcomeLine};
    use storefront_types::{CommandId, Quantity, ReservationId, Sku};
    use uuid::Uuid;

    use super::*;

    fn sku() -> Sku {
        Sku::parse("mug").unwrap()
    }

    fn step(from_ms: u64, to_ms: u64, deed: Deed) -> Step {
        Step { from: Duration::from_millis(from_ms), to: Some(Duration::from_millis(to_ms)), deed }
    }

    fn receive(id: u128, units: u32) -> Command {
        let (id, quantity) = (CommandId::new(Uuid::from_u128(id)), Quantity::new(units).unwrap());
        Command::Receive { id, sku: sku(), location: "east-1".parse().unwrap(), quantity }
    }

    fn purchase(id: u128, units: u32) -> Command {
        let quantity = Quantity::new(units).unwrap();
        let lines = vec![Line { sku: sku(), quantity, locations: Vec::new(), may_split: false }];
        Command::Purchase { id: ReservationId::new(Uuid::from_u128(id)), lines, memo: None }
    }

    /// The command with the answer that the ledger gives after `before`.
    fn told(command: Command, before: &[Command]) -> Deed {
        let mut model = Inventory::default();
        before.iter().for_each(|earlier| drop(model.apply(LogTime(1), earlier)));
        let outcome = model.apply(LogTime(1), &command);
        Deed::Command { command, told: Some((outcome.code, outcome.lines)) }
    }

    fn read(after: &[Command]) -> Deed {
        let mut model = Inventory::default();
        after.iter().for_each(|earlier| drop(model.apply(LogTime(1), earlier)));
        Deed::Read { sku: sku(), stock: model.stock(&sku()).cloned() }
    }

    #[test]
    fn steps_that_overlap_may_have_happened_in_either_order() {
        let (first, second) = (receive(1, 5), purchase(2, 5));
        let steps = [
            step(0, 10, told(first.clone(), &[])),
            // Both are under way at the same time, and the read sees the purchase that is answered after it.
            step(20, 60, told(second.clone(), std::slice::from_ref(&first))),
            step(25, 30, read(&[first.clone(), second.clone()])),
            step(26, 50, read(std::slice::from_ref(&first))),
        ];
        assert_eq!(check(&steps[..3]), Ok(()));
        assert_eq!(check(&steps), Ok(()));
    }

    #[test]
    fn a_read_of_the_past_is_found() {
        let first = receive(1, 5);
        let steps = [step(0, 10, told(first.clone(), &[])), step(11, 12, read(&[]))];
        assert!(check(&steps).is_err());
        assert_eq!(check(&[steps[0].clone(), step(9, 12, read(&[]))]), Ok(()));
    }

    #[test]
    fn units_sold_twice_are_found() {
        let first = receive(1, 5);
        let sold = |id| told(purchase(id, 5), std::slice::from_ref(&first));
        let steps = [step(0, 10, told(first.clone(), &[])), step(20, 40, sold(2)), step(20, 40, sold(3))];
        assert_eq!(check(&steps[..2]), Ok(()));
        let why = check(&steps).unwrap_err();
        assert!(why.starts_with("2 of 3 steps"), "{why}");
    }

    #[test]
    fn a_step_without_an_answer_may_have_happened_or_not() {
        let (first, second) = (receive(1, 5), purchase(2, 5));
        let silent = Step { to: None, ..step(20, 0, Deed::Command { command: second.clone(), told: None }) };
        for seen in [vec![first.clone()], vec![first.clone(), second]] {
            assert_eq!(check(&[step(0, 10, told(first.clone(), &[])), silent.clone(), step(30, 40, read(&seen))]), Ok(()));
        }
    }

    #[test]
    fn a_refusal_for_no_reason_is_found() {
        let first = receive(1, 5);
        let line = OutcomeLine { sku: sku(), version: 1, allocations: Box::default(), shortage: Some(Box::new((5, 0))) };
        let refused = Deed::Command { command: purchase(2, 5), told: Some((Code::InsufficientStock, vec![line])) };
        assert!(check(&[step(0, 10, told(first, &[])), step(20, 40, refused)]).is_err());
    }
}
