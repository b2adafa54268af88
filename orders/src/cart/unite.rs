//! Two carts become one. Pure.
//!
//! Owns: that no line that was acknowledged is lost or counted twice, and that the result keeps a cart's bounds. Must not: know why there are two.

use orders_api::{MAX_CART_LINES, MAX_LINE_QUANTITY};
use storefront_types::{Money, Sku};

use super::StoredLine;

fn of<'a>(lines: &'a [StoredLine], sku: &Sku) -> Option<&'a StoredLine> {
    lines.iter().find(|line| line.sku == *sku)
}

/// The cart of an account after its shopper signed in with a guest's cart: quantities add up to the bound of a line. When the lines are more than
/// a cart has, the account's own last ones give way: the guest's are what the shopper looks at.
pub(crate) fn signed_in(account: &[StoredLine], guest: &[StoredLine]) -> Vec<StoredLine> {
    let both = |own: &StoredLine| match of(guest, &own.sku) {
        Some(theirs) => StoredLine {
            sku: own.sku.clone(),
            quantity: own.quantity.saturating_add(theirs.quantity).min(MAX_LINE_QUANTITY),
            // Of two prices that were shown, nobody knows which was seen last: it must be shown again.
            shown: own.shown.filter(|shown| Some(*shown) == theirs.shown),
        },
        None => own.clone(),
    };
    let mut room = MAX_CART_LINES.saturating_sub(guest.len());
    let mut has_room = |line: &&StoredLine| {
        let is_guests = of(guest, &line.sku).is_some();
        let fits = is_guests || room > 0;
        room -= usize::from(!is_guests && fits);
        fits
    };
    let kept = account.iter().filter(|line| has_room(line)).map(both);
    let new = guest.iter().filter(|line| of(account, &line.sku).is_none()).cloned();
    kept.chain(new).take(MAX_CART_LINES).collect()
}

/// A cart that was changed apart from its record: what `ours` did to `base` is done to `theirs`. Adding and removing on both sides both count, in
/// whichever order the sides come; what is past the bounds of a cart is left out.
pub(super) fn unite(theirs: &[StoredLine], base: &[StoredLine], ours: &[StoredLine]) -> Vec<StoredLine> {
    let quantity = |lines: &[StoredLine], sku: &Sku| i64::from(of(lines, sku).map_or(0, |line| line.quantity));
    let shown = |lines: &[StoredLine], sku: &Sku| of(lines, sku).and_then(|line| line.shown);
    let line = |line: &StoredLine| {
        let sku = &line.sku;
        let sum = quantity(theirs, sku) + quantity(ours, sku) - quantity(base, sku);
        let sum = u32::try_from(sum.clamp(0, i64::from(MAX_LINE_QUANTITY))).unwrap_or_default();
        let shown = one_of((shown(theirs, sku), of(theirs, sku)), shown(base, sku), (shown(ours, sku), of(ours, sku)));
        (sum > 0).then(|| StoredLine { sku: sku.clone(), quantity: sum, shown })
    };
    let new = ours.iter().filter(|line| of(theirs, &line.sku).is_none());
    theirs.iter().chain(new).filter_map(line).take(MAX_CART_LINES).collect()
}

/// The price that was shown on the side that changed it; none when both did, to different ones.
fn one_of(
    (theirs, has_theirs): (Option<Money>, Option<&StoredLine>),
    base: Option<Money>,
    (ours, has_ours): (Option<Money>, Option<&StoredLine>),
) -> Option<Money> {
    match (has_theirs, has_ours) {
        (None, _) => ours,
        (_, None) => theirs,
        _ if theirs == base || theirs == ours => ours,
        _ if ours == base => theirs,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use storefront_types::Currency;

    use super::*;

    /// Up to 80 SKUs, so that two carts together are past the bound.
    fn cart() -> impl Strategy<Value = Vec<StoredLine>> {
        let price = prop::option::of((1_i64..3).prop_map(|amount| Money::new(amount, Currency::USD)));
        let line = (1..=MAX_LINE_QUANTITY, price);
        prop::collection::btree_map(0_u32..80, line, 0..=MAX_CART_LINES).prop_map(|lines: BTreeMap<_, _>| {
            let line = |(n, (quantity, shown))| StoredLine { sku: Sku::parse(&format!("s{n}")).unwrap(), quantity, shown };
            lines.into_iter().map(line).collect()
        })
    }

    fn quantities(lines: &[StoredLine]) -> BTreeMap<&str, u32> {
        lines.iter().map(|line| (line.sku.as_str(), line.quantity)).collect()
    }

    fn is_a_cart(lines: &[StoredLine]) -> bool {
        let bounded = lines.iter().all(|line| (1..=MAX_LINE_QUANTITY).contains(&line.quantity));
        bounded && lines.len() <= MAX_CART_LINES && quantities(lines).len() == lines.len()
    }

    proptest! {
        #[test]
        fn at_sign_in_quantities_add_up_within_the_bounds(account in cart(), guest in cart()) {
            let merged = signed_in(&account, &guest);
            prop_assert!(is_a_cart(&merged));
            prop_assert_eq!(&merged, &signed_in(&account, &guest), "not the same twice");
            let (had, brought, has) = (quantities(&account), quantities(&guest), quantities(&merged));
            for (sku, quantity) in &brought {
                let sum = had.get(sku).copied().unwrap_or(0) + quantity;
                prop_assert_eq!(has[sku], sum.min(MAX_LINE_QUANTITY), "{}", sku);
            }
            for (sku, quantity) in &has {
                let sum = had.get(sku).copied().unwrap_or(0) + brought.get(sku).copied().unwrap_or(0);
                prop_assert_eq!(*quantity, sum.min(MAX_LINE_QUANTITY), "{}", sku);
            }
            let all = had.keys().chain(brought.keys()).collect::<std::collections::BTreeSet<_>>().len();
            prop_assert_eq!(merged.len(), all.min(MAX_CART_LINES));
            prop_assert_eq!(signed_in(&account, &[]), account, "a guest without a cart changes nothing");
        }

        #[test]
        fn a_price_that_only_one_session_showed_does_not_count_as_shown(account in cart(), guest in cart()) {
            for line in signed_in(&account, &guest) {
                let both = (of(&account, &line.sku), of(&guest, &line.sku));
                if let (Some(own), Some(theirs)) = both {
                    prop_assert!(line.shown.is_none() || (line.shown == own.shown && line.shown == theirs.shown));
                }
            }
        }

        #[test]
        fn what_both_sides_did_counts_in_either_order(base in cart(), one in cart(), other in cart()) {
            let (ab, ba) = (unite(&one, &base, &other), unite(&other, &base, &one));
            prop_assert!(is_a_cart(&ab));
            for sku in quantities(&base).keys().chain(quantities(&one).keys()).chain(quantities(&other).keys()) {
                let at = |lines: &[StoredLine]| i64::from(quantities(lines).get(sku).copied().unwrap_or(0));
                let sum = (at(&one) + at(&other) - at(&base)).clamp(0, i64::from(MAX_LINE_QUANTITY));
                let full = ab.len() == MAX_CART_LINES;
                prop_assert!(at(&ab) == sum || (full && at(&ab) == 0), "{}: {} for {}", sku, at(&ab), sum);
                if ab.len() < MAX_CART_LINES {
                    prop_assert_eq!(at(&ab), at(&ba));
                }
            }
        }

        #[test]
        fn a_side_that_did_nothing_changes_nothing(base in cart(), other in cart()) {
            prop_assert_eq!(unite(&other, &base, &base), other.clone());
            let mut united = unite(&base, &base, &other);
            united.sort_by(|a, b| a.sku.cmp(&b.sku));
            let mut wanted = other;
            wanted.sort_by(|a, b| a.sku.cmp(&b.sku));
            prop_assert_eq!(united, wanted);
        }
    }
}
