//! Work that goes on behind the requests, and goes on again when it ended.
//!
//! Owns: starting it anew, slower and slower, and saying which work is ailing: a metric, a line in the log, and a line at `/readyz`. The process
//! stays ready: it takes orders also while nobody tells of them. Must not: know what the work is.

use std::time::Duration;

use storefront_service::Readiness;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

/// Between the end of a work and its next start, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Work that went on for so long is well: its next pause is a short one again.
const WELL: Duration = Duration::from_secs(60);

/// Works of this process; they end with the value.
pub(crate) struct Background {
    readiness: Readiness,
    works: Vec<AbortOnDropHandle<()>>,
}

impl Background {
    pub(crate) fn new(readiness: Readiness) -> Self {
        Self { readiness, works: Vec::new() }
    }

    /// `work` never ends by itself; when it does, it begins again with a clone of `state`. `name` is one of a few.
    pub(crate) fn start<S, W>(&mut self, name: impl Into<String>, state: S, work: impl Fn(S) -> W + Send + 'static)
    where
        S: Clone + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let begin = move || work(state.clone());
        let supervised = supervise(name.into(), self.readiness.clone(), [FIRST_PAUSE, LONGEST_PAUSE], begin);
        self.works.push(AbortOnDropHandle::new(tokio::spawn(supervised)));
    }
}

async fn supervise<W>(name: String, readiness: Readiness, [first, longest]: [Duration; 2], mut begin: impl FnMut() -> W)
where
    W: Future<Output = ()> + Send + 'static,
{
    let mut pause = first;
    loop {
        let began = Instant::now();
        let why = match AbortOnDropHandle::new(tokio::spawn(begin())).await {
            Ok(()) => "it ended".to_owned(),
            // The panic's own message is on the standard error.
            Err(error) => error.to_string(),
        };
        pause = if began.elapsed() > WELL { first } else { pause };
        tracing::error!(work = name, why, pause_ms = pause.as_millis(), "work in the background ended; it is started again");
        metrics::counter!("orders_background_restarts_total", "work" => name.clone()).increment(1);
        readiness.ailing(&name, Some(format!("{why}; started again after {pause:?}")));
        sleep(pause).await;
        pause = (pause * 2).min(longest);
        readiness.ailing(&name, None);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn work_that_panics_or_ends_is_named_and_started_again() {
        let (readiness, well) = (Readiness::new(&[]), Arc::new(Notify::new()));
        let (begun, reached, seen) = (Arc::new(AtomicU32::new(0)), well.clone(), readiness.clone());
        let begin = move || {
            let (nth, reached, seen) = (begun.fetch_add(1, Ordering::SeqCst), reached.clone(), seen.clone());
            async move {
                match nth {
                    0 => panic!("the first of them"),
                    1 => {}
                    _ => {
                        assert_eq!(seen.ailments(), []);
                        reached.notify_one();
                        std::future::pending().await
                    }
                }
            }
        };
        let pauses = [Duration::from_millis(50); 2];
        let work = AbortOnDropHandle::new(tokio::spawn(supervise("told".to_owned(), readiness.clone(), pauses, begin)));
        while readiness.ailments().is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(readiness.ailments()[0].1.contains("panicked"), "{:?}", readiness.ailments());
        well.notified().await;
        drop(work);
    }
}
