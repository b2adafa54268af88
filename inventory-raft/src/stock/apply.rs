//! Decides commands. Each either happens as a whole or changes nothing but what is remembered.

use serde::Serialize;
use storefront_types::{LocationId, Quantity, ReservationId, Sku};
use uuid::Uuid;

use super::{
    command::{Command, Line, LogTime},
    levels::{Level, SkuStock, share},
    movement::{Answer, Made, StockMove},
    outcome::{Code, Outcome},
    reservation::{Change, Reservation, ReservedLine, State},
    state::{Inventory, MAX_EXPIRE_PER_COMMAND, MAX_ON_HAND, REMEMBER_MS},
    table::Slot,
};

/// How far ahead of the log's clock the time inside a UUIDv7 may be: an hour covers every wrong clock seen in practice.
const MAX_FUTURE_MS: u64 = 60 * 60 * 1_000;

/// 128 bits of BLAKE3 over the command's content. The memo is the owner's business and left out: the first one stands.
fn fingerprint(kind: &str, content: &impl Serialize) -> [u8; 16] {
    let bytes = postcard::to_stdvec(&(kind, content)).unwrap_or_default();
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..16]);
    short
}

impl Inventory {
    /// Applies one command at `time`. The same state, time and command always give the same state and outcome.
    pub fn apply(&mut self, time: LogTime, command: &Command) -> Outcome {
        self.advance(time);
        match command {
            Command::Receive { id, sku, location, quantity } => {
                let print = fingerprint("receive", &(sku, location, quantity));
                self.once(id.uuid(), print, |state| state.receive(sku, location, *quantity))
            }
            Command::Adjust { id, sku, location, delta } => {
                let print = fingerprint("adjust", &(sku, location, delta));
                self.once(id.uuid(), print, |state| state.adjust(sku, location, *delta))
            }
            Command::Move { id, sku, from, to, quantity } => {
                let print = fingerprint("move", &(sku, from, to, quantity));
                self.once(id.uuid(), print, |state| state.move_units(sku, from, to, *quantity))
            }
            Command::Reserve { id, lines, ttl_ms, memo } => {
                let print = fingerprint("reserve", &(lines, ttl_ms));
                self.reserve(*id, print, lines, Some(*ttl_ms), memo.as_ref())
            }
            Command::Purchase { id, lines, memo } => {
                let print = fingerprint("purchase", lines);
                self.reserve(*id, print, lines, None, memo.as_ref())
            }
            Command::Confirm { id } => self.confirm(*id),
            Command::Release { id } => self.release(*id),
            Command::Extend { id, ttl_ms } => self.extend(*id, *ttl_ms),
            Command::Acknowledge { ids } => self.acknowledge(ids),
            Command::Expire { limit } => self.expire(*limit),
            Command::Mark => Outcome::of(Code::Ok),
            Command::Count { id, sku, location, expected, on_hand } => {
                let print = fingerprint("count", &(sku, location, expected, on_hand));
                self.once(id.uuid(), print, |state| state.count(sku, location, *expected, *on_hand))
            }
        }
    }

    /// The first answer to this id, if it was decided before or cannot be decided any more.
    fn decided(&self, id: Uuid, print: [u8; 16]) -> Option<Outcome> {
        let known = self.remembered.get(&id).map(|known| (known.fingerprint, known.answer.outcome()));
        let made = || self.reservations.get(&ReservationId::new(id)).map(|made| (made.fingerprint, made.first_outcome()));
        if let Some((first, outcome)) = known.or_else(made) {
            return Some(if first == print { outcome.replay() } else { Outcome::of(Code::ConflictingDuplicate) });
        }
        let (seconds, nanos) = id.get_timestamp().filter(|_| id.get_version_num() == 7)?.to_unix();
        let made_ms = seconds * 1_000 + u64::from(nanos / 1_000_000);
        match made_ms {
            old if old < self.clock.0.saturating_sub(REMEMBER_MS) => Some(Outcome::of(Code::IdTooOld)),
            future if future > self.clock.0.saturating_add(MAX_FUTURE_MS) => Some(Outcome::of(Code::IdFromFuture)),
            _ => None,
        }
    }

    /// Runs a stock command unless its id was decided before, and remembers the outcome.
    fn once(&mut self, id: Uuid, print: [u8; 16], run: impl FnOnce(&mut Self) -> Answer) -> Outcome {
        match self.decided(id, print) {
            Some(first) => first,
            None => {
                let answer = run(self);
                self.remember(id, print, answer)
            }
        }
    }

    /// Changes one SKU's stock, counts its version up and marks it for the watch.
    fn change(&mut self, sku: Slot, change: impl FnOnce(&mut SkuStock)) -> u64 {
        let Some(stock) = self.skus.entry_mut(sku) else { unreachable!("a SKU that was found is never removed") };
        change(stock);
        stock.version += 1;
        let version = stock.version;
        self.touched.push(sku);
        self.trails.changed(sku);
        version
    }

    /// Changes a SKU's stock, which becomes known by it.
    fn make(&mut self, sku: &Sku, what: StockMove, change: impl FnOnce(&mut SkuStock)) -> Answer {
        let slot = self.skus.find(sku).unwrap_or_else(|| self.skus.insert(sku.clone(), SkuStock::default()));
        let version = self.change(slot, change);
        let own = self.skus.entry(slot).map_or_else(|| sku.clone(), |(own, _)| own.clone());
        Answer::Made(Made { sku: own, version, what })
    }

    fn receive(&mut self, sku: &Sku, location: &LocationId, quantity: Quantity) -> Answer {
        let units = u64::from(quantity.get());
        let on_hand = self.skus.get(sku).and_then(|stock| stock.at.get(location)).map_or(0, |level| level.on_hand);
        if on_hand + units > MAX_ON_HAND {
            return Answer::refused(Code::Overflow);
        }
        let location = share(&mut self.locations, location);
        self.make(sku, StockMove::Received { at: location.clone(), units: quantity }, |stock| {
            stock.totals.received += units;
            stock.at.at_mut(&location).on_hand += units;
        })
    }

    /// A count found more or less. What is promised to somebody is not taken off: it is recorded as short instead, and the
    /// outcome says how much of the change was made.
    fn adjust(&mut self, sku: &Sku, location: &LocationId, delta: i64) -> Answer {
        let Some(stock) = self.skus.get(sku) else { return Answer::refused(Code::UnknownSku) };
        let Some(level) = stock.at.get(location) else { return Answer::refused(Code::UnknownLocation) };
        let at = &share(&mut self.locations, location);
        self.change_on_hand(sku, at, level, delta, |made| StockMove::Adjusted { at: at.clone(), wanted: delta, made })
    }

    /// Sets what lies at a location, if it is what the count was made against. An unknown SKU or location becomes known.
    fn count(&mut self, sku: &Sku, location: &LocationId, expected: Option<u64>, on_hand: u64) -> Answer {
        let known = self.skus.get(sku);
        let level = known.and_then(|stock| stock.at.get(location)).unwrap_or_default();
        if let Some(expected) = expected.filter(|expected| *expected != level.on_hand) {
            let version = known.map_or(0, |stock| stock.version);
            return Answer::refused_for(Code::StaleCount, sku.clone(), version, (expected, level.on_hand));
        }
        let signed = |units: u64| i64::try_from(units).ok().filter(|_| units <= MAX_ON_HAND);
        let (Some(counted), Some(before)) = (signed(on_hand), signed(level.on_hand)) else {
            return Answer::refused(Code::Overflow);
        };
        let (at, wanted) = (&share(&mut self.locations, location), counted - before);
        self.change_on_hand(sku, at, level, wanted, |made| StockMove::Counted { at: at.clone(), wanted, made })
    }

    /// `what` gives the record of the change from the units that it really made.
    fn change_on_hand(
        &mut self,
        sku: &Sku,
        at: &LocationId,
        level: Level,
        delta: i64,
        what: impl FnOnce(i64) -> StockMove,
    ) -> Answer {
        let wanted = delta.unsigned_abs();
        if delta > 0 && level.on_hand + wanted > MAX_ON_HAND {
            return Answer::refused(Code::Overflow);
        }
        let units = if delta < 0 { wanted.min(level.available()) } else { wanted };
        let signed = i64::try_from(units).unwrap_or(i64::MAX);
        let made = if delta < 0 { -signed } else { signed };
        self.make(sku, what(made), |stock| {
            stock.totals.adjusted += made;
            stock.totals.short = stock.totals.short.saturating_add(wanted - units);
            let level = stock.at.at_mut(at);
            level.on_hand = if delta < 0 { level.on_hand - units } else { level.on_hand + units };
        })
    }

    fn move_units(&mut self, sku: &Sku, from: &LocationId, to: &LocationId, quantity: Quantity) -> Answer {
        let units = u64::from(quantity.get());
        let Some(stock) = self.skus.get(sku) else { return Answer::refused(Code::UnknownSku) };
        let Some(source) = stock.at.get(from) else { return Answer::refused(Code::UnknownLocation) };
        if source.available() < units {
            let numbers = (units, source.available());
            return Answer::refused_for(Code::InsufficientStock, sku.clone(), stock.version, numbers);
        }
        if stock.at.get(to).map_or(0, |level| level.on_hand) + units > MAX_ON_HAND {
            return Answer::refused(Code::Overflow);
        }
        let (from, to) = (share(&mut self.locations, from), share(&mut self.locations, to));
        self.make(sku, StockMove::Moved { from: from.clone(), to: to.clone(), units: quantity }, |stock| {
            stock.at.at_mut(&from).on_hand -= units;
            stock.at.at_mut(&to).on_hand += units;
        })
    }

    /// Reserve (`ttl_ms` given) or purchase: every line is looked at before anything changes.
    fn reserve(
        &mut self,
        id: ReservationId,
        print: [u8; 16],
        lines: &[Line],
        ttl_ms: Option<u64>,
        memo: Option<&String>,
    ) -> Outcome {
        if let Some(first) = self.decided(id.uuid(), print) {
            return first;
        }
        let (taken, slots) = match self.allocate(lines) {
            Ok(taken) => taken,
            Err(refusal) => return self.remember(id.uuid(), print, refusal),
        };
        let mut versions = Vec::with_capacity(taken.len());
        for (line, slot) in taken.iter().zip(slots) {
            versions.push(self.change(slot, |stock| take(stock, line, ttl_ms.is_some())));
        }
        let (state, change) = match ttl_ms {
            Some(_) => (State::Reserved, Change::Reserved),
            None => (State::Confirmed, Change::Purchased),
        };
        let reservation = Reservation {
            fingerprint: print,
            state,
            lines: taken,
            changes: vec![(change, self.clock, versions)],
            expires_at: self.clock.plus_ms(ttl_ms.unwrap_or_default()),
            memo: memo.cloned(),
        };
        let outcome = reservation.first_outcome();
        self.admit(id, reservation);
        outcome
    }

    fn confirm(&mut self, id: ReservationId) -> Outcome {
        let Some(found) = self.live(id) else { return Outcome::of(Code::NotFound) };
        match found.state {
            State::Reserved => self.settle(id, State::Confirmed, Change::Confirmed),
            State::Confirmed | State::Acknowledged => {
                let bought = matches!(found.changes.first(), Some((Change::Purchased, ..)));
                found.outcome_of(if bought { Change::Purchased } else { Change::Confirmed }).replay()
            }
            State::Released => Outcome::of(Code::AlreadyReleased),
            State::Expired => Outcome::of(Code::Expired),
        }
    }

    fn release(&mut self, id: ReservationId) -> Outcome {
        let Some(found) = self.live(id) else { return Outcome::of(Code::NotFound) };
        match found.state {
            State::Reserved => self.settle(id, State::Released, Change::Released),
            State::Confirmed | State::Acknowledged => Outcome::of(Code::AlreadyConfirmed),
            State::Released => found.outcome_of(Change::Released).replay(),
            State::Expired => Outcome::of(Code::Expired),
        }
    }

    fn extend(&mut self, id: ReservationId, ttl_ms: u64) -> Outcome {
        let Some(found) = self.live(id) else { return Outcome::of(Code::NotFound) };
        match found.state {
            State::Reserved => {}
            State::Confirmed | State::Acknowledged => return Outcome::of(Code::AlreadyConfirmed),
            State::Released => return Outcome::of(Code::AlreadyReleased),
            State::Expired => return Outcome::of(Code::Expired),
        }
        let (before, after) = (found.expires_at, self.clock.plus_ms(ttl_ms));
        self.expiring.remove(&(before, id));
        self.expiring.insert((after, id));
        if let Some(reservation) = self.reservations.get_mut(&id) {
            reservation.expires_at = after;
        }
        Outcome { expires_at: Some(after), ..Outcome::of(Code::Ok) }
    }

    /// Acknowledges what is confirmed; other ids have nothing to acknowledge and are passed over.
    fn acknowledge(&mut self, ids: &[ReservationId]) -> Outcome {
        for id in ids {
            if self.reservations.get(id).is_some_and(|found| found.state == State::Confirmed) {
                self.settle(*id, State::Acknowledged, Change::Acknowledged);
            }
        }
        Outcome::of(Code::Ok)
    }

    fn expire(&mut self, limit: u32) -> Outcome {
        for _ in 0..limit.min(MAX_EXPIRE_PER_COMMAND) {
            let Some((due, id)) = self.expiring.first().copied() else { break };
            if due > self.clock {
                break;
            }
            self.settle(id, State::Expired, Change::Expired);
        }
        Outcome::of(Code::Ok)
    }

    /// The reservation, expired on the spot when its time is over but no sweep came by yet.
    fn live(&mut self, id: ReservationId) -> Option<&Reservation> {
        let over = |found: &Reservation| found.state == State::Reserved && found.expires_at <= self.clock;
        if self.reservations.get(&id).is_some_and(over) {
            self.settle(id, State::Expired, Change::Expired);
        }
        self.reservations.get(&id)
    }

    /// Moves a reservation to its next state and its units with it.
    fn settle(&mut self, id: ReservationId, state: State, change: Change) -> Outcome {
        let Some(found) = self.reservations.get_mut(&id) else { return Outcome::of(Code::NotFound) };
        let before = (found.state, found.expires_at, found.confirmed_at());
        let lines = std::mem::take(&mut found.lines);
        self.unindex(id, before.0, before.1, before.2);
        let mut versions = Vec::with_capacity(lines.len());
        for line in &lines {
            let Some((slot, (_, stock))) = self.known(&line.sku) else { continue };
            versions.push(match state {
                State::Acknowledged | State::Reserved => stock.version,
                State::Confirmed => self.change(slot, |stock| sell(stock, line)),
                State::Released | State::Expired => self.change(slot, |stock| give_back(stock, line)),
            });
        }
        let Some(mut reservation) = self.reservations.remove(&id) else { return Outcome::of(Code::NotFound) };
        reservation.lines = lines;
        reservation.state = state;
        reservation.changes.reserve_exact(1);
        reservation.changes.push((change, self.clock, versions));
        if state != State::Confirmed {
            reservation.memo = None;
        }
        let outcome = reservation.outcome_of(change);
        self.admit(id, reservation);
        outcome
    }
}

fn take(stock: &mut SkuStock, line: &ReservedLine, hold: bool) {
    for part in &line.allocations {
        let level = stock.at.at_mut(&part.location);
        assert!(part.quantity <= level.available(), "allocation beyond what is available");
        if hold {
            level.reserved += part.quantity;
        } else {
            level.on_hand -= part.quantity;
            stock.totals.sold += part.quantity;
        }
    }
}

fn sell(stock: &mut SkuStock, line: &ReservedLine) {
    for part in &line.allocations {
        let level = stock.at.at_mut(&part.location);
        level.reserved -= part.quantity;
        level.on_hand -= part.quantity;
        stock.totals.sold += part.quantity;
    }
}

fn give_back(stock: &mut SkuStock, line: &ReservedLine) {
    for part in &line.allocations {
        stock.at.at_mut(&part.location).reserved -= part.quantity;
    }
}
