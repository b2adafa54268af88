//! Load that comes whether or not the last was answered: requests at a fixed rate, latencies from the time a request was due.
//!
//! A closed loop would offer less as soon as answers slow down, and could not overload anything.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::Ipv4Addr,
    rc::Rc,
    time::Duration,
};

use hdrhistogram::Histogram;
use tokio::{
    task::LocalSet,
    time::{Instant, timeout_at},
};

use crate::bench::wire::{Wire, get};

/// An answer after this long is no use to the shopper.
pub(super) const USEFUL_WITHIN: Duration = Duration::from_secs(1);

/// A client gives up after this long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Connections at once. A request that finds none is not sent, and counts as failed.
pub(super) const MAX_CONNECTIONS: usize = 16_000;

/// Addresses that requests come from: enough that none is over what one client may do.
const CLIENTS: u64 = 10_000;

/// Pause between two looks at what is due.
const TICK: Duration = Duration::from_millis(1);

/// Latencies are told between 1 us and 10 s, with three digits.
const LONGEST_US: u64 = 10_000_000;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// In the cache.
    Hit,
    /// Not in the cache.
    Miss,
    /// A whole checkout.
    Checkout,
}

pub(super) const ALL: [Kind; 3] = [Kind::Hit, Kind::Miss, Kind::Checkout];

/// Of ten requests: which kinds, in which order.
pub(super) const MIX: [Kind; 10] = {
    use Kind::{Checkout, Hit, Miss};
    [Hit, Miss, Hit, Miss, Hit, Checkout, Hit, Miss, Hit, Miss]
};

/// Objects that hits are spread over.
pub(super) const HOT: u64 = 1_000;

impl Kind {
    /// The nth request of all. No two misses ask for the same.
    pub(super) fn request(self, nth: u64) -> Vec<u8> {
        match self {
            Self::Hit => get(&hot_path(nth)),
            Self::Miss => get(&format!("/v1/products/cold-{nth}")),
            Self::Checkout => check_out(nth),
        }
    }
}

pub(super) fn hot_path(nth: u64) -> String {
    format!("/v1/products/hot-{}", nth % HOT)
}

/// Each is another shopper's.
fn check_out(nth: u64) -> Vec<u8> {
    let head = format!("POST {} HTTP/1.1\r\nHost: bench\r\nIdempotency-Key: bench-{nth}\r\n", orders_api::paths::CHECKOUT);
    format!("{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}").into_bytes()
}

/// What came of the requests of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) offered: u64,
    /// Answered with 2xx while it was of use.
    pub(super) good: u64,
    /// Answered with 2xx, but late.
    pub(super) late: u64,
    /// Told to come back (429, 503).
    pub(super) refused: u64,
    /// Anything else: no answer, no connection, another status.
    pub(super) failed: u64,
}

/// What all clients saw.
pub(super) struct Seen {
    pub(super) of: BTreeMap<Kind, Count>,
    /// Of all that was accepted, from the time the request was due.
    pub(super) accepted_us: Histogram<u64>,
    /// The same by kind: only misses wait for the catalog, all of them for a processor.
    pub(super) accepted_of_us: BTreeMap<Kind, Histogram<u64>>,
    /// How late the load generator itself was with each request: with more than a few milliseconds it measured itself.
    pub(super) lag_us: Histogram<u64>,
    /// From the first request that was due to the last.
    pub(super) time: Duration,
}

impl Seen {
    fn new(time: Duration) -> anyhow::Result<Self> {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_US, 3);
        let accepted_of_us = ALL.into_iter().map(|kind| Ok((kind, histogram()?))).collect::<anyhow::Result<_>>()?;
        Ok(Self { of: BTreeMap::new(), accepted_us: histogram()?, accepted_of_us, lag_us: histogram()?, time })
    }

    /// Good answers of some kinds in a second.
    pub(super) fn goodput(&self, kinds: &[Kind]) -> f64 {
        self.sum(kinds, |count| count.good) / self.time.as_secs_f64()
    }

    fn sum(&self, kinds: &[Kind], what: impl Fn(&Count) -> u64) -> f64 {
        kinds.iter().filter_map(|kind| self.of.get(kind)).map(what).sum::<u64>() as f64
    }

    /// Share of all offered requests that were answered well.
    pub(super) fn good_share(&self) -> f64 {
        self.sum(&ALL, |count| count.good) / self.sum(&ALL, |count| count.offered).max(1.0)
    }

    fn note(&mut self, kind: Kind, heard: Option<u16>, after: Duration) {
        let count = self.of.entry(kind).or_default();
        match heard {
            Some(200..=299) => {
                *(if after <= USEFUL_WITHIN { &mut count.good } else { &mut count.late }) += 1;
                self.accepted_us.saturating_record(microseconds(after));
                if let Some(of) = self.accepted_of_us.get_mut(&kind) {
                    of.saturating_record(microseconds(after));
                }
            }
            Some(429 | 503) => count.refused += 1,
            _ => count.failed += 1,
        }
    }
}

struct Clients {
    address: String,
    network: u8,
    idle: RefCell<Vec<Wire>>,
    open: Cell<usize>,
    seen: RefCell<Seen>,
}

/// Offers `rate` requests a second for `time`. Numbers of requests begin at `first`.
pub(super) async fn offer(address: &str, rate: u32, time: Duration, first: u64) -> anyhow::Result<Seen> {
    let seen = Seen::new(time)?;
    let [network, ..] = uuid::Uuid::new_v4().into_bytes();
    let clients = Clients {
        address: address.to_owned(),
        network: network.max(1),
        idle: RefCell::default(),
        open: Cell::new(0),
        seen: RefCell::new(seen),
    };
    let (clients, loops, began) = (Rc::new(clients), LocalSet::new(), Instant::now());
    let all = (time.as_secs_f64() * f64::from(rate)).floor();
    loops
        .run_until(async {
            let mut sent = 0.0;
            while sent < all {
                let due = (began.elapsed().as_secs_f64() * f64::from(rate)).min(all);
                while sent < due.floor() {
                    let when = began + Duration::from_secs_f64(sent / f64::from(rate));
                    send(&clients, when, first + whole(sent));
                    sent += 1.0;
                }
                tokio::time::sleep(TICK).await;
            }
        })
        .await;
    loops.await;
    Rc::into_inner(clients).map(|clients| clients.seen.into_inner()).ok_or_else(|| anyhow::anyhow!("a client is still there"))
}

fn microseconds(of: Duration) -> u64 {
    u64::try_from(of.as_micros()).unwrap_or(LONGEST_US)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests of some seconds")]
fn whole(count: f64) -> u64 {
    count as u64
}

fn send(clients: &Rc<Clients>, due: Instant, nth: u64) {
    let kind = MIX[usize::try_from(nth % MIX.len() as u64).unwrap_or_default()];
    {
        let mut seen = clients.seen.borrow_mut();
        seen.of.entry(kind).or_default().offered += 1;
        seen.lag_us.saturating_record(microseconds(due.elapsed()));
    }
    let clients = clients.clone();
    tokio::task::spawn_local(async move {
        let heard = timeout_at(due + PATIENCE, clients.ask(kind, nth)).await.ok().flatten();
        clients.seen.borrow_mut().note(kind, heard, due.elapsed());
    });
}

/// Gives the place of a connection back, whichever way its request ends.
struct Place<'a>(&'a Cell<usize>);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Clients {
    /// The status, if there was an answer.
    async fn ask(&self, kind: Kind, nth: u64) -> Option<u16> {
        let kept = self.idle.borrow_mut().pop();
        if self.open.get() >= MAX_CONNECTIONS {
            return None;
        }
        self.open.set(self.open.get() + 1);
        let _place = Place(&self.open);
        let mut wire = match kept {
            Some(wire) => wire,
            None => Wire::open_from(self.source(nth), &self.address).await.ok()?,
        };
        let (status, _) = wire.exchange(&kind.request(nth)).await.ok()?;
        self.idle.borrow_mut().push(wire);
        Some(status)
    }

    /// Clients are told apart by their addresses, and each address has ports of its own.
    fn source(&self, nth: u64) -> Ipv4Addr {
        let client = u16::try_from(nth % CLIENTS).unwrap_or_default();
        let [third, fourth] = client.to_be_bytes();
        Ipv4Addr::new(127, self.network, third, fourth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::edge::origin::{Answers, Origin};

    #[test]
    fn only_an_answer_that_is_still_of_use_is_good() {
        let mut seen = Seen::new(Duration::from_secs(2)).unwrap();
        let second = Duration::from_secs(1);
        seen.note(Kind::Miss, Some(200), second);
        seen.note(Kind::Miss, Some(200), second + Duration::from_millis(1));
        seen.note(Kind::Miss, Some(503), Duration::ZERO);
        seen.note(Kind::Miss, Some(404), Duration::ZERO);
        seen.note(Kind::Checkout, None, Duration::ZERO);
        assert_eq!(seen.of[&Kind::Miss], Count { offered: 0, good: 1, late: 1, refused: 1, failed: 1 });
        assert_eq!((seen.of[&Kind::Checkout].failed, seen.accepted_us.len()), (1, 2));
        assert_eq!(seen.accepted_of_us.values().map(Histogram::len).collect::<Vec<_>>(), [0, 2, 0]);
        assert!((seen.goodput(&[Kind::Miss, Kind::Checkout]) - 0.5).abs() < f64::EPSILON);
    }

    #[tokio::test]
    async fn everything_that_is_due_is_offered_in_the_stated_mix() {
        let origin = Origin::start(Answers::immediate(16)).unwrap();
        let seen = offer(&origin.address().to_string(), 400, Duration::from_millis(500), 0).await.unwrap();
        let offered = |kind| seen.of[&kind].offered;
        assert_eq!((offered(Kind::Hit), offered(Kind::Miss), offered(Kind::Checkout)), (100, 80, 20));
        assert_eq!(origin.asked(), 200);
        assert!(seen.of.values().all(|count| count.refused + count.failed == 0), "{:?}", seen.of);
    }
}
