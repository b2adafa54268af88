//! The ledger against a naive model that knows nothing of indexes, records or merging.

use std::collections::{BTreeMap, HashMap};

use inventory_raft::stock::{
    ChangedPages, Code, Command, Entry, Inventory, Line, LogTime, MAX_ON_HAND, Outcome, REMEMBER_MS, RecordLoader, State,
};
use proptest::prelude::*;
use storefront_types::{CommandId, LocationId, Quantity, ReservationId, Sku};
use uuid::Uuid;

pub(super) fn sku(n: u8) -> Sku {
    Sku::parse(&format!("sku-{n}")).unwrap()
}

pub(super) fn location(n: u8) -> LocationId {
    format!("l-{n}").parse().unwrap()
}

/// A UUIDv8: it has no age, so retries of any distance are looked up.
pub(super) fn id(n: u8) -> Uuid {
    Uuid::new_v8([n; 16])
}

pub(super) fn reservation(n: u8) -> ReservationId {
    ReservationId::new(id(n))
}

pub(super) fn line(of: u8, units: u32, locations: &[u8], may_split: bool) -> Line {
    let locations = locations.iter().copied().map(location).collect();
    Line { sku: sku(of), quantity: Quantity::new(units).unwrap(), locations, may_split }
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let one = (0u8..4, 1u32..6, prop::collection::vec(0u8..4, 0..3), any::<bool>());
    prop::collection::vec(one.prop_map(|(of, units, at, split)| line(of, units, &at, split)), 1..4)
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        3 => (0u8..40, 0u8..3, 0u8..3, 1u32..9).prop_map(|(n, of, at, units)| Command::Receive {
            id: CommandId::new(id(n)), sku: sku(of), location: location(at), quantity: Quantity::new(units).unwrap()
        }),
        1 => (0u8..40, 0u8..3, 0u8..3, -6i64..6).prop_map(|(n, of, at, delta)| Command::Adjust {
            id: CommandId::new(id(n)), sku: sku(of), location: location(at), delta
        }),
        1 => (0u8..40, 0u8..3, 0u8..3, 0u8..3, 1u32..5).prop_map(|(n, of, from, to, units)| Command::Move {
            id: CommandId::new(id(n)), sku: sku(of), from: location(from), to: location(to), quantity: Quantity::new(units).unwrap()
        }),
        3 => (40u8..80, lines(), 1u64..50).prop_map(|(n, lines, ttl_ms)| Command::Reserve {
            id: reservation(n), lines, ttl_ms, memo: Some(format!("memo {n}"))
        }),
        3 => (40u8..80, lines()).prop_map(|(n, lines)| Command::Purchase { id: reservation(n), lines, memo: None }),
        1 => (0u8..40, 0u8..3, 0u8..3, prop::option::of(0u64..9), 0u64..9).prop_map(|(n, of, at, expected, on_hand)| Command::Count {
            id: CommandId::new(id(n)), sku: sku(of), location: location(at), expected, on_hand
        }),
        2 => (40u8..80).prop_map(|n| Command::Confirm { id: reservation(n) }),
        2 => (40u8..80).prop_map(|n| Command::Release { id: reservation(n) }),
        1 => (40u8..80, 1u64..50).prop_map(|(n, ttl_ms)| Command::Extend { id: reservation(n), ttl_ms }),
        1 => prop::collection::vec((40u8..80).prop_map(reservation), 1..4).prop_map(|ids| Command::Acknowledge { ids }),
        1 => (1u32..4).prop_map(|limit| Command::Expire { limit }),
    ]
}

/// Steps of the clock, now and then past the window in which outcomes are remembered.
pub(super) fn entries() -> impl Strategy<Value = Vec<(LogTime, Vec<Command>)>> {
    let step = prop_oneof![20 => 0u64..20, 1 => Just(REMEMBER_MS)];
    let entry = (step, prop::collection::vec(command(), 1..4));
    prop::collection::vec(entry, 1..60).prop_map(|steps| {
        let mut time = 1_000_000;
        let next = |(step, commands)| {
            time += step;
            (LogTime(time), commands)
        };
        steps.into_iter().map(next).collect()
    })
}

fn check_invariants(state: &Inventory) {
    let mut held: BTreeMap<(Sku, LocationId), u64> = BTreeMap::new();
    for (_, found) in state.reservations(Some(State::Reserved), None, usize::MAX) {
        for line in &found.lines {
            for part in &line.allocations {
                *held.entry((line.sku.clone(), part.location.clone())).or_default() += part.quantity;
            }
        }
    }
    for (sku, stock) in state.stock_page(None, usize::MAX) {
        for (at, level) in stock.at.iter() {
            assert!(level.reserved <= level.on_hand, "{sku} at {at}: {level:?}");
            let owned = held.get(&(sku.clone(), at.clone())).copied().unwrap_or_default();
            assert_eq!(level.reserved, owned, "{sku} at {at}: reserved without an owner");
        }
        let totals = stock.totals;
        let balance = i128::from(totals.received) + i128::from(totals.adjusted) - i128::from(totals.sold);
        assert_eq!(balance, i128::from(stock.on_hand()), "{sku}: {totals:?}");
    }
}

type Units = Vec<(Sku, LocationId, i128)>;

/// Knows only numbers: on-hand and held units, what was asked under which id, and where each reservation stands.
#[derive(Default)]
struct Model {
    on_hand: HashMap<(Sku, LocationId), i128>,
    held: HashMap<(Sku, LocationId), i128>,
    known: HashMap<Uuid, (String, Code, u64)>,
    reservations: HashMap<Uuid, (State, Units, u64)>,
    settled: HashMap<Uuid, u64>,
}

impl Model {
    fn free(&self, sku: &Sku, at: &LocationId) -> i128 {
        let key = (sku.clone(), at.clone());
        self.on_hand.get(&key).copied().unwrap_or_default() - self.held.get(&key).copied().unwrap_or_default()
    }

    /// Follows what the ledger answered, and complains where the numbers do not allow it.
    fn follow(&mut self, now: u64, command: &Command, outcome: &Outcome) {
        let forget = |until: &u64| *until <= now;
        self.known.retain(|_, (_, _, until)| !forget(until));
        let (id, content) = match command {
            Command::Receive { id, .. } | Command::Adjust { id, .. } | Command::Move { id, .. } | Command::Count { id, .. } => {
                (id.uuid(), format!("{command:?}"))
            }
            Command::Reserve { id, .. } | Command::Purchase { id, .. } => (id.uuid(), format!("{command:?}")),
            _ => return self.follow_state(now, command, outcome),
        };
        if let Some((first, code, _)) = self.known.get(&id) {
            let expected = if *first == content { *code } else { Code::ConflictingDuplicate };
            assert_eq!(outcome.code, expected, "a duplicate of {content}");
            return;
        }
        self.known.insert(id, (content, outcome.code, u64::MAX));
        if outcome.code != Code::Ok
            || matches!(command, Command::Receive { .. } | Command::Adjust { .. } | Command::Move { .. } | Command::Count { .. })
        {
            self.known.get_mut(&id).unwrap().2 = now + REMEMBER_MS;
        }
        self.decide(now, id, command, outcome);
    }

    fn decide(&mut self, now: u64, id: Uuid, command: &Command, outcome: &Outcome) {
        let ok = outcome.code == Code::Ok;
        match command {
            Command::Receive { sku, location, quantity, .. } => {
                assert!(ok);
                *self.on_hand.entry((sku.clone(), location.clone())).or_default() += i128::from(quantity.get());
            }
            Command::Adjust { sku, location, delta, .. } => {
                assert_eq!(ok, self.on_hand.contains_key(&(sku.clone(), location.clone())));
                if ok {
                    // What is promised stays; the rest is told as short.
                    let made = i128::from(*delta).max(-self.free(sku, location));
                    *self.on_hand.get_mut(&(sku.clone(), location.clone())).unwrap() += made;
                    let short = outcome.lines[0].shortage.as_ref().map_or(0, |shortage| i128::from(shortage.0 - shortage.1));
                    assert_eq!(short, made - i128::from(*delta));
                }
            }
            Command::Count { sku, location, expected, on_hand, .. } => {
                let key = (sku.clone(), location.clone());
                let before = self.on_hand.get(&key).copied().unwrap_or_default();
                assert_eq!(ok, expected.is_none_or(|expected| i128::from(expected) == before));
                if ok {
                    let held = self.held.get(&key).copied().unwrap_or_default();
                    self.on_hand.insert(key, i128::from(*on_hand).max(held));
                }
            }
            Command::Move { sku, from, to, quantity, .. } => {
                assert_eq!(ok, self.free(sku, from) >= i128::from(quantity.get()));
                if ok {
                    *self.on_hand.get_mut(&(sku.clone(), from.clone())).unwrap() -= i128::from(quantity.get());
                    *self.on_hand.entry((sku.clone(), to.clone())).or_default() += i128::from(quantity.get());
                }
            }
            Command::Reserve { lines, ttl_ms, .. } => self.take(id, lines, outcome, State::Reserved, now + ttl_ms),
            Command::Purchase { lines, .. } => self.take(id, lines, outcome, State::Confirmed, 0),
            _ => {}
        }
    }

    fn take(&mut self, id: Uuid, lines: &[Line], outcome: &Outcome, state: State, until: u64) {
        if outcome.code != Code::Ok {
            return self.check_refusal(lines, outcome);
        }
        let mut units = Vec::new();
        for answered in &outcome.lines {
            let wanted: i128 =
                lines.iter().filter(|line| line.sku == answered.sku).map(|line| i128::from(line.quantity.get())).sum();
            let given: i128 = answered.allocations.iter().map(|part| i128::from(part.quantity)).sum();
            assert_eq!(given, wanted, "{} of {}", given, answered.sku);
            for part in &answered.allocations {
                assert!(self.free(&answered.sku, &part.location) >= i128::from(part.quantity), "oversold {}", answered.sku);
                units.push((answered.sku.clone(), part.location.clone(), i128::from(part.quantity)));
            }
        }
        for (sku, at, quantity) in &units {
            let book = if state == State::Reserved { &mut self.held } else { &mut self.on_hand };
            *book.entry((sku.clone(), at.clone())).or_default() += if state == State::Reserved { *quantity } else { -quantity };
        }
        self.reservations.insert(id, (state, units, until));
    }

    /// A single line that any location may serve, together, is refused only when the sum does not do.
    fn check_refusal(&self, lines: &[Line], outcome: &Outcome) {
        if let ([only], Code::InsufficientStock) = (lines, outcome.code) {
            let anywhere = (0..4).map(location).filter(|at| only.locations.is_empty() || only.locations.contains(at));
            let free: Vec<i128> = anywhere.map(|at| self.free(&only.sku, &at)).collect();
            let most = if only.may_split { free.iter().sum() } else { free.iter().copied().max().unwrap() };
            assert!(most < i128::from(only.quantity.get()), "refused {only:?} with {most} free");
            let told = (u64::from(only.quantity.get()), u64::try_from(most).unwrap());
            assert_eq!(outcome.lines[0].shortage.as_deref(), Some(&told));
        }
    }

    fn follow_state(&mut self, now: u64, command: &Command, outcome: &Outcome) {
        match command {
            Command::Acknowledge { ids } => {
                for id in ids {
                    if let Some(found) = self.reservations.get_mut(&id.uuid()).filter(|found| found.0 == State::Confirmed) {
                        found.0 = State::Acknowledged;
                        self.settled.insert(id.uuid(), now);
                    }
                }
            }
            Command::Confirm { id } => self.settle(now, id.uuid(), State::Confirmed, outcome),
            Command::Release { id } => self.settle(now, id.uuid(), State::Released, outcome),
            Command::Extend { id, ttl_ms } if outcome.code == Code::Ok => {
                let (state, _, until) = self.reservations.get_mut(&id.uuid()).unwrap();
                assert!(*state == State::Reserved && *until > now);
                *until = now + ttl_ms;
            }
            _ => {}
        }
    }

    fn settle(&mut self, now: u64, id: Uuid, to: State, outcome: &Outcome) {
        let Some((state, units, until)) = self.reservations.get(&id).cloned() else {
            return assert_eq!(outcome.code, Code::NotFound);
        };
        let expected = match (state, to) {
            (State::Reserved, _) if until <= now => Code::Expired,
            (State::Reserved, _) => Code::Ok,
            (State::Confirmed | State::Acknowledged, State::Confirmed) | (State::Released, State::Released) => Code::Ok,
            (State::Confirmed | State::Acknowledged, _) => Code::AlreadyConfirmed,
            (State::Released, _) => Code::AlreadyReleased,
            _ => Code::Expired,
        };
        assert_eq!(outcome.code, expected, "{state:?} to {to:?}");
        if state == State::Reserved {
            let next = if expected == Code::Ok { to } else { State::Expired };
            for (sku, at, quantity) in units {
                *self.held.get_mut(&(sku.clone(), at.clone())).unwrap() -= quantity;
                if next == State::Confirmed {
                    *self.on_hand.get_mut(&(sku, at)).unwrap() -= quantity;
                }
            }
            self.reservations.get_mut(&id).unwrap().0 = next;
            if next != State::Confirmed {
                self.settled.insert(id, now);
            }
        }
    }

    /// What the sweep ended or forgot, the model learns from the ledger; it must have been time.
    fn sweep(&mut self, now: u64, state: &Inventory) {
        let ids: Vec<Uuid> = self.reservations.keys().copied().collect();
        for id in ids {
            let Some(found) = state.reservation(ReservationId::new(id)) else {
                let settled = self.settled.remove(&id).unwrap();
                assert!(settled + REMEMBER_MS <= now, "forgotten too early");
                self.reservations.remove(&id);
                self.known.remove(&id);
                continue;
            };
            let known = self.reservations.get_mut(&id).unwrap();
            if known.0 == State::Reserved && found.state == State::Expired {
                assert!(known.2 <= now, "expired too early");
                known.0 = State::Expired;
                for (sku, at, quantity) in known.1.clone() {
                    *self.held.get_mut(&(sku, at)).unwrap() -= quantity;
                }
                self.settled.insert(id, now);
            }
        }
    }
}

pub(super) fn write_down(disk: &mut BTreeMap<Vec<u8>, Vec<u8>>, changes: &ChangedPages) {
    disk.extend(changes.encode());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_breaks_the_books(entries in entries()) {
        let (mut state, mut model) = (Inventory::default(), Model::default());
        for (time, commands) in &entries {
            state.apply_entry(*time, &[]);
            model.sweep(time.0, &state);
            for command in commands {
                let outcome = state.apply(*time, command);
                model.follow(time.0, command, &outcome);
                model.sweep(time.0, &state);
                check_invariants(&state);
            }
        }
        for (sku, stock) in state.stock_page(None, usize::MAX) {
            for (at, level) in stock.at.iter() {
                prop_assert_eq!(i128::from(level.on_hand), model.on_hand[&(sku.clone(), at.clone())]);
            }
        }
    }

    #[test]
    fn versions_are_dense(entries in entries()) {
        let mut state = Inventory::default();
        let mut last: BTreeMap<Sku, u64> = BTreeMap::new();
        for (time, commands) in &entries {
            for command in commands {
                state.apply(*time, command);
                for sku in state.take_touched() {
                    let version = state.stock(&sku).unwrap().version;
                    let before = last.insert(sku, version).unwrap_or_default();
                    // One command changes a SKU once, but a sweep may end several reservations of it.
                    let sweeps = matches!(command, Command::Expire { .. } | Command::Confirm { .. } | Command::Release { .. } | Command::Extend { .. });
                    prop_assert!(version > before && (version == before + 1 || sweeps), "{} after {}", version, before);
                }
            }
        }
    }

    #[test]
    fn a_log_applied_twice_or_restored_halfway_gives_the_same_state(entries in entries(), cut in 0usize..60) {
        let (mut first, mut second) = (Inventory::default(), Inventory::default());
        let (mut disk, mut outcomes) = (BTreeMap::new(), Vec::new());
        for (time, commands) in &entries {
            // As the log carries it.
            let entry = Entry::new(*time, commands);
            outcomes.push(first.apply_entry(entry.time, &entry.decode().unwrap()));
            write_down(&mut disk, &first.take_changes());
        }
        for (index, (time, commands)) in entries.iter().enumerate() {
            if index == cut {
                let mut loader = RecordLoader::default();
                second.freeze().each_record(|key, value| loader.load(key, value)).unwrap();
                second = loader.finish();
            }
            prop_assert_eq!(&second.apply_entry(*time, commands), &outcomes[index]);
        }
        prop_assert_eq!(first.state_hash(), second.state_hash());
        let pages: Vec<_> = disk.into_iter().collect();
        let mut third = Inventory::from_pages(&pages).unwrap();
        prop_assert_eq!(first.state_hash(), third.state_hash());
        // What is not written down, as the order in which outcomes are forgotten, was rebuilt alike.
        let late = LogTime(entries.last().map_or(0, |(time, _)| time.0) + REMEMBER_MS);
        prop_assert_eq!(first.apply_entry(late, &[]), third.apply_entry(late, &[]));
        prop_assert_eq!(first.state_hash(), third.state_hash());
    }
}

fn receive(state: &mut Inventory, n: u8, of: u8, at: u8, units: u32) {
    let command = Command::Receive {
        id: CommandId::new(id(n)),
        sku: sku(of),
        location: location(at),
        quantity: Quantity::new(units).unwrap(),
    };
    assert_eq!(state.apply(LogTime(1), &command).code, Code::Ok);
}

#[test]
fn all_lines_or_none_and_each_short_line_is_named() {
    let mut state = Inventory::default();
    receive(&mut state, 1, 0, 0, 5);
    receive(&mut state, 2, 1, 0, 1);
    let lines = vec![line(0, 3, &[], true), line(1, 2, &[], true), line(0, 3, &[], true)];
    let refused = state.apply(LogTime(2), &Command::Purchase { id: reservation(50), lines, memo: None });
    assert_eq!(refused.code, Code::InsufficientStock);
    let named: Vec<_> = refused.lines.iter().map(|line| (line.sku.to_string(), line.shortage.as_deref().copied())).collect();
    assert_eq!(named, [("sku-1".to_owned(), Some((2, 1))), ("sku-0".to_owned(), Some((3, 2)))]);
    assert_eq!(state.stock(&sku(0)).unwrap().available(), 5);
}

#[test]
fn a_refusal_is_remembered_even_when_stock_comes() {
    let mut state = Inventory::default();
    receive(&mut state, 1, 0, 0, 1);
    let command = Command::Purchase { id: reservation(50), lines: vec![line(0, 2, &[], true)], memo: None };
    assert_eq!(state.apply(LogTime(2), &command).code, Code::InsufficientStock);
    receive(&mut state, 2, 0, 0, 9);
    let again = state.apply(LogTime(3), &command);
    assert_eq!((again.code, again.replayed), (Code::InsufficientStock, true));
}

#[test]
fn preference_and_splitting_are_honoured() {
    let mut state = Inventory::default();
    receive(&mut state, 1, 0, 0, 2);
    receive(&mut state, 2, 0, 1, 3);
    let whole = Command::Reserve { id: reservation(50), lines: vec![line(0, 4, &[], false)], ttl_ms: 10, memo: None };
    assert_eq!(state.apply(LogTime(2), &whole).lines[0].shortage.as_deref(), Some(&(4, 3)));
    let split = Command::Reserve { id: reservation(51), lines: vec![line(0, 4, &[1, 0, 1], true)], ttl_ms: 10, memo: None };
    let given = state.apply(LogTime(2), &split);
    let parts: Vec<_> = given.lines[0].allocations.iter().map(|part| (part.location.to_string(), part.quantity)).collect();
    assert_eq!(parts, [("l-1".to_owned(), 3), ("l-0".to_owned(), 1)]);
}

#[test]
fn an_expired_hold_cannot_be_confirmed_even_before_the_sweep() {
    let mut state = Inventory::default();
    receive(&mut state, 1, 0, 0, 2);
    let hold = Command::Reserve { id: reservation(50), lines: vec![line(0, 2, &[], true)], ttl_ms: 10, memo: Some("m".into()) };
    assert_eq!(state.apply(LogTime(5), &hold).expires_at, Some(LogTime(15)));
    assert_eq!(state.next_expiry(), Some(LogTime(15)));
    assert_eq!(state.apply(LogTime(15), &Command::Confirm { id: reservation(50) }).code, Code::Expired);
    assert_eq!(state.stock(&sku(0)).unwrap().available(), 2);
    assert_eq!(state.reservation(reservation(50)).unwrap().memo, None);
}

#[test]
fn ids_out_of_time_and_overflow_are_refused() {
    let mut state = Inventory::default();
    let at = |ms: u64| Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, ms / 1_000, 0));
    let now = LogTime(10 * REMEMBER_MS);
    let receive = |id, units| Command::Receive {
        id: CommandId::new(id),
        sku: sku(0),
        location: location(0),
        quantity: Quantity::new(units).unwrap(),
    };
    assert_eq!(state.apply(now, &receive(at(now.0 - REMEMBER_MS - 2_000), 1)).code, Code::IdTooOld);
    assert_eq!(state.apply(now, &receive(at(now.0 + 7_200_000), 1)).code, Code::IdFromFuture);
    assert_eq!(state.apply(now, &receive(at(now.0), 1)).code, Code::Ok);
    let delta = i64::try_from(MAX_ON_HAND).unwrap();
    let adjust = Command::Adjust { id: CommandId::new(id(1)), sku: sku(0), location: location(0), delta };
    assert_eq!(state.apply(now, &adjust).code, Code::Overflow);
}
