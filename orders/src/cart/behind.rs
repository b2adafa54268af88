//! What writing a kept cart behind does to its record. Pure.
//!
//! Owns: that the record takes each kept change once, whoever writes it behind and however often. Must not: know where either lies.

use storefront_types::OrderId;

use super::{Stored, lines::remember, record::Row, region::Unwritten, unite::unite};

/// The cart that is to be recorded; `None`: the record has taken all of it.
pub(super) fn behind(row: &Row, unwritten: &Unwritten) -> Option<Stored> {
    let taken = taken(row, unwritten);
    let kept = &unwritten.cart;
    // Another instance of the region may have written a later change of the same cart already.
    if taken.version >= kept.version {
        return None;
    }
    // A ticket for the cart as it was kept is still a ticket for it, unless the record changed apart from it.
    let goes_on = row.cart.version == taken.version;
    let version = if goes_on { kept.version } else { row.cart.version.max(kept.version) + 1 };
    let mut bought = row.cart.bought.clone();
    remember(&mut bought, kept.bought.iter().copied());
    // Emptied for the same order on both sides, what was there before was taken from both.
    let is_new = |order: &&OrderId| row.cart.bought.contains(order) && !taken.bought.contains(order);
    let before = if kept.bought.iter().any(|order| is_new(&order)) { &[][..] } else { &taken.lines[..] };
    Some(Stored { version, lines: unite(&row.cart.lines, before, &kept.lines), bought })
}

/// As what the record has taken the cart: what was done since goes on from there.
fn taken<'a>(row: &'a Row, unwritten: &'a Unwritten) -> &'a Stored {
    match &row.behind {
        Some((stamp, taken)) if *stamp == unwritten.stamp => taken,
        // The write that seemed to fail had succeeded.
        _ if row.stamp == Some(unwritten.stamp) => &row.cart,
        _ => &unwritten.base,
    }
}

#[cfg(test)]
mod tests {
    use storefront_types::Sku;
    use uuid::Uuid;

    use super::{super::StoredLine, *};

    fn cart(version: i64, quantity: u32) -> Stored {
        let line = StoredLine { sku: Sku::parse("a").unwrap(), quantity, shown: None };
        Stored { version, lines: vec![line], bought: Vec::new() }
    }

    fn kept(branch: u128, base: &Stored, cart: Stored) -> Unwritten {
        Unwritten { stamp: Uuid::from_u128(branch), base: base.clone(), cart }
    }

    #[test]
    fn what_came_after_a_purchase_stays_also_when_the_record_was_emptied_too() {
        let order = OrderId::new(Uuid::from_u128(7));
        let emptied = Row {
            cart: Stored { version: 4, lines: Vec::new(), bought: vec![order] },
            stamp: Some(Uuid::from_u128(9)),
            behind: None,
        };
        let later = Stored { bought: vec![order], ..cart(5, 1) };
        let united = behind(&emptied, &kept(1, &cart(3, 1), later)).unwrap();
        assert_eq!((united.lines, united.bought), (cart(0, 1).lines, vec![order]));
    }

    /// The record after it took what was kept.
    fn write(row: &Row, unwritten: &Unwritten) -> Row {
        match behind(row, unwritten) {
            Some(cart) => {
                let behind = Some((unwritten.stamp, unwritten.cart.clone()));
                Row { cart, stamp: Some(unwritten.stamp), behind }
            }
            None => row.clone(),
        }
    }

    #[test]
    fn a_kept_cart_is_taken_once_and_goes_on() {
        let base = cart(3, 1);
        let record = Row { cart: base.clone(), ..Row::default() };
        let first = write(&record, &kept(1, &base, cart(5, 4)));
        assert_eq!(first.cart, cart(5, 4), "a ticket for it is one for the record");
        assert_eq!(write(&first, &kept(1, &base, cart(5, 4))).cart, cart(5, 4));
        // Kept changes went on while the first was written; an instance that knows the older one comes late.
        let second = write(&first, &kept(1, &base, cart(6, 7)));
        assert_eq!(second.cart, cart(6, 7));
        assert_eq!(write(&second, &kept(1, &base, cart(5, 4))).cart, cart(6, 7));
        // Also when the record changed since in the ordinary way.
        let changed = Row { cart: cart(7, 9), stamp: Some(Uuid::from_u128(99)), ..second };
        assert_eq!(write(&changed, &kept(1, &base, cart(6, 7))).cart, cart(7, 9));
    }

    #[test]
    fn a_write_that_seemed_to_fail_is_not_done_again() {
        let base = cart(3, 1);
        let record = Row { cart: cart(4, 2), stamp: Some(Uuid::from_u128(1)), behind: None };
        assert_eq!(behind(&record, &kept(1, &base, cart(4, 2))), None);
        assert_eq!(behind(&record, &kept(1, &base, cart(5, 6))), Some(cart(5, 6)));
    }

    #[test]
    fn two_regions_both_count_in_either_order() {
        let base = cart(3, 10);
        let record = Row { cart: base.clone(), ..Row::default() };
        let (eu, us) = (kept(1, &base, cart(4, 12)), kept(2, &base, cart(6, 3)));
        let (one, other) = (write(&write(&record, &eu), &us), write(&write(&record, &us), &eu));
        assert_eq!(one.cart.lines, cart(0, 5).lines);
        assert_eq!(other.cart.lines, one.cart.lines);
        assert!(one.cart.version > 6 && other.cart.version > 6, "neither is a cart that a ticket names");
    }
}
