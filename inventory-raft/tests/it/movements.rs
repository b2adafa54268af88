//! The movements that are told of against what was seen to happen: opening balance and movements make the stock, always.

use std::collections::BTreeMap;

use inventory_raft::stock::{
    Code, Command, Inventory, Level, LogTime, Movement, MovementKind, REMEMBER_MS, RecordLoader, SkuStock, Statement, Step, Told,
};
use proptest::prelude::*;
use storefront_types::{CommandId, LocationId, Quantity, Sku};

use super::ledger::{entries, id, line, location, reservation, sku, write_down};

type Levels = BTreeMap<LocationId, Level>;

fn without_empty(levels: impl IntoIterator<Item = (LocationId, Level)>) -> Levels {
    levels.into_iter().filter(|(_, level)| *level != Level::default()).collect()
}

fn levels(stock: &SkuStock) -> Levels {
    without_empty(stock.at.iter().cloned())
}

/// What was seen of each SKU: the levels at each version, and when it was.
type Seen = BTreeMap<Sku, BTreeMap<u64, (LogTime, Levels)>>;

fn statement(state: &Inventory, sku: &Sku, last: Option<u64>, at_once: u64) -> Statement {
    let mut statement = Statement::begin(state, sku, last).unwrap();
    loop {
        match statement.step(state, sku, at_once) {
            Step::More => {}
            Step::Whole => return statement,
            Step::Overtaken => panic!("nothing was forgotten meanwhile"),
        }
    }
}

/// Goes from the opening balance through every movement and compares with what was seen on the way.
fn check(state: &Inventory, seen: &Seen, at_once: u64) {
    for (sku, stock) in state.stock_page(None, usize::MAX) {
        let (told, whole) = (state.told(sku).unwrap(), statement(state, sku, None, at_once));
        assert_eq!((whole.opening.version + 1, whole.closing.version, told.newest), (told.oldest, stock.version, stock.version));
        assert_eq!(without_empty(whole.closing.levels), levels(stock));
        let (mut version, mut now) = (whole.opening.version, whole.opening.levels);
        for movement in state.movements(sku, told.oldest..=told.newest) {
            version += 1;
            assert_eq!(movement.version, version, "a movement of {sku} is missing");
            for change in &movement.changes {
                let level = now.entry(change.location.clone()).or_default();
                level.on_hand = level.on_hand.checked_add_signed(change.on_hand).unwrap();
                level.reserved = level.reserved.checked_add_signed(change.reserved).unwrap();
            }
            if let Some((time, seen)) = seen[sku].get(&version) {
                assert_eq!((movement.at, without_empty(now.clone())), (*time, seen.clone()), "{sku} after {movement:?}");
            }
        }
        assert_eq!(
            (version, without_empty(now)),
            (stock.version, levels(stock)),
            "the movements of {sku} do not lead to its stock"
        );
        let young = seen[sku].iter().find(|(_, (time, _))| time.0 + REMEMBER_MS > state.clock().0);
        assert!(young.is_none_or(|(version, _)| told.oldest <= *version), "{sku}: forgotten too early, {told:?}");
    }
}

fn all_told(state: &Inventory) -> Vec<(Sku, Told, Vec<Movement>)> {
    let of = |(sku, _): (&Sku, _)| {
        let told = state.told(sku).unwrap();
        (sku.clone(), told, state.movements(sku, told.oldest..=told.newest).collect())
    };
    state.stock_page(None, usize::MAX).into_iter().map(of).collect()
}

fn restored(state: &Inventory) -> Inventory {
    let mut loader = RecordLoader::default();
    state.freeze().each_record(|key, value| loader.load(key, value)).unwrap();
    loader.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn opening_balance_and_movements_make_the_stock(entries in entries(), at_once in 1u64..9) {
        let (mut state, mut seen) = (Inventory::default(), Seen::new());
        for (time, commands) in &entries {
            state.apply_entry(*time, &[]);
            for command in commands {
                state.apply(*time, command);
                for sku in state.take_touched() {
                    let stock = state.stock(&sku).unwrap();
                    let now = (state.clock(), levels(stock));
                    seen.entry(sku).or_default().insert(stock.version, now);
                }
            }
            check(&state, &seen, at_once);
        }
    }

    #[test]
    fn a_restored_ledger_tells_of_the_same_movements(entries in entries(), cut in 0usize..60) {
        let (mut first, mut second, mut disk) = (Inventory::default(), Inventory::default(), BTreeMap::new());
        for (index, (time, commands)) in entries.iter().enumerate() {
            if index == cut {
                second = restored(&second);
            }
            first.apply_entry(*time, commands);
            second.apply_entry(*time, commands);
            write_down(&mut disk, &first.take_changes());
            prop_assert_eq!(all_told(&first), all_told(&second));
        }
        let pages: Vec<_> = disk.into_iter().collect();
        let mut third = Inventory::from_pages(&pages).unwrap();
        prop_assert_eq!(all_told(&first), all_told(&third));
        let late = LogTime(entries.last().map_or(0, |(time, _)| time.0) + REMEMBER_MS);
        first.apply_entry(late, &[]);
        third.apply_entry(late, &[]);
        prop_assert_eq!(all_told(&first), all_told(&third));
    }

    #[test]
    fn a_statement_of_the_last_movements_begins_where_they_do(entries in entries(), last in 0u64..12) {
        let mut state = Inventory::default();
        entries.iter().for_each(|(time, commands)| drop(state.apply_entry(*time, commands)));
        for (sku, told, movements) in all_told(&state) {
            let (some, all) = (statement(&state, &sku, Some(last), 3), statement(&state, &sku, None, 3));
            let wanted = last.min(movements.len() as u64);
            prop_assert_eq!((some.opening.version, &some.closing), (told.newest - wanted, &all.closing));
        }
    }
}

#[test]
fn every_kind_says_what_it_did_and_by_whom() {
    let mut state = Inventory::default();
    let (stock, at, to) = (|n| CommandId::new(id(n)), location(0), location(1));
    let units = |units| Quantity::new(units).unwrap();
    let lines = || vec![line(0, 2, &[], true)];
    let hold = |n| Command::Reserve { id: reservation(n), lines: lines(), ttl_ms: 50, memo: None };
    let commands = [
        Command::Receive { id: stock(1), sku: sku(0), location: at.clone(), quantity: units(9) },
        Command::Move { id: stock(2), sku: sku(0), from: at.clone(), to: to.clone(), quantity: units(3) },
        hold(50),
        Command::Extend { id: reservation(50), ttl_ms: 90 },
        Command::Confirm { id: reservation(50) },
        Command::Acknowledge { ids: vec![reservation(50)] },
        hold(51),
        Command::Release { id: reservation(51) },
        Command::Purchase { id: reservation(52), lines: lines(), memo: None },
        hold(53),
        Command::Adjust { id: stock(3), sku: sku(0), location: at.clone(), delta: -7 },
        Command::Count { id: stock(4), sku: sku(0), location: to.clone(), expected: Some(3), on_hand: 5 },
        Command::Confirm { id: reservation(53) },
    ];
    for (time, command) in (10..).step_by(10).zip(&commands) {
        state.apply(LogTime(time), command);
    }
    assert_eq!(
        state
            .apply(LogTime(200), &Command::Purchase { id: reservation(54), lines: vec![line(0, 99, &[], true)], memo: None })
            .code,
        Code::InsufficientStock
    );
    state.apply(LogTime(200), &hold(55));
    state.apply(LogTime(250), &Command::Expire { limit: 9 });
    let told = state.told(&sku(0)).unwrap();
    let row = |movement: Movement| {
        let changes: Vec<_> = movement.changes.iter().map(|change| (change.on_hand, change.reserved)).collect();
        (movement.kind, movement.id, movement.at.0, changes, movement.short)
    };
    let rows: Vec<_> = state.movements(&sku(0), told.oldest..=told.newest).map(row).collect();
    let of = |kind, n, at, changes: &[(i64, i64)], short| (kind, id(n), at, changes.to_vec(), short);
    let expected = [
        of(MovementKind::Received, 1, 10, &[(9, 0)], 0),
        of(MovementKind::Moved, 2, 20, &[(-3, 0), (3, 0)], 0),
        of(MovementKind::Reserved, 50, 30, &[(0, 2)], 0),
        of(MovementKind::Confirmed, 50, 50, &[(-2, -2)], 0),
        of(MovementKind::Reserved, 51, 70, &[(0, 2)], 0),
        of(MovementKind::Released, 51, 80, &[(0, -2)], 0),
        of(MovementKind::Purchased, 52, 90, &[(-2, 0)], 0),
        of(MovementKind::Reserved, 53, 100, &[(0, 2)], 0),
        // Two are left there, and both are promised.
        of(MovementKind::Adjusted, 3, 110, &[(0, 0)], 7),
        of(MovementKind::Counted, 4, 120, &[(2, 0)], 0),
        of(MovementKind::Confirmed, 53, 130, &[(-2, -2)], 0),
        of(MovementKind::Reserved, 55, 200, &[(0, 2)], 0),
        of(MovementKind::Expired, 55, 250, &[(0, -2)], 0),
    ];
    assert_eq!((rows, told), (expected.to_vec(), Told { oldest: 1, newest: 13 }));
}

#[test]
fn what_is_forgotten_is_summed_up() {
    let mut state = Inventory::default();
    let receive = |n, units| Command::Receive {
        id: CommandId::new(id(n)),
        sku: sku(0),
        location: location(0),
        quantity: Quantity::new(units).unwrap(),
    };
    let hold = Command::Reserve { id: reservation(50), lines: vec![line(0, 2, &[], true)], ttl_ms: 10 * REMEMBER_MS, memo: None };
    state.apply_entry(LogTime(1), &[receive(1, 5), hold, receive(2, 1)]);
    state.apply_entry(LogTime(2), &[receive(3, 4)]);
    let begun = Statement::begin(&state, &sku(0), None).unwrap();
    let mut half = begun.clone();
    assert_eq!(half.step(&state, &sku(0), 1), Step::More);
    // The hold is still known, but what came after it is not: it is summed up as well, so that nothing is missing in between.
    state.apply_entry(LogTime(1 + REMEMBER_MS), &[]);
    assert_eq!(state.told(&sku(0)), Some(Told { oldest: 4, newest: 4 }));
    let whole = statement(&state, &sku(0), None, 10);
    assert_eq!(whole.opening.levels[&location(0)], Level { on_hand: 6, reserved: 2 });
    assert_eq!((half.step(&state, &sku(0), 1), half), (Step::Whole, whole));
    state.apply_entry(LogTime(2 + REMEMBER_MS), &[]);
    let none = statement(&state, &sku(0), None, 10);
    assert_eq!((&none.opening, none.opening.version), (&none.closing, 4));
    state.apply_entry(LogTime(3 + REMEMBER_MS), &[receive(4, 1), receive(5, 1), Command::Release { id: reservation(50) }]);
    let mut slow = Statement::begin(&state, &sku(0), None).unwrap();
    state.apply_entry(LogTime(3 + 2 * REMEMBER_MS), &[receive(6, 1)]);
    assert_eq!(slow.step(&state, &sku(0), 1), Step::Whole, "nothing that it took back is forgotten");
    let mut slow = begun;
    assert_eq!(slow.step(&state, &sku(0), 1), Step::Overtaken, "it would say of movements that they are told of");
}
