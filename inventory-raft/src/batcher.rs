//! Collects concurrent commands into one log entry, and hands the outcomes out again.
//!
//! There is no linger: an entry takes what waits when it is made. While the entries in flight are at their bound, more commands gather,
//! so entries grow with the load by themselves.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::{
    clock,
    consensus::{Consensus, SubmitError},
    stock::{Command, Entry, Outcome},
};

/// Commands of one entry.
const MAX_ENTRY_COMMANDS: usize = 1_024;

/// About what an entry may weigh; a command with the largest memo stays below 64 KiB.
const MAX_ENTRY_BYTES: usize = 128 * 1024;

/// Entries proposed and not yet applied. Two keep the log's disk busy while the other is on the wire; two more cover jitter.
const MAX_IN_FLIGHT: usize = 1;

/// Submissions that wait: at 40,000/s this is 0.4 s of work; more would only be waited for in vain.
const QUEUE: usize = 16_384;

/// Why a command has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BatchError {
    #[error("too many commands wait")]
    QueueFull,
    #[error("this node is not the leader")]
    NotLeader,
    #[error("the outcome is unknown")]
    OutcomeUnknown,
}

struct Submission {
    commands: Vec<Command>,
    reply: oneshot::Sender<Result<Vec<Outcome>, BatchError>>,
}

#[derive(Clone)]
pub(crate) struct Batcher {
    queue: mpsc::Sender<Submission>,
}

impl Batcher {
    /// Starts the one task that makes entries. It ends when the last handle is dropped.
    pub(crate) fn start(consensus: Arc<Consensus>) -> Self {
        let (queue, submissions) = mpsc::channel(QUEUE);
        tokio::spawn(collect(consensus, submissions));
        Self { queue }
    }

    /// Puts commands into the log together, in order; one outcome for each.
    pub(crate) async fn submit(&self, commands: Vec<Command>) -> Result<Vec<Outcome>, BatchError> {
        let (reply, outcome) = oneshot::channel();
        self.queue.try_send(Submission { commands, reply }).map_err(|_| BatchError::QueueFull)?;
        metrics::gauge!("inventory_queue_depth").set((QUEUE - self.queue.capacity()) as f64);
        outcome.await.unwrap_or(Err(BatchError::OutcomeUnknown))
    }
}

async fn collect(consensus: Arc<Consensus>, mut submissions: mpsc::Receiver<Submission>) {
    let in_flight = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    while let Some(first) = submissions.recv().await {
        let Ok(permit) = in_flight.clone().acquire_owned().await else { return };
        let batch = gather(first, &mut submissions);
        let consensus = consensus.clone();
        tokio::spawn(async move {
            propose(&consensus, batch).await;
            drop(permit);
        });
    }
}

/// The first submission and what else waits, up to the bounds of an entry. A submission is never torn apart.
fn gather(first: Submission, submissions: &mut mpsc::Receiver<Submission>) -> Vec<Submission> {
    let (mut commands, mut bytes) = (first.commands.len(), weight(&first));
    let mut batch = vec![first];
    while commands < MAX_ENTRY_COMMANDS && bytes < MAX_ENTRY_BYTES {
        let Ok(next) = submissions.try_recv() else { break };
        commands += next.commands.len();
        bytes += weight(&next);
        batch.push(next);
    }
    batch
}

fn weight(submission: &Submission) -> usize {
    let of = |command: &Command| match command {
        Command::Reserve { lines, memo, .. } | Command::Purchase { lines, memo, .. } => {
            32 + 64 * lines.len() + memo.as_ref().map_or(0, String::len)
        }
        Command::Acknowledge { ids } => 16 * ids.len(),
        _ => 64,
    };
    submission.commands.iter().map(of).sum()
}

async fn propose(consensus: &Consensus, batch: Vec<Submission>) {
    let sizes: Vec<usize> = batch.iter().map(|submission| submission.commands.len()).collect();
    let (commands, replies): (Vec<_>, Vec<_>) = batch.into_iter().map(|one| (one.commands, one.reply)).unzip();
    let commands: Vec<Command> = commands.into_iter().flatten().collect();
    metrics::histogram!("inventory_entry_commands").record(commands.len() as f64);
    let proposed = consensus.submit(Entry::new(clock::now(), &commands)).await;
    let outcome = match &proposed {
        Ok(_) => "committed",
        Err(SubmitError::NotLeader) => "not_leader",
        Err(SubmitError::OutcomeUnknown(reason)) => {
            tracing::warn!(reason, "an entry's outcome is unknown");
            "unknown"
        }
    };
    metrics::counter!("inventory_proposals_total", "outcome" => outcome).increment(1);
    let mut outcomes = proposed.map(Vec::into_iter);
    for (size, reply) in sizes.into_iter().zip(replies) {
        let answer = match &mut outcomes {
            Ok(outcomes) => Ok(outcomes.by_ref().take(size).collect()),
            Err(SubmitError::NotLeader) => Err(BatchError::NotLeader),
            Err(SubmitError::OutcomeUnknown(_)) => Err(BatchError::OutcomeUnknown),
        };
        // A caller that hung up does not take its command back; it asks again with the same id.
        let _ = reply.send(answer);
    }
}
