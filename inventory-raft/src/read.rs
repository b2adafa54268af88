//! Linearizable reads by ReadIndex, one round for all that wait.
//!
//! A caller joins only a round that starts after it arrived: a round already under way proves leadership for an earlier moment.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::consensus::{Consensus, ReadError};

/// Callers that wait for the next round.
const QUEUE: usize = 16_384;

/// Why a read cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RoundError {
    #[error("too many reads wait")]
    QueueFull,
    #[error("this node is not the leader")]
    NotLeader,
    #[error("no quorum answered in time")]
    NoQuorum,
}

#[derive(Clone)]
pub(crate) struct ReadRounds {
    queue: mpsc::Sender<oneshot::Sender<Result<(), RoundError>>>,
}

impl ReadRounds {
    pub(crate) fn start(consensus: Arc<Consensus>) -> Self {
        let (queue, callers) = mpsc::channel(QUEUE);
        tokio::spawn(run(consensus, callers));
        Self { queue }
    }

    /// Returns when this node is proved to lead and to have applied everything answered before the call.
    pub(crate) async fn wait(&self) -> Result<(), RoundError> {
        let (reply, proved) = oneshot::channel();
        self.queue.try_send(reply).map_err(|_| RoundError::QueueFull)?;
        proved.await.unwrap_or(Err(RoundError::NoQuorum))
    }
}

async fn run(consensus: Arc<Consensus>, mut callers: mpsc::Receiver<oneshot::Sender<Result<(), RoundError>>>) {
    let mut round = Vec::new();
    while callers.recv_many(&mut round, QUEUE).await > 0 {
        let proved = consensus.ensure_linearizable().await.map_err(|error| match error {
            ReadError::NotLeader => RoundError::NotLeader,
            ReadError::NoQuorum => RoundError::NoQuorum,
        });
        metrics::histogram!("inventory_read_round_callers").record(round.len() as f64);
        for caller in round.drain(..) {
            let _ = caller.send(proved);
        }
    }
}
