//! What a run proved: the checks over what it left behind, and what could not be looked at. Pure.

use super::direct::Directed;
use crate::{
    check::{BOUNDED_STALENESS, Books, CONSERVATION, InTime, Outcome, RECOVERED, SOLD_OUT, Verdict, Violation, sold_out},
    experiment::{Experiment, Invariant},
    prove::{Evidence, Expected, prove},
    run::Run,
    workload::Driven,
};

/// What is said of faults that were given up, and did not heal.
const HEALED: &str = "healed";

/// What was looked up at the end, or why it could not be.
pub(super) struct Looked {
    pub(super) books: Result<Books, String>,
    /// Of a sale.
    pub(super) left: Option<Left>,
}

/// Units that are left of those that were for sale.
pub(super) struct Left {
    pub(super) sku: String,
    pub(super) of: u64,
    pub(super) units: Result<u64, String>,
}

/// `run`: what is known without a judgement.
pub(super) fn judge(run: &mut Run, experiment: &Experiment, driven: &Driven, directed: Directed, looked: Looked) {
    let expect = &experiment.expect;
    let bound = expect.invariants.iter().find_map(|invariant| match invariant {
        Invariant::Stale(bound) => u64::try_from(bound.as_millis()).ok(),
        _ => None,
    });
    let in_time = InTime { rto_ms: expect.rto_ms, max_unavailable_ms: expect.max_unavailable_ms };
    let expected = Expected { in_time, stale_ms: bound.unwrap_or(Expected::default().stale_ms) };
    let books = looked.books.as_ref();
    let proof = prove(&Evidence { history: &driven.history, shop: &driven.shop, books: books.ok() }, run, &expected);
    run.proved(proof);
    if let Err(why) = books {
        // The history alone may show that units are gone, and never that they are all there.
        let of_books = |verdict: &&mut Verdict| verdict.check == CONSERVATION && verdict.outcome != Outcome::Fail;
        run.checks.iter_mut().filter(of_books).for_each(|verdict| *verdict = Verdict::skipped(CONSERVATION, why));
    }
    let wanted: Vec<&str> = expect.invariants.iter().map(Invariant::check).chain([RECOVERED]).collect();
    // Where nothing was broken, what was slow or old is the machine's; what was lost or oversold is not.
    let of_times = [RECOVERED, BOUNDED_STALENESS];
    let is_judged = |name: &str| wanted.contains(&name) && !(run.faults.is_empty() && of_times.contains(&name));
    run.checks.retain(|verdict| is_judged(&verdict.check));
    run.checks.extend(directed.steady_again);
    if run.rpo_ops > expect.rpo_ops {
        let what = format!("{} acknowledged operations are lost; {} are allowed", run.rpo_ops, expect.rpo_ops);
        run.checks.push(violated("rpo", "more is lost than is allowed", what));
    }
    run.checks.extend(looked.left.map(|left| match left.units {
        Ok(units) => sold_out(&driven.shop, &left.sku, left.of, units),
        Err(why) => Verdict::skipped(SOLD_OUT, &format!("what is left cannot be read: {why}")),
    }));
    run.checks
        .extend(directed.unhealed.map(|why| violated(HEALED, "not everything is healed; `chaos heal --all` tries again", why)));
    let skipped = run.checks.iter().find(|verdict| verdict.outcome == Outcome::Skipped);
    let unproved = skipped.map(|verdict| format!("{} had nothing to look at: {}", verdict.check, verdict.summary));
    let unbroken = run.faults.is_empty().then(|| "nothing was broken".to_owned());
    run.invalid = directed.invalid.or(unbroken).or(driven.unread.clone()).or(unproved);
}

fn violated(check: &str, summary: &str, what: String) -> Verdict {
    Verdict::new(check, Outcome::Fail, summary.to_owned(), vec![Violation { what, operations: Vec::new() }])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        experiment::parse,
        history::{Checkout, Op, Operation, Out, ShopLine},
        run::{Fault, Grade, Load},
    };

    fn experiment() -> Experiment {
        let text = "[experiment]\nname = \"x\"\nhypothesis = \"y\"\n[steady]\nwindow = \"5s\"\n\
             [[step]]\nat = \"0s\"\nfault = \"leader.transfer\"\ntarget = \"follower\"\n[expect]\ninvariants = [\"conservation\"]\n";
        parse("x.toml", text, &BTreeMap::new()).unwrap()
    }

    /// Ten units arrived, and as many are there; a shopper was answered before and after the fault.
    fn driven(available: u64) -> Driven {
        let line = |op, id: &str, qty, call, value| {
            let (sku, id, out) = ("cup".to_owned(), id.to_owned(), Out::Ok);
            Operation { client: 1, op, sku, id, qty, call, ret: Some(call + 1), out, value, ver: None }
        };
        let checkout = |ms: u64| {
            let at = ms * 1_000_000;
            ShopLine::Checkout(Checkout::example(&format!("k{ms}"), (at, Some(at)), Out::Insufficient))
        };
        Driven {
            samples: Vec::new(),
            load: Load::default(),
            reigns: Vec::new(),
            replicas: Vec::new(),
            length_ms: 5_000,
            history: vec![line(Op::Receive, "r", 10, 1, None), line(Op::Read, "", 0, 9, Some(available))],
            shop: vec![checkout(1_000), checkout(3_000)],
            unread: None,
        }
    }

    fn judged(driven: &Driven, unhealed: Option<&str>, looked: Looked) -> Run {
        let faults = vec![Fault { from_ms: 2_000, to_ms: Some(2_500), ..Fault::default() }];
        let unhealed = unhealed.map(str::to_owned);
        let directed =
            Directed { faults: faults.clone(), steady_ms: None, steady_again: None, invalid: None, unhealed, aborted: None };
        let mut run = Run { faults, ..Run::default() };
        judge(&mut run, &experiment(), driven, directed, looked);
        run
    }

    fn books() -> Looked {
        Looked { books: Ok(Books::default()), left: None }
    }

    #[test]
    fn books_that_cannot_be_read_make_it_invalid_unless_units_are_gone_all_the_same() {
        assert_eq!(judged(&driven(10), None, books()).grade(), Grade::Pass);
        let unread = || Looked { books: Err("the books of both stores cannot be read: no route".to_owned()), left: None };
        let run = judged(&driven(10), None, unread());
        assert_eq!(run.grade(), Grade::Invalid);
        assert!(
            run.invalid
                .unwrap()
                .contains("conservation had nothing to look at: the books of both stores cannot be read: no route")
        );
        assert_eq!(judged(&driven(9), None, unread()).grade(), Grade::Fail);
        let run = judged(&Driven { unread: Some("no answer".to_owned()), ..driven(10) }, None, books());
        assert_eq!((run.grade(), run.invalid.as_deref()), (Grade::Invalid, Some("no answer")));
    }

    #[test]
    fn what_does_not_heal_is_a_violation_and_a_sale_that_cannot_be_counted_proves_nothing() {
        let run = judged(&driven(10), Some("inventory-eu: it does not start"), books());
        let check = run.checks.iter().find(|verdict| verdict.check == HEALED).unwrap();
        assert!(run.grade() == Grade::Fail && check.violations[0].what.contains("it does not start"), "{check:?}");
        let left = Some(Left { sku: "cup".to_owned(), of: 10, units: Err("no leader".to_owned()) });
        let run = judged(&driven(10), None, Looked { left, ..books() });
        assert_eq!(run.grade(), Grade::Invalid);
        assert!(run.invalid.unwrap().contains("sold_out had nothing to look at: what is left cannot be read: no leader"));
    }
}
