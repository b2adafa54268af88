//! Collects concurrent commands into one log entry, and hands the outcomes out again.
//!
//! There is no linger: when no entry is under way, what waits is proposed at once. While one is, more commands gather, so entries grow
//! with the load by themselves. A further entry does not wait for the one before it when it is full, or when that one takes long: then it
//! is on its way to other regions, and the wire should be kept busy.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::Instant,
};

use crate::{
    clock,
    consensus::{Consensus, SubmitError},
    stock::{Command, Entry, Outcome},
};

/// Commands of one entry.
const MAX_ENTRY_COMMANDS: usize = 1_024;

/// About what an entry may weigh; a command with the largest memo stays below 64 KiB.
const MAX_ENTRY_BYTES: usize = 128 * 1024;

/// Entries proposed and not yet applied. With one every [`SPACING`] this covers a round trip of 160 ms.
const MAX_IN_FLIGHT: usize = 32;

/// Between two entries that are not full, while some are in flight. Smaller entries cost more than they gain: with 256 callers on
/// one machine, entries one after the other gave 51,000 purchases/s, up to four at once 46,000/s. A tenth of a round trip between
/// continents.
const SPACING: Duration = Duration::from_millis(5);

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

impl From<SubmitError> for BatchError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::NotLeader => Self::NotLeader,
            SubmitError::OutcomeUnknown(_) => Self::OutcomeUnknown,
        }
    }
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
    /// Submissions that wait to go into an entry.
    pub(crate) fn depth(&self) -> usize {
        QUEUE - self.queue.capacity()
    }

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
        outcome.await.unwrap_or(Err(BatchError::OutcomeUnknown))
    }
}

/// Submissions that go into the next entry.
#[derive(Default)]
struct Gathered {
    submissions: Vec<Submission>,
    commands: usize,
    bytes: usize,
}

impl Gathered {
    fn add(&mut self, submission: Submission) {
        self.commands += submission.commands.len();
        self.bytes += weight(&submission);
        self.submissions.push(submission);
    }

    /// No more goes in. A submission is never torn apart, so the last one may have gone over the bound.
    fn is_full(&self) -> bool {
        self.commands >= MAX_ENTRY_COMMANDS || self.bytes >= MAX_ENTRY_BYTES
    }

    fn is_empty(&self) -> bool {
        self.submissions.is_empty()
    }
}

async fn collect(consensus: Arc<Consensus>, mut queue: mpsc::Receiver<Submission>) {
    let (mut gathered, mut in_flight, mut last) = (Gathered::default(), JoinSet::new(), Instant::now());
    loop {
        while !gathered.is_full() {
            let Ok(next) = queue.try_recv() else { break };
            gathered.add(next);
        }
        while in_flight.try_join_next().is_some() {}
        let may_begin =
            in_flight.is_empty() || in_flight.len() < MAX_IN_FLIGHT && (gathered.is_full() || last.elapsed() >= SPACING);
        if may_begin && !gathered.is_empty() {
            let (consensus, batch) = (consensus.clone(), std::mem::take(&mut gathered).submissions);
            in_flight.spawn(async move { propose(&consensus, batch).await });
            last = Instant::now();
            continue;
        }
        let may_begin_later = !gathered.is_empty() && in_flight.len() < MAX_IN_FLIGHT;
        tokio::select! {
            next = queue.recv(), if !gathered.is_full() => match next {
                Some(submission) => gathered.add(submission),
                // The node stops; what was gathered was never proposed, and its callers are told that its outcome is unknown.
                None => return,
            },
            _ = in_flight.join_next(), if !in_flight.is_empty() => {}
            () = tokio::time::sleep_until(last + SPACING), if may_begin_later => {}
        }
    }
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

/// Counts what became of commands, by outcome; an entry has few different ones.
fn count(outcomes: &[Outcome]) {
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    for outcome in outcomes {
        *counts.entry(outcome.code.name()).or_default() += 1;
    }
    for (name, count) in counts {
        metrics::counter!("inventory_outcomes_total", "outcome" => name).increment(count);
    }
}

async fn propose(consensus: &Consensus, batch: Vec<Submission>) {
    let sizes: Vec<usize> = batch.iter().map(|submission| submission.commands.len()).collect();
    let (commands, replies): (Vec<_>, Vec<_>) = batch.into_iter().map(|one| (one.commands, one.reply)).unzip();
    let commands: Vec<Command> = commands.into_iter().flatten().collect();
    metrics::histogram!("inventory_entry_commands").record(commands.len() as f64);
    metrics::gauge!("inventory_proposals_pending").increment(1.0);
    let proposed = consensus.submit(Entry::new(clock::now(), &commands)).await;
    metrics::gauge!("inventory_proposals_pending").decrement(1.0);
    let outcome = match &proposed {
        Ok(_) => "committed",
        Err(SubmitError::NotLeader) => "not_leader",
        Err(SubmitError::OutcomeUnknown(reason)) => {
            tracing::warn!(reason, "an entry's outcome is unknown");
            "unknown"
        }
    };
    metrics::counter!("inventory_proposals_total", "outcome" => outcome).increment(1);
    if let Ok(outcomes) = &proposed {
        count(outcomes);
    }
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
