//! Many orders as the columns of one statement. Pure.

use std::collections::HashSet;

use storefront_types::OrderId;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{checkout::Memo, outbox::placed_row};

/// An order as it was accepted, on its way into PostgreSQL.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) id: OrderId,
    pub(crate) memo: Memo,
    /// The provider's reference of the payment, where it is known.
    pub(crate) reference: Option<String>,
}

/// A batch as columns.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) orders: OrderColumns,
    pub(super) items: ItemColumns,
    pub(super) payments: PaymentColumns,
}

/// One vector for each column of `shop_order`.
#[derive(Debug, Default)]
pub(super) struct OrderColumns {
    pub(super) ids: Vec<Uuid>,
    pub(super) shoppers: Vec<Uuid>,
    pub(super) keys: Vec<String>,
    pub(super) fingerprints: Vec<Vec<u8>>,
    pub(super) totals: Vec<i64>,
    pub(super) currencies: Vec<String>,
    /// JSON documents.
    pub(super) addresses: Vec<String>,
    pub(super) placed: Vec<OffsetDateTime>,
    /// What others learn of each, as a JSON document.
    pub(super) payloads: Vec<String>,
    /// Version of the cart that each was made of.
    pub(super) carts: Vec<Option<i64>>,
}

/// One vector for each column of `order_item`.
#[derive(Debug, Default)]
pub(super) struct ItemColumns {
    pub(super) orders: Vec<Uuid>,
    pub(super) positions: Vec<i32>,
    pub(super) skus: Vec<String>,
    pub(super) quantities: Vec<i64>,
    pub(super) amounts: Vec<i64>,
}

/// One vector for each column of `payment`, of the orders that are paid for.
#[derive(Debug, Default)]
pub(super) struct PaymentColumns {
    pub(super) orders: Vec<Uuid>,
    pub(super) providers: Vec<String>,
    pub(super) references: Vec<Option<String>>,
    pub(super) amounts: Vec<i64>,
    pub(super) currencies: Vec<String>,
}

/// Each order once, however often it is in the batch: the same checkout may be sent twice at the same time.
///
/// An error is of one order that cannot be written, and the batch has to do without it.
pub(super) fn columns<'a>(batch: impl IntoIterator<Item = &'a Placed>) -> Result<Columns, sqlx::Error> {
    let (mut columns, mut seen) = (Columns::default(), HashSet::new());
    let Columns { orders, items, payments } = &mut columns;
    let mut batch: Vec<&Placed> = batch.into_iter().collect();
    // By id: two instances that write some of the same orders wait for each other in one order. Of two, the one that knows the payment.
    batch.sort_by_key(|placed| (placed.id, placed.reference.is_none()));
    for Placed { id, memo, reference } in batch {
        if !seen.insert(*id) {
            continue;
        }
        let unfit = |reason: String| sqlx::Error::Encode(format!("order {id}: {reason}").into());
        let total = memo.total().ok_or_else(|| unfit("its total is more than a price can be".to_owned()))?;
        let address = serde_json::to_string(&memo.address).map_err(|error| unfit(error.to_string()))?;
        orders.ids.push(id.uuid());
        orders.shoppers.push(memo.shopper.uuid());
        orders.keys.push(memo.key.as_str().to_owned());
        orders.fingerprints.push(bytes(&memo.fingerprint));
        orders.totals.push(total.amount());
        orders.currencies.push(memo.currency.as_str().to_owned());
        orders.addresses.push(address);
        orders.placed.push(memo.placed_at());
        orders.payloads.push(placed_row(*id, memo, total)?.payload);
        orders.carts.push(memo.cart.as_ref().filter(|_| memo.cart_is_recorded).map(|(_, version)| *version));
        for (position, (sku, quantity, amount)) in (1..).zip(&memo.lines) {
            items.orders.push(id.uuid());
            items.positions.push(position);
            items.skus.push(sku.as_str().to_owned());
            items.quantities.push(i64::from(*quantity));
            items.amounts.push(*amount);
        }
        if let Some(paying) = &memo.payment {
            payments.orders.push(id.uuid());
            payments.providers.push(paying.provider.clone());
            payments.references.push(reference.clone());
            payments.amounts.push(total.amount());
            payments.currencies.push(memo.currency.as_str().to_owned());
        }
    }
    Ok(columns)
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    hex.as_bytes().chunks(2).filter_map(byte).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use orders_api::Address;
    use storefront_types::{ShopperId, Sku};

    use super::*;
    use crate::checkout::Paying;

    /// An order of a shopper with two lines.
    pub(crate) fn placed(shopper: u128, key: &str) -> Placed {
        let (shopper, key) = (ShopperId::new(Uuid::from_u128(shopper)), key.parse().unwrap());
        let address = Address {
            name: "Ada".to_owned(),
            line1: "1 Main St".to_owned(),
            line2: None,
            city: "London".to_owned(),
            region: None,
            postal_code: "N1".to_owned(),
            country: "GB".to_owned(),
        };
        let line = |sku: &str| (Sku::parse(sku).unwrap(), 2, 150);
        let id = crate::checkout::order_id(shopper, &key);
        let lines = vec![line("a"), line("b")];
        let (currency, fingerprint) = ("EUR".parse().unwrap(), "00ff".to_owned());
        let memo = Memo {
            shopper,
            key,
            fingerprint,
            currency,
            address,
            lines,
            placed_at_ms: 1_000,
            cart: None,
            cart_is_recorded: false,
            payment: None,
            attempt: 0,
        };
        Placed { id, memo, reference: None }
    }

    #[test]
    fn an_order_that_is_there_twice_is_written_once() {
        let (first, second) = (placed(1, "k"), placed(2, "k"));
        let Columns { orders, items, payments } = columns([&first, &second, &first]).unwrap();
        let mut ids = [first.id.uuid(), second.id.uuid()];
        ids.sort_unstable();
        assert_eq!(orders.ids, ids);
        assert_eq!((orders.totals, orders.fingerprints), (vec![600, 600], vec![vec![0, 255], vec![0, 255]]));
        assert_eq!((items.orders.len(), items.positions), (4, vec![1, 2, 1, 2]));
        assert!(payments.orders.is_empty(), "nobody pays for these");
    }

    #[test]
    fn a_payment_lies_beside_its_order_with_the_reference_that_somebody_knows() {
        let (free, mut paid) = (placed(1, "k"), placed(2, "k"));
        paid.memo.payment = Some(Paying { provider: "sandbox".to_owned(), method: "pm".to_owned() });
        let told = Placed { reference: Some("sbx_1".to_owned()), ..paid.clone() };
        for batch in [[&free, &paid, &told], [&told, &paid, &free]] {
            let PaymentColumns { orders, providers, references, amounts, currencies } = columns(batch).unwrap().payments;
            assert_eq!((orders, providers), (vec![paid.id.uuid()], vec!["sandbox".to_owned()]));
            assert_eq!((references, amounts), (vec![Some("sbx_1".to_owned())], vec![600]));
            assert_eq!(currencies, ["EUR"]);
        }
    }

    #[test]
    fn an_order_that_cannot_be_written_is_named() {
        let mut huge = placed(1, "k");
        huge.memo.lines[0].2 = i64::MAX;
        let error = columns([&placed(2, "k"), &huge]).unwrap_err().to_string();
        assert!(error.contains(&huge.id.to_string()) && error.contains("total"), "{error}");
    }
}
