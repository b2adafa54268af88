//! All checks over what a run left behind.
//!
//! Owns: which checks there are. Must not: read files or stores.

use crate::{
    check::{
        Books, InTime, Seen, Verdict, balance, bounded_staleness, exactly_once, linearizable, no_lost_ack, no_oversell, recovered,
    },
    history::{Operation, ShopLine},
    run::{Recovery, Run},
};

/// What a run left behind.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    pub history: &'a [Operation],
    pub shop: &'a [ShopLine],
    /// Both stores, where they were read.
    pub books: Option<&'a Books>,
}

/// What is expected beside the invariants.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    pub in_time: InTime,
    /// How old an edge's word on stock may be.
    pub stale_ms: u64,
}

impl Default for Expected {
    fn default() -> Self {
        Self { in_time: InTime::default(), stale_ms: 2_000 }
    }
}

/// The verdicts, how the service came back, and how many acknowledged operations were lost.
#[derive(Clone, Debug)]
pub struct Proof {
    pub checks: Vec<Verdict>,
    pub recovery: Recovery,
    pub rpo_ops: u64,
}

/// `run`: its faults, leaders, replicas and samples, from when on it was steady, and whether it was given up.
pub fn prove(evidence: &Evidence<'_>, run: &Run, expected: &Expected) -> Proof {
    let Evidence { history, shop, books } = *evidence;
    let (no_lost_ack, rpo_ops) = no_lost_ack(history, shop);
    let given_up = run.aborted.is_some() || run.invalid.is_some();
    let (samples, faults, reigns, replicas) = (&run.samples, &run.faults, &run.reigns, &run.replicas);
    let seen = Seen { shop, samples, faults, reigns, replicas, steady_ms: run.steady_ms, given_up };
    let (in_time, recovery) = recovered(&seen, expected.in_time);
    let checks = vec![
        no_oversell(history),
        no_lost_ack,
        exactly_once(history, shop),
        balance(history, books),
        linearizable(history),
        bounded_staleness(shop, expected.stale_ms.saturating_mul(1_000_000), &run.faults),
        in_time,
    ];
    Proof { checks, recovery, rpo_ops }
}

impl Run {
    /// Takes over what was proved.
    pub fn proved(&mut self, proof: Proof) {
        self.checks = proof.checks;
        self.recovery = Some(proof.recovery);
        self.rpo_ops = proof.rpo_ops;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::{EXACTLY_ONCE, LINEARIZABLE, NO_OVERSELL, Outcome},
        history::{Checkout, Op, Out},
    };

    /// Of the checks that were skipped, those names.
    fn skipped(history: &[Operation], shop: &[ShopLine]) -> Vec<String> {
        let proof = prove(&Evidence { history, shop, books: None }, &Run::default(), &Expected::default());
        let skipped = proof.checks.into_iter().filter(|check| check.outcome == Outcome::Skipped);
        skipped.map(|check| check.check).collect()
    }

    #[test]
    fn checks_without_evidence_are_skipped_and_never_hold() {
        assert_eq!(skipped(&[], &[]).len(), 7, "all of them");
        let asked = |op, out, ret| {
            let (sku, id) = ("cup".to_owned(), "a".to_owned());
            Operation { client: 1, op, sku, id, qty: 1, call: 1, ret, out, value: None, ver: None }
        };
        let checkout = |out, ret| ShopLine::Checkout(Checkout::example("k", (1, ret), out));
        // What was refused before it was tried, and what nobody knows of, decide nothing.
        for (out, ret) in [(Out::Fail, Some(2)), (Out::Unknown, None)] {
            let told = skipped(&[asked(Op::Reserve, out, ret), asked(Op::Purchase, out, ret)], &[checkout(out, ret)]);
            for name in [NO_OVERSELL, LINEARIZABLE, EXACTLY_ONCE] {
                assert!(told.iter().any(|of| of == name), "{name} {out:?}: {told:?}");
            }
        }
        let told = skipped(&[asked(Op::Purchase, Out::Ok, Some(2))], &[]);
        assert!([NO_OVERSELL, LINEARIZABLE, EXACTLY_ONCE].iter().all(|name| !told.iter().any(|of| of == name)), "{told:?}");
    }
}
