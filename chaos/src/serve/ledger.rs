//! Which drills ran, and whether another one may begin. Pure.

use std::collections::VecDeque;

use chaos_api::{MAX_RUNS, Order, Run, RunState};

/// What the exit codes of `chaos drill` mean. A signal gives none.
pub(super) fn verdict(exit_code: Option<i32>) -> &'static str {
    match exit_code {
        Some(0) => "PASS",
        Some(2) => "NOT STARTED",
        // A fault that did not bite, and what could not be decided: neither proves anything.
        Some(3 | 5) => "INVALID",
        Some(4) => "FAIL",
        Some(6) => "ABORTED",
        Some(_) => "ERROR",
        None => "KILLED",
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Refused {
    #[error("run {id}, {drill}, has not ended; wait for its end or stop it")]
    Busy { id: u64, drill: String },
}

/// The newest first.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    runs: VecDeque<Run>,
    next: u64,
}

impl Ledger {
    pub(super) fn runs(&self) -> Vec<Run> {
        self.runs.iter().cloned().collect()
    }

    fn under_way(&self) -> Option<&Run> {
        self.runs.iter().find(|run| run.state != RunState::Ended)
    }

    /// Begins a run, unless one is under way.
    pub(super) fn begin(&mut self, order: &Order, at_ms: u64, report: impl FnOnce(u64) -> String) -> Result<Run, Refused> {
        if let Some(Run { id, drill, .. }) = self.under_way() {
            return Err(Refused::Busy { id: *id, drill: drill.clone() });
        }
        self.next += 1;
        let run = Run {
            id: self.next,
            drill: order.drill.clone(),
            region: order.region.clone(),
            state: RunState::Running,
            began_ms: at_ms,
            ended_ms: None,
            exit_code: None,
            verdict: None,
            report: report(self.next),
            said: String::new(),
        };
        self.runs.push_front(run.clone());
        self.runs.truncate(MAX_RUNS);
        Ok(run)
    }

    /// Whether there was one to stop.
    pub(super) fn stop(&mut self) -> bool {
        let under_way = self.runs.iter_mut().find(|run| run.state != RunState::Ended);
        under_way.map(|run| run.state = RunState::Stopping).is_some()
    }

    pub(super) fn end(&mut self, id: u64, exit_code: Option<i32>, at_ms: u64, said: String) {
        if let Some(run) = self.runs.iter_mut().find(|run| run.id == id) {
            run.state = RunState::Ended;
            run.ended_ms = Some(at_ms.max(run.began_ms));
            run.exit_code = exit_code;
            run.verdict = Some(verdict(exit_code).to_owned());
            run.said = said;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(drill: &str) -> Order {
        Order { drill: drill.to_owned(), region: None }
    }

    proptest! {
        /// Whatever is asked in whatever order: one runs at a time, few are remembered, and the newest is first.
        #[test]
        fn one_at_a_time_and_few_are_remembered(asked in proptest::collection::vec(0_u8..3, 0..200)) {
            let (mut ledger, mut running) = (Ledger::default(), None);
            for (nth, ask) in asked.into_iter().enumerate() {
                match ask {
                    0 => {
                        let begun = ledger.begin(&order("leader-loss"), nth as u64, |id| format!("runs/{id}"));
                        prop_assert_eq!(begun.is_ok(), running.is_none());
                        running = running.or(begun.ok().map(|run| run.id));
                    }
                    1 => prop_assert_eq!(ledger.stop(), running.is_some()),
                    _ => {
                        if let Some(id) = running.take() {
                            ledger.end(id, Some(0), nth as u64, String::new());
                        }
                    }
                }
                let runs = ledger.runs();
                prop_assert!(runs.len() <= MAX_RUNS && runs.is_sorted_by(|newer, older| newer.id > older.id));
                let under_way: Vec<u64> = runs.iter().filter(|run| run.state != RunState::Ended).map(|run| run.id).collect();
                prop_assert_eq!(under_way, running.into_iter().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn only_zero_is_a_pass() {
        let passes = (-1..256).map(Some).chain([None]).filter(|code| verdict(*code) == "PASS").collect::<Vec<_>>();
        assert_eq!(passes, [Some(0)]);
    }
}
