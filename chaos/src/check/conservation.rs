//! Conservation: `received + adjusted - sold = on_hand`, `sold` is what PostgreSQL has in orders, and nothing is reserved without an owner.

use std::collections::BTreeMap;

/// One SKU in the inventory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkuBook {
    pub received: u64,
    pub adjusted: i64,
    pub sold: u64,
    pub on_hand: u64,
    pub reserved: u64,
}

/// Both stores at rest.
#[derive(Clone, Debug, Default)]
pub struct Books {
    pub stock: BTreeMap<String, SkuBook>,
    /// Units of each SKU in PostgreSQL's orders.
    pub ordered: BTreeMap<String, u64>,
    /// Units held by reservations that are still open.
    pub held: BTreeMap<String, u64>,
    /// Units in confirmed reservations that no order's record stands for yet.
    pub unrecorded: BTreeMap<String, u64>,
    pub orders: u64,
}

/// Every difference, in order of SKU.
pub fn conservation(books: &Books) -> Vec<String> {
    let of = |map: &BTreeMap<String, u64>, sku: &str| map.get(sku).copied().unwrap_or_default();
    let mut differences = Vec::new();
    for (sku, book) in &books.stock {
        let balance = i128::from(book.received) + i128::from(book.adjusted) - i128::from(book.sold);
        if balance != i128::from(book.on_hand) {
            let SkuBook { received, adjusted, sold, on_hand, .. } = book;
            differences.push(format!(
                "{sku}: {received} received + {adjusted} adjusted - {sold} sold is {balance}, on hand are {on_hand}"
            ));
        }
        if book.reserved > book.on_hand {
            differences.push(format!("{sku}: {} reserved of {} on hand", book.reserved, book.on_hand));
        }
        if book.reserved != of(&books.held, sku) {
            differences.push(format!("{sku}: {} reserved, open reservations own {}", book.reserved, of(&books.held, sku)));
        }
        let recorded = of(&books.ordered, sku) + of(&books.unrecorded, sku);
        if book.sold != recorded {
            let (ordered, waiting) = (of(&books.ordered, sku), of(&books.unrecorded, sku));
            differences
                .push(format!("{sku}: {} sold, PostgreSQL has {ordered} in orders and {waiting} wait to be recorded", book.sold));
        }
    }
    for (sku, units) in books.ordered.iter().filter(|(sku, _)| !books.stock.contains_key(*sku)) {
        differences.push(format!("{sku}: {units} in orders, and the inventory does not know it"));
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books() -> Books {
        let book = SkuBook { received: 10, adjusted: -1, sold: 4, on_hand: 5, reserved: 2 };
        Books {
            stock: BTreeMap::from([("cup".to_owned(), book)]),
            ordered: BTreeMap::from([("cup".to_owned(), 3)]),
            held: BTreeMap::from([("cup".to_owned(), 2)]),
            unrecorded: BTreeMap::from([("cup".to_owned(), 1)]),
            orders: 3,
        }
    }

    #[test]
    fn true_books_agree() {
        assert!(conservation(&books()).is_empty());
    }

    #[test]
    fn planted_differences_are_named() {
        type Plant = fn(&mut Books);
        let planted: [(&str, Plant); 5] = [
            ("on hand are 4", |books| books.stock.get_mut("cup").unwrap().on_hand -= 1),
            ("PostgreSQL has 4", |books| *books.ordered.get_mut("cup").unwrap() += 1),
            ("PostgreSQL has 2", |books| *books.ordered.get_mut("cup").unwrap() -= 1),
            ("open reservations own 1", |books| *books.held.get_mut("cup").unwrap() -= 1),
            ("pen: 1 in orders", |books| books.ordered.extend([("pen".to_owned(), 1)])),
        ];
        for (named, plant) in planted {
            let mut books = books();
            plant(&mut books);
            let found = conservation(&books);
            assert!(found.iter().any(|difference| difference.contains(named)), "{named}: {found:?}");
        }
    }
}
