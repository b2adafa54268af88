//! Gathers concurrent calls into few: while one statement is under way, those that come wait, and go together in the next.
//!
//! Owns: the queue and its bounds, and that each caller is answered in time. Must not: know what is asked.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};

use super::DatabaseError;

/// Callers that wait. One that finds no room is told at once; at 2,000 calls a second, this is what comes in two seconds.
const QUEUE: usize = 4_096;

/// Longest wait of one caller: the statement under way, and its own.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// One caller's question, and where the answer goes.
type Waiting<Q, A> = (Q, oneshot::Sender<Result<A, DatabaseError>>);

/// Answers for a whole batch, in its order.
pub(crate) type Gathered<A> = Vec<Result<A, DatabaseError>>;

/// Cheap to clone; ends when the last clone does.
pub(crate) struct Gather<Q, A> {
    queue: mpsc::Sender<Waiting<Q, A>>,
}

impl<Q, A> Clone for Gather<Q, A> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<Q: Send + Sync + 'static, A: Send + 'static> Gather<Q, A> {
    /// `ask` is given at most `most` questions at a time; `lanes` of them are under way at once.
    pub(crate) fn start<F, W>(name: &'static str, most: usize, lanes: usize, ask: F) -> Self
    where
        F: Fn(Arc<Vec<Q>>) -> W + Clone + Send + 'static,
        W: Future<Output = Gathered<A>> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
        for _ in 0..lanes {
            tokio::spawn(lane(name, most, waiting.clone(), ask.clone()));
        }
        Self { queue }
    }

    pub(crate) async fn ask(&self, question: Q) -> Result<A, DatabaseError> {
        self.ask_within(question, PATIENCE).await
    }

    async fn ask_within(&self, question: Q, patience: Duration) -> Result<A, DatabaseError> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send((question, answer)).map_err(|_| DatabaseError::Full)?;
        match tokio::time::timeout(patience, answered).await {
            Ok(Ok(answer)) => answer,
            // The lane is gone with the process.
            Ok(Err(_)) => Err(DatabaseError::Away),
            Err(_) => Err(DatabaseError::NoAnswer { after: patience }),
        }
    }
}

async fn lane<Q, A, F, W>(
    name: &'static str,
    most: usize,
    waiting: Arc<tokio::sync::Mutex<mpsc::Receiver<Waiting<Q, A>>>>,
    ask: F,
) where
    Q: Send + Sync + 'static,
    F: Fn(Arc<Vec<Q>>) -> W,
    W: Future<Output = Gathered<A>>,
{
    let mut batch = Vec::with_capacity(most);
    while waiting.lock().await.recv_many(&mut batch, most).await > 0 {
        metrics::histogram!("orders_gathered_calls", "call" => name).record(batch.len() as f64);
        let (questions, answers): (Vec<Q>, Vec<_>) = batch.drain(..).unzip();
        let asked = questions.len();
        // A defect in one batch must not leave all later callers without an answer.
        let heard = AssertUnwindSafe(ask(Arc::new(questions))).catch_unwind().await.unwrap_or_else(|_| {
            metrics::counter!("orders_gathered_panics_total", "call" => name).increment(1);
            (0..asked).map(|_| Err(DatabaseError::Away)).collect()
        });
        for (answer, heard) in answers.into_iter().zip(heard) {
            // A caller that gave up hears nothing.
            let _ = answer.send(heard);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn what_comes_while_one_is_under_way_goes_together() {
        let (sizes, gate) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
        let (seen, open) = (sizes.clone(), gate.clone());
        let double = move |numbers: Arc<Vec<u32>>| {
            let (seen, open) = (seen.clone(), open.clone());
            async move {
                seen.lock().unwrap().push(numbers.len());
                open.acquire().await.unwrap().forget();
                numbers.iter().map(|number| Ok(number * 2)).collect()
            }
        };
        let gather = Gather::start("double", 3, 1, double);
        let first = tokio::spawn({
            let gather = gather.clone();
            async move { gather.ask(1).await }
        });
        while sizes.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let others: Vec<_> = (2..6)
            .map(|n| {
                tokio::spawn({
                    let gather = gather.clone();
                    async move { gather.ask(n).await }
                })
            })
            .collect();
        while gather.queue.capacity() > QUEUE - 4 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(3);
        assert_eq!(first.await.unwrap().unwrap(), 2);
        for (n, other) in (2..6).zip(others) {
            assert_eq!(other.await.unwrap().unwrap(), n * 2);
        }
        assert_eq!(*sizes.lock().unwrap(), [1, 3, 1], "no batch is larger than it may be");
    }

    #[tokio::test]
    async fn a_batch_that_panics_is_answered_and_the_next_one_is_asked() {
        let picky = |numbers: Arc<Vec<u32>>| async move {
            assert!(!numbers.contains(&13), "a defect");
            numbers.iter().map(|number| Ok(*number)).collect()
        };
        let gather = Gather::start("picky", 1, 1, picky);
        assert!(matches!(gather.ask(13).await, Err(DatabaseError::Away)));
        assert_eq!(gather.ask(14).await.unwrap(), 14);
    }

    #[tokio::test]
    async fn nobody_waits_for_ever_and_no_more_wait_than_there_is_room_for() {
        let stuck = |_: Arc<Vec<u32>>| std::future::pending::<Gathered<u32>>();
        let gather = Gather::start("stuck", 1, 1, stuck);
        assert!(matches!(gather.ask_within(1, Duration::from_millis(20)).await, Err(DatabaseError::NoAnswer { .. })));
        while gather.queue.try_send((0, oneshot::channel().0)).is_ok() {}
        assert!(matches!(gather.ask(2).await, Err(DatabaseError::Full)));
    }
}
