//! What is known of each instance that is asked: its breaker, how fast it answers, how much it carries, whether it is taken out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant},
};

use http::StatusCode;

use super::{
    Protection,
    breaker::{Breaker, Outcome, State, Ticket},
    ejection::{Group, Told},
    latency::Latencies,
};
use crate::protect::{Adaptive, AdaptiveSettings, Class, Place, Places};

#[derive(Debug)]
struct Known {
    breaker: Breaker,
    latencies: Latencies,
    adaptive: Adaptive,
}

#[derive(Debug)]
pub(super) struct Instance {
    pub(super) address: String,
    began: Instant,
    known: Mutex<Known>,
    places: Places,
    /// Checkouts wait for elections, so many are under way at times: how long they take says nothing of how much is carried.
    checkouts: Places,
    /// The group of those that can stand in for it, and its number there.
    group: Option<(Arc<Mutex<Group>>, usize)>,
}

/// Why an instance is not asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It failed lately; it is asked again in a moment.
    Broken,
    /// It carries no more of this class.
    Full,
}

impl Instance {
    fn new(address: &str, protection: &Protection, group: Option<(Arc<Mutex<Group>>, usize)>) -> Self {
        let known = Known {
            breaker: Breaker::new(protection.breaker.clone()),
            latencies: Latencies::default(),
            adaptive: Adaptive::new(protection.places),
        };
        let places = Places::new(known.adaptive.limit());
        let checkouts = Places::new(protection.places.most);
        let (address, began, known) = (address.to_owned(), Instant::now(), Mutex::new(known));
        let instance = Self { address, began, known, places, checkouts, group };
        instance.show(State::Closed);
        instance
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn with_group<T>(&self, look: impl FnOnce(&mut Group, usize, Duration) -> T) -> Option<T> {
        let (group, nth) = self.group.as_ref()?;
        Some(look(&mut group.lock().unwrap_or_else(PoisonError::into_inner), *nth, self.now()))
    }

    pub(super) fn is_out(&self) -> bool {
        self.with_group(|group, nth, now| group.is_out(nth, now)).unwrap_or(false)
    }

    /// Whether its breaker would let a request through.
    pub(super) fn is_open(&self) -> bool {
        !self.lock().breaker.would_admit(self.now())
    }

    /// When a read may be sent a second time: not where there is much to do already, because the second one would make it more.
    pub(super) fn hedge_after(&self, limit: Duration) -> Option<Duration> {
        let busy: usize = self.places.under_way().iter().sum();
        if busy * 2 > self.places.limit() { None } else { self.lock().latencies.hedge_after(limit) }
    }

    /// Asks for leave to send a request.
    pub(super) fn enter(&self, class: Class, limited: bool) -> Result<Entered<'_>, Refused> {
        let places = if class == Class::Checkout { &self.checkouts } else { &self.places };
        let place = match places.enter(class) {
            None if limited => {
                metrics::counter!("edge_upstream_shed_total", "upstream" => self.address.clone(), "class" => class.name())
                    .increment(1);
                return Err(Refused::Full);
            }
            place => place,
        };
        let admitted = self.lock().breaker.admit(self.now());
        let Some(ticket) = admitted else {
            metrics::counter!("edge_upstream_broken_total", "upstream" => self.address.clone()).increment(1);
            return Err(Refused::Broken);
        };
        if ticket.probe {
            self.show(State::HalfOpen);
        }
        Ok(Entered { instance: self, ticket, began: Instant::now(), told: false, class, _place: place })
    }

    fn show(&self, state: State) {
        let number = match state {
            State::Closed => 0.0,
            State::HalfOpen => 1.0,
            State::Open => 2.0,
        };
        metrics::gauge!("edge_upstream_state", "upstream" => self.address.clone()).set(number);
    }

    fn tell(&self, ticket: Ticket, outcome: Outcome) {
        let mut known = self.lock();
        let before = known.breaker.state();
        known.breaker.tell(self.now(), ticket, outcome);
        let after = known.breaker.state();
        drop(known);
        if before != after {
            self.show(after);
            match after {
                State::Open => tracing::warn!(upstream = self.address, "it fails; asked again by a single probe in a moment"),
                _ => tracing::info!(upstream = self.address, "it answers again"),
            }
        }
    }

    fn tell_group(&self, told: Told) {
        if self.with_group(|group, nth, now| group.tell(nth, now, told)) == Some(true) {
            metrics::counter!("edge_upstream_ejected_total", "upstream" => self.address.clone()).increment(1);
            tracing::warn!(upstream = self.address, "it fails and its siblings do not; it gets no traffic for a while");
        }
    }
}

/// One request under way to an instance. Dropped without an answer, it was given up and says nothing.
pub(super) struct Entered<'a> {
    instance: &'a Instance,
    ticket: Ticket,
    began: Instant,
    told: bool,
    class: Class,
    _place: Option<Place<'a>>,
}

impl Entered<'_> {
    /// The head of an answer is here.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.told = true;
        let (outcome, told) = match status.as_u16() {
            // By itself; what is behind it may be well.
            500 | 502 => (Outcome::Failed, Told::Failed),
            // It works, and something behind it does not.
            503 | 504 => (Outcome::Worked, Told::PassedOn),
            _ => (Outcome::Worked, Told::Worked),
        };
        self.instance.tell(self.ticket, outcome);
        self.instance.tell_group(told);
        self.took(true);
        self.count(if outcome == Outcome::Worked { "answered" } else { "error" });
    }

    /// There is none, or none in time.
    pub(super) fn failed(&mut self, in_time: bool) {
        self.told = true;
        self.instance.tell(self.ticket, Outcome::Failed);
        self.instance.tell_group(Told::Failed);
        if !in_time {
            self.took(false);
        }
        self.count(if in_time { "no_connection" } else { "no_answer" });
    }

    fn count(&self, outcome: &'static str) {
        metrics::counter!("edge_upstream_requests_total", "upstream" => self.instance.address.clone(), "outcome" => outcome)
            .increment(1);
    }

    fn took(&self, in_time: bool) {
        if self.class == Class::Checkout {
            return;
        }
        let (instance, took) = (self.instance, self.began.elapsed());
        let mut known = instance.lock();
        known.latencies.take(took);
        let limit = known.adaptive.take(instance.now(), took, in_time, instance.places.under_way().iter().sum());
        drop(known);
        if limit != instance.places.limit() {
            instance.places.set_limit(limit);
            metrics::gauge!("edge_upstream_limit", "upstream" => instance.address.clone()).set(limit as f64);
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.instance.tell(self.ticket, Outcome::Abandoned);
            self.instance.lock().latencies.take_at_least(self.began.elapsed());
        }
    }
}

/// All instances, by address. Bounded by the configuration: nobody else's addresses are asked.
#[derive(Debug)]
pub(super) struct Instances {
    protection: Protection,
    known: RwLock<HashMap<String, Arc<Instance>>>,
}

impl Instances {
    pub(super) fn new(protection: Protection) -> Self {
        Self { protection, known: RwLock::default() }
    }

    /// Those that can stand in for each other, and how much longer than in quiet times their answers may take.
    pub(super) fn group(&self, addresses: &[String], slack: Duration) {
        let protection = Protection { places: AdaptiveSettings { slack, ..self.protection.places }, ..self.protection.clone() };
        let group = Arc::new(Mutex::new(Group::new(addresses.len())));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for (nth, address) in addresses.iter().enumerate() {
            let instance = Instance::new(address, &protection, Some((group.clone(), nth)));
            known.insert(address.clone(), Arc::new(instance));
        }
    }

    pub(super) fn get(&self, address: &str) -> Arc<Instance> {
        if let Some(instance) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(address) {
            return instance.clone();
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Instance::new(address, &self.protection, None));
        known.entry(address.to_owned()).or_insert_with(fresh).clone()
    }
}
