//! Tells one sink of events: at least once, and those of one order in order.
//!
//! One instance at a time does it for a sink: it holds a lock of its PostgreSQL session, and moves the cursor on that same connection. What
//! was sent and not noted before a crash is sent again. What the sink will never take is parked, and so is what follows for the same order,
//! until an operator looks at it; other orders go on.

use std::{collections::HashSet, time::Duration};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::{Instant, sleep, timeout};

use super::{
    envelope::{Message, Waiting, message},
    oldest::{self, Writing},
    room,
    rows::{self, Cursor},
    sink::{Published, Refusal, Sink},
};
use crate::database::NOTICED_WHEN_GONE;

/// Rows of one batch: 200 x about 1 KiB.
const BATCH: i64 = 200;

/// Between two looks at an empty outbox. A notification from PostgreSQL would come sooner, and would put all checkouts' commits in a queue.
const IDLE: Duration = Duration::from_millis(200);

/// Between two attempts at a sink, a lock or PostgreSQL.
const RETRY: Duration = Duration::from_millis(500);

/// Attempts with a message that the sink says it will never take; it may have been configured anew in between.
const ATTEMPTS: u32 = 3;

/// Parked rows of a sink. One that refuses so many is ill itself: the relay waits then.
const MAX_PARKED: i64 = 100_000;

/// Between two times of deleting and measuring.
const TIDY: Duration = Duration::from_secs(2);

/// A transaction that writes for so long is worth a line in the log: ours take milliseconds.
const LONG_S: f64 = 5.0;

/// Longest wait for PostgreSQL; a connection that is cut off without a word is left then, and with it the lock.
const SQL: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("PostgreSQL did not answer within {SQL:?}")]
    NoAnswer,
    #[error("the sink: {0}")]
    Sink(String),
    #[error("{MAX_PARKED} events are parked: replay or drop them with `orders outbox`")]
    TooManyParked,
}

async fn bounded<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, RelayError> {
    Ok(timeout(SQL, work).await.map_err(|_| RelayError::NoAnswer)??)
}

pub(crate) struct Relay {
    name: String,
    /// Rows that the outbox may have.
    max: i64,
    /// The transaction that was last said to hold events back.
    held_by: Option<i32>,
    /// Of all sinks of this process.
    names: Vec<String>,
    url: String,
    sink: Sink,
    /// The row that was refused last, and how often.
    refused: (i64, u32),
}

impl Relay {
    /// `name` is the sink's in the database: of each name one relay works at a time.
    pub(crate) fn new(name: String, names: &[String], (url, max): (&str, i64), sink: Sink) -> Self {
        Self { name, max, held_by: None, names: names.to_owned(), url: url.to_owned(), sink, refused: (0, 0) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Never ends.
    pub(crate) async fn run(&mut self) {
        let mut is_well = true;
        loop {
            let Err(error) = self.session(&mut is_well).await;
            match std::mem::replace(&mut is_well, false) {
                true => tracing::warn!(%error, sink = self.name, "events wait; tried again until it works"),
                false => tracing::debug!(%error, sink = self.name, "events wait"),
            }
            sleep(RETRY).await;
        }
    }

    /// From the connection to its loss.
    async fn session(&mut self, is_well: &mut bool) -> Result<std::convert::Infallible, RelayError> {
        let options: PgConnectOptions = self.url.parse()?;
        let options = options.application_name(&format!("orders outbox {}", self.name)).options(NOTICED_WHEN_GONE);
        let mut sql = bounded(PgConnection::connect_with(&options)).await?;
        while !bounded(rows::lock(&mut sql, &self.name)).await? {
            sleep(RETRY).await;
        }
        let mut cursor = bounded(rows::cursor(&mut sql, &self.name, &self.names)).await?;
        let mut tidied: Option<Instant> = None;
        loop {
            // Before anything is told: a sink that is away must not keep the outbox from being emptied.
            if tidied.is_none_or(|at| at.elapsed() > TIDY) {
                tidied = Some(Instant::now());
                self.tidy(&mut sql, cursor).await?;
            }
            let replayed = self.replay(&mut sql).await?;
            let waiting = bounded(rows::waiting(&mut sql, cursor, BATCH)).await?;
            self.tell(&mut sql, &waiting, &mut cursor).await?;
            *is_well = true;
            if waiting.is_empty() && !replayed {
                sleep(IDLE).await;
            }
        }
    }

    /// Sends rows and moves the cursor, as far as it gets.
    async fn tell(&mut self, sql: &mut PgConnection, rows: &[Waiting], cursor: &mut Cursor) -> Result<(), RelayError> {
        if rows.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = rows.iter().map(|row| row.key.clone()).collect();
        let parked = bounded(rows::parked_of(sql, &self.name, &keys)).await?;
        let mut parked: HashSet<String> = parked.into_iter().collect();
        let mut at = 0;
        while at < rows.len() {
            let row = &rows[at];
            if parked.contains(&row.key) {
                self.park(sql, row, "it comes after a parked event of its order").await?;
                (*cursor, at) = (Cursor::at(row), at + 1);
                continue;
            }
            let (messages, unfit) = sendable(&rows[at..], &parked);
            let (taken, refusal) = match messages.is_empty() {
                true => (0, unfit),
                false => {
                    let Published { taken, refusal } = self.sink.publish(&messages).await;
                    crate::fault::after("publish");
                    (taken, refusal.map(|refusal| (refusal, &rows[at + taken])))
                }
            };
            if taken > 0 {
                *cursor = Cursor::at(&rows[at + taken - 1]);
                bounded(rows::advance(sql, &self.name, *cursor)).await?;
                metrics::counter!("orders_events_published_total", "sink" => self.name.clone()).increment(taken as u64);
                at += taken;
            }
            match refusal {
                None => {}
                Some((Refusal::Later(reason), _)) => return Err(RelayError::Sink(reason)),
                Some((Refusal::Message(reason), row)) if self.is_last_attempt(row) => {
                    self.park(sql, row, &reason).await?;
                    parked.insert(row.key.clone());
                    (*cursor, at) = (Cursor::at(row), at + 1);
                }
                Some((Refusal::Message(_), _)) => sleep(RETRY).await,
            }
        }
        Ok(())
    }

    fn is_last_attempt(&mut self, row: &Waiting) -> bool {
        let before = if self.refused.0 == row.row_id { self.refused.1 } else { 0 };
        self.refused = (row.row_id, before + 1);
        before + 1 >= ATTEMPTS
    }

    async fn park(&self, sql: &mut PgConnection, row: &Waiting, reason: &str) -> Result<(), RelayError> {
        if bounded(rows::parked_count(sql, &self.name)).await? >= MAX_PARKED {
            return Err(RelayError::TooManyParked);
        }
        tracing::error!(
            sink = self.name,
            order = row.key,
            row = row.row_id,
            reason,
            "an event is parked; see `orders outbox list`"
        );
        bounded(rows::park(sql, &self.name, row, reason)).await
    }

    /// Sends again what an operator asked for. Whether there was something.
    async fn replay(&mut self, sql: &mut PgConnection) -> Result<bool, RelayError> {
        let rows = bounded(rows::replayed(sql, &self.name, BATCH)).await?;
        let (messages, unfit) = sendable(&rows, &HashSet::new());
        let (taken, refusal) = match messages.is_empty() {
            true => (0, unfit),
            false => {
                let Published { taken, refusal } = self.sink.publish(&messages).await;
                (taken, refusal.map(|refusal| (refusal, &rows[taken])))
            }
        };
        let sent: Vec<i64> = rows[..taken].iter().map(|row| row.row_id).collect();
        if !sent.is_empty() {
            bounded(rows::unpark(sql, &self.name, &sent)).await?;
        }
        match refusal {
            None => {}
            Some((Refusal::Later(reason), _)) => return Err(RelayError::Sink(reason)),
            Some((Refusal::Message(reason), row)) => bounded(rows::refused_again(sql, &self.name, row, &reason)).await?,
        }
        Ok(!rows.is_empty())
    }

    /// Deletes what all sinks have and what there is no room for, and says how far behind this one is, and why.
    async fn tidy(&mut self, sql: &mut PgConnection, cursor: Cursor) -> Result<(), RelayError> {
        bounded(rows::delete_told(sql)).await?;
        let dropped = bounded(room::make(sql, self.max)).await?;
        if dropped > 0 {
            tracing::error!(
                dropped,
                max = self.max,
                "the outbox is full: the oldest events went untold; see `orders outbox list`"
            );
            metrics::counter!("orders_events_dropped_total").increment(dropped);
        }
        metrics::gauge!("orders_outbox_rows").set(bounded(room::rows(sql)).await? as f64);
        metrics::gauge!("orders_outbox_rows_max").set(self.max as f64);
        let missed = bounded(room::missed(sql, &self.name)).await?;
        metrics::gauge!("orders_events_missed", "sink" => self.name.clone()).set(missed as f64);
        self.say_what_holds_back(bounded(oldest::writing(sql)).await?);
        let lag_s = bounded(rows::lag_s(sql, cursor)).await?;
        let parked = bounded(rows::parked_count(sql, &self.name)).await?;
        metrics::gauge!("orders_events_lag_seconds", "sink" => self.name.clone()).set(lag_s);
        metrics::gauge!("orders_events_parked", "sink" => self.name.clone()).set(parked as f64);
        Ok(())
    }
}

impl Relay {
    /// Once for each transaction, and only for one that is long at it.
    fn say_what_holds_back(&mut self, oldest: Option<Writing>) {
        let age_s = oldest.as_ref().map_or(0.0, |writing| writing.age_s);
        metrics::gauge!("orders_events_held_back_seconds").set(age_s);
        let long = oldest.filter(|writing| writing.age_s > LONG_S);
        let held_by = long.as_ref().map(|writing| writing.pid);
        if let Some(Writing { pid, application, user, database, state, age_s }) = long
            && self.held_by != held_by
        {
            tracing::warn!(pid, application, user, database, state, age_s, "a transaction holds events back until it ends");
        }
        self.held_by = held_by;
    }
}

/// Messages of the rows from the front, up to one that has to be parked; where the first one has to be, why.
fn sendable<'a>(rows: &'a [Waiting], parked: &HashSet<String>) -> (Vec<Message>, Option<(Refusal, &'a Waiting)>) {
    let mut messages = Vec::with_capacity(rows.len());
    for row in rows {
        if parked.contains(&row.key) {
            break;
        }
        match message(row) {
            Ok(ready) => messages.push(ready),
            Err(reason) => {
                let unfit = messages.is_empty().then_some((Refusal::Message(reason), row));
                return (messages, unfit);
            }
        }
    }
    (messages, None)
}
