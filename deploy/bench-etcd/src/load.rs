//! Closed loops: each caller asks again when it has its answer. Only what was acknowledged in the measured time counts.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::{task::LocalSet, time::timeout};
use tonic::Status;

use crate::{api::PutRequest, client::Client};

/// Latencies are told between 1 us and a minute, with three digits.
const LONGEST_US: u64 = 60_000_000;

/// Units of a SKU, so that no round sells out.
const PLENTY: u64 = 1_000_000_000;

/// About what a purchase record weighs.
const VALUE: [u8; 64] = [b'x'; 64];

/// Keys that one transaction of the setup writes: as many as etcd takes.
const FILLED_AT_ONCE: usize = 128;

/// Longest wait for the answers that are due when the time is over.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

/// Longest time that writing the keys may take.
const PREPARE_LIMIT: Duration = Duration::from_secs(120);

/// Pause after an error, so that callers of a member that is gone do not spin.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// Puts over many keys
    Put,
    /// Puts of one key
    Hot,
    /// Read a counter, write it one lower if nobody else did, until that goes through
    Txn,
    /// Linearizable reads over many keys
    Read,
}

#[derive(Debug, Parser)]
#[command(version, about = "Measures etcd through its own API")]
pub(crate) struct Args {
    /// host:port of the leader's client API
    #[arg(long)]
    endpoint: String,
    #[arg(long, value_enum)]
    workload: Workload,
    #[arg(long, default_value_t = 256, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=65_536))]
    callers: usize,
    /// HTTP/2 connections that the callers share
    #[arg(long, default_value_t = 8, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_024))]
    connections: usize,
    /// Seconds that are measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Seconds of load before, which do not count
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=600))]
    warmup: u64,
    /// Keys that the load is spread over
    #[arg(long, default_value_t = 10_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=10_000_000))]
    keys: usize,
}

/// What a round showed, as one line of JSON. Latencies are in microseconds, from the first request of an operation to its last answer.
#[derive(Debug, Serialize)]
pub(crate) struct Round {
    ops_per_s: f64,
    p50_us: u64,
    p99_us: u64,
    errors: u64,
}

/// What counts: the operations that end between these.
#[derive(Clone, Copy)]
struct Window {
    from: Instant,
    to: Instant,
}

/// One for all callers, who are on one thread: a histogram each would push the members' data out of the processor's caches.
struct Tally {
    latencies: Histogram<u64>,
    errors: u64,
}

fn key(number: usize) -> Vec<u8> {
    format!("bench-{number}").into_bytes()
}

/// Runs one round. Errors when etcd cannot be reached, or when its keys cannot be written beforehand.
pub(crate) async fn run(args: Args) -> anyhow::Result<Round> {
    let callers = args.callers;
    let mut clients = Vec::new();
    for _ in 0..args.connections.min(callers) {
        clients.push(Client::connect(&args.endpoint).await?);
    }
    let first = clients.first_mut().context("no connection")?;
    let prepared = timeout(PREPARE_LIMIT, prepare(first, &args)).await.context("etcd takes too long to write the keys")?;
    prepared.context("the keys cannot be written")?;

    let from = Instant::now() + Duration::from_secs(args.warmup);
    let window = Window { from, to: from + Duration::from_secs(args.seconds) };
    let latencies = Histogram::new_with_bounds(1, LONGEST_US, 3)?;
    let (tally, args) = (Rc::new(RefCell::new(Tally { latencies, errors: 0 })), Rc::new(args));
    let tasks = LocalSet::new();
    for (n, client) in (0..callers).zip(clients.iter().cycle()) {
        let caller = Caller { client: client.clone(), args: args.clone(), next: n * 31 };
        tasks.spawn_local(caller.closed_loop(window, tally.clone()));
    }
    let longest = Duration::from_secs(args.warmup + args.seconds) + LAST_ANSWERS;
    timeout(longest, tasks).await.context("etcd left requests without an answer")?;
    let all = tally.borrow();
    let (ops, seconds) = (all.latencies.len(), (window.to - window.from).as_secs_f64());
    let at = |quantile| all.latencies.value_at_quantile(quantile);
    Ok(Round { ops_per_s: ops as f64 / seconds, p50_us: at(0.5), p99_us: at(0.99), errors: all.errors })
}

/// Writes what the workload reads.
async fn prepare(client: &mut Client, args: &Args) -> Result<(), Status> {
    if !matches!(args.workload, Workload::Txn | Workload::Read) {
        return Ok(());
    }
    for from in (0..args.keys).step_by(FILLED_AT_ONCE) {
        let numbers = from..args.keys.min(from + FILLED_AT_ONCE);
        let value = || PLENTY.to_string().into_bytes();
        client.put_all(numbers.map(|n| PutRequest { key: key(n), value: value() })).await?;
    }
    // Puts of an earlier round must not slow down the reads of this one.
    client.defragment().await
}

struct Caller {
    client: Client,
    args: Rc<Args>,
    /// A sequence that differs from caller to caller: which key is next.
    next: usize,
}

impl Caller {
    fn key(&mut self) -> Vec<u8> {
        // Steps by a prime: uniform over the keys, without the cost of a generator.
        self.next = (self.next + 7_919) % self.args.keys;
        key(if self.args.workload == Workload::Hot { 0 } else { self.next })
    }

    /// One operation; false when the time was over before it went through.
    async fn once(&mut self, end: Instant) -> Result<bool, Status> {
        let key = self.key();
        match self.args.workload {
            Workload::Put | Workload::Hot => self.client.put(key, VALUE.to_vec()).await.map(|()| true),
            Workload::Read => match self.client.read(key).await? {
                Some(_) => Ok(true),
                None => Err(Status::not_found("a key that was written before")),
            },
            Workload::Txn => self.decrement(key, end).await,
        }
    }

    async fn decrement(&mut self, key: Vec<u8>, end: Instant) -> Result<bool, Status> {
        loop {
            let found = self.client.read(key.clone()).await?.ok_or_else(|| Status::not_found("a counter"))?;
            let units: Option<u64> = std::str::from_utf8(&found.value).ok().and_then(|text| text.parse().ok());
            let left = units.and_then(|units| units.checked_sub(1)).ok_or_else(|| Status::out_of_range("no unit is left"))?;
            if self.client.replace(key.clone(), left.to_string().into_bytes(), found.mod_revision).await? {
                return Ok(true);
            }
            if Instant::now() >= end {
                return Ok(false);
            }
        }
    }

    async fn closed_loop(mut self, window: Window, tally: Rc<RefCell<Tally>>) {
        let mut asked = Instant::now();
        while asked < window.to {
            let done = self.once(window.to).await;
            let now = Instant::now();
            let counts = now >= window.from && now < window.to;
            match done {
                Ok(true) if counts => {
                    let latency = u64::try_from((now - asked).as_micros()).unwrap_or(LONGEST_US);
                    tally.borrow_mut().latencies.saturating_record(latency);
                }
                Ok(_) => {}
                Err(_) => {
                    tally.borrow_mut().errors += u64::from(counts);
                    tokio::time::sleep(PAUSE).await;
                }
            }
            asked = Instant::now();
        }
    }
}
