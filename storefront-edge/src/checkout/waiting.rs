//! Checkouts that wait for a leader: so many, for so long.

use std::time::Duration;

use storefront_types::{Problem, ProblemType};
use tokio::sync::Semaphore;

use crate::leader::{LeaderView, Standing};

/// While one election is on, and half of another that follows a split vote.
const ELECTIONS_IN_HALVES: u32 = 3;

#[derive(Debug)]
pub(crate) struct WaitingRoom {
    seats: Semaphore,
    patience: Duration,
}

impl WaitingRoom {
    /// `election`: the longest election timeout of the inventory.
    pub(crate) fn new(seats: usize, election: Duration) -> Self {
        Self { seats: Semaphore::new(seats), patience: election * ELECTIONS_IN_HALVES / 2 }
    }

    /// Comes back when there may be a leader: one is known, or nobody can tell. Refuses when there is none for too long.
    pub(super) async fn wait(&self, leader: &LeaderView, left: Duration) -> Result<(), Problem> {
        if leader.standing() != Standing::Leaderless {
            return Ok(());
        }
        let refused = |how: &'static str, detail: &str| {
            metrics::counter!("edge_checkouts_refused_total", "how" => how).increment(1);
            Err(Problem::new(ProblemType::Unavailable).detail(detail.to_owned()))
        };
        let Ok(_seat) = self.seats.try_acquire() else {
            return refused("queue_full", "too many checkouts wait for the inventory; ask again with the same Idempotency-Key");
        };
        metrics::gauge!("edge_checkouts_waiting").increment(1.0);
        let standing = leader.wait(self.patience.min(left)).await;
        metrics::gauge!("edge_checkouts_waiting").decrement(1.0);
        match standing {
            Standing::Leaderless => refused(
                "no_leader",
                "the inventory has no leader now, so nothing can be bought; ask again with the same Idempotency-Key",
            ),
            Standing::Led { .. } | Standing::Unseen => Ok(()),
        }
    }
}
