//! Conservation: `received + adjusted - sold = on_hand`, `sold` is what PostgreSQL has in orders, and nothing is reserved without an owner.

use std::collections::{BTreeMap, BTreeSet};

use inventory_api::ReservationState;

use super::{Difference, Promise, Record};

/// One SKU in the inventory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkuBook {
    pub received: u64,
    pub adjusted: i64,
    pub sold: u64,
    pub on_hand: u64,
    pub reserved: u64,
}

/// Both stores.
#[derive(Clone, Debug, Default)]
pub struct Books {
    pub stock: BTreeMap<String, SkuBook>,
    /// SKUs whose stock changed while the books were read: their sums are of different moments, and are not compared.
    pub moved: BTreeSet<String>,
    /// Units of each SKU in PostgreSQL's orders.
    pub ordered: BTreeMap<String, u64>,
    /// Units held by reservations that are still open.
    pub held: BTreeMap<String, u64>,
    /// Units in confirmed reservations that no order's record stands for yet.
    pub unrecorded: BTreeMap<String, u64>,
    pub orders: u64,
    pub reservations: u64,
    /// What is wrong with single orders.
    pub differences: Vec<Difference>,
    /// Differences beyond those that are kept one by one.
    pub more: u64,
}

impl Books {
    /// Counts the units of one order into the sums.
    pub fn add(&mut self, promise: Option<&Promise>, record: Option<&Record>) {
        self.each(promise, record, |sum, units| *sum += units);
    }

    /// Takes back what was counted of an order as it looked before.
    pub fn take_back(&mut self, promise: Option<&Promise>, record: Option<&Record>) {
        self.each(promise, record, |sum, units| *sum = sum.saturating_sub(units));
        for sums in [&mut self.ordered, &mut self.held, &mut self.unrecorded] {
            sums.retain(|_, units| *units > 0);
        }
    }

    fn each(&mut self, promise: Option<&Promise>, record: Option<&Record>, change: impl Fn(&mut u64, u64)) {
        let count = |into: &mut BTreeMap<String, u64>, lines: &[(String, u64)]| {
            for (sku, units) in lines {
                match into.get_mut(sku) {
                    Some(sum) => change(sum, *units),
                    None => change(into.entry(sku.clone()).or_default(), *units),
                }
            }
        };
        if let Some(record) = record {
            count(&mut self.ordered, &record.lines);
        }
        match promise.map(|promise| promise.state) {
            Some(ReservationState::Reserved) => count(&mut self.held, promise.map_or(&[], |promise| &promise.lines)),
            Some(ReservationState::Confirmed) if record.is_none() => {
                count(&mut self.unrecorded, promise.map_or(&[], |promise| &promise.lines));
            }
            _ => {}
        }
    }
}

/// Every difference: of single orders, then in order of SKU.
pub fn conservation(books: &Books) -> Vec<Difference> {
    let of = |map: &BTreeMap<String, u64>, sku: &str| map.get(sku).copied().unwrap_or_default();
    let mut differences = books.differences.clone();
    for (sku, book) in books.stock.iter().filter(|(sku, _)| !books.moved.contains(*sku)) {
        let SkuBook { received, adjusted, sold, on_hand, reserved } = *book;
        let balance = i128::from(received) + i128::from(adjusted) - i128::from(sold);
        if balance != i128::from(on_hand) {
            differences.push(Difference::UnbalancedStock { sku: sku.clone(), received, adjusted, sold, on_hand });
        }
        if reserved > on_hand {
            differences.push(Difference::ReservedMoreThanOnHand { sku: sku.clone(), reserved, on_hand });
        }
        let owned = of(&books.held, sku);
        if reserved != owned {
            differences.push(Difference::ReservedWithoutOwner { sku: sku.clone(), reserved, owned });
        }
        let (ordered, waiting) = (of(&books.ordered, sku), of(&books.unrecorded, sku));
        if sold != ordered + waiting {
            differences.push(Difference::SoldNotOrdered { sku: sku.clone(), sold, ordered, waiting });
        }
    }
    let unknown = books.ordered.iter().filter(|(sku, units)| **units > 0 && !books.stock.contains_key(*sku));
    differences.extend(unknown.map(|(sku, ordered)| Difference::UnknownSku { sku: sku.clone(), ordered: *ordered }));
    differences
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::check::lines;

    fn books() -> Books {
        let book = SkuBook { received: 10, adjusted: -1, sold: 4, on_hand: 5, reserved: 2 };
        Books {
            stock: BTreeMap::from([("cup".to_owned(), book)]),
            ordered: BTreeMap::from([("cup".to_owned(), 3)]),
            held: BTreeMap::from([("cup".to_owned(), 2)]),
            unrecorded: BTreeMap::from([("cup".to_owned(), 1)]),
            orders: 3,
            ..Books::default()
        }
    }

    #[test]
    fn true_books_agree() {
        assert!(conservation(&books()).is_empty());
    }

    #[test]
    fn planted_differences_are_named() {
        type Plant = fn(&mut Books);
        let planted: [(&str, &str, Plant); 7] = [
            ("unbalanced_stock", "on hand are 4", |books| books.stock.get_mut("cup").unwrap().on_hand -= 1),
            ("reserved_more_than_on_hand", "6 reserved of 5", |books| books.stock.get_mut("cup").unwrap().reserved = 6),
            ("sold_not_ordered", "PostgreSQL has 4", |books| *books.ordered.get_mut("cup").unwrap() += 1),
            ("sold_not_ordered", "PostgreSQL has 2", |books| *books.ordered.get_mut("cup").unwrap() -= 1),
            ("reserved_without_owner", "open reservations own 1", |books| *books.held.get_mut("cup").unwrap() -= 1),
            ("unknown_sku", "pen: 1 in orders", |books| books.ordered.extend([("pen".to_owned(), 1)])),
            ("order_lost", "does not have it", |books| {
                books.differences.push(Difference::OrderLost { order: Uuid::nil() });
            }),
        ];
        for (kind, named, plant) in planted {
            let mut books = books();
            plant(&mut books);
            let found = conservation(&books);
            let is_named = |difference: &Difference| difference.kind() == kind && difference.to_string().contains(named);
            assert!(found.iter().any(is_named), "{named}: {found:?}");
        }
    }

    #[test]
    fn a_sku_that_moved_meanwhile_is_not_compared() {
        let mut books = books();
        books.stock.get_mut("cup").unwrap().sold += 1;
        assert!(!conservation(&books).is_empty());
        books.moved.insert("cup".to_owned());
        assert!(conservation(&books).is_empty());
    }

    /// One order as either store may have it.
    fn order() -> impl Strategy<Value = (Option<Promise>, Option<Record>)> {
        let state = prop_oneof![
            Just(ReservationState::Reserved),
            Just(ReservationState::Confirmed),
            Just(ReservationState::Acknowledged),
            Just(ReservationState::Released),
        ];
        let of = || prop::collection::vec((prop_oneof![Just("cup".to_owned()), Just("pen".to_owned())], 1..5_u64), 1..4);
        let promise = (state, of()).prop_map(|(state, of)| {
            let (confirmed_at_ms, expires_at_ms) = (None, None);
            Promise { id: Uuid::nil(), state, lines: lines(of), confirmed_at_ms, expires_at_ms }
        });
        let record = of().prop_map(|of| Record { id: Uuid::nil(), placed_at_ms: Some(0), lines: lines(of) });
        (prop::option::of(promise), prop::option::of(record))
    }

    proptest! {
        #[test]
        fn sums_are_those_of_adding_every_line_and_taking_back_undoes_it(orders in prop::collection::vec(order(), 0..20), seen in order()) {
            let mut books = Books::default();
            orders.iter().for_each(|(promise, record)| books.add(promise.as_ref(), record.as_ref()));
            for sku in ["cup", "pen"] {
                let units = |lines: &[(String, u64)]| lines.iter().filter(|(of, _)| of == sku).map(|(_, units)| units).sum::<u64>();
                let ordered: u64 = orders.iter().filter_map(|(_, record)| record.as_ref()).map(|record| units(&record.lines)).sum();
                let open = |state, recorded| -> u64 {
                    let of_state = orders.iter().filter(|(_, record)| recorded || record.is_none()).filter_map(|(promise, _)| promise.as_ref());
                    of_state.filter(|promise| promise.state == state).map(|promise| units(&promise.lines)).sum()
                };
                let sum = |of: &BTreeMap<String, u64>| of.get(sku).copied().unwrap_or_default();
                prop_assert_eq!(sum(&books.ordered), ordered);
                prop_assert_eq!(sum(&books.held), open(ReservationState::Reserved, true));
                prop_assert_eq!(sum(&books.unrecorded), open(ReservationState::Confirmed, false));
            }
            let before = (books.ordered.clone(), books.held.clone(), books.unrecorded.clone());
            books.add(seen.0.as_ref(), seen.1.as_ref());
            books.take_back(seen.0.as_ref(), seen.1.as_ref());
            prop_assert_eq!((books.ordered, books.held, books.unrecorded), before);
        }
    }
}
