//! The order as the inventory keeps it until PostgreSQL has it.

use orders_api::{Address, CheckoutRequest, Order, OrderLine, OrderStatus};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use storefront_types::{Currency, IdempotencyKey, Money, OrderId, Region, ReservationId, ShopperId, Sku};
use time::OffsetDateTime;
use uuid::Uuid;

/// SHA-256 of what a checkout asks for, in hex: address and payment method. The lines are the reservation's own.
pub(crate) type Fingerprint = String;

/// Everything that PostgreSQL needs. Short names: 50 lines must fit 4 KiB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memo {
    #[serde(rename = "s")]
    pub(crate) shopper: ShopperId,
    #[serde(rename = "k")]
    pub(crate) key: IdempotencyKey,
    #[serde(rename = "f")]
    pub(crate) fingerprint: Fingerprint,
    #[serde(rename = "c")]
    pub(crate) currency: Currency,
    #[serde(rename = "a")]
    pub(crate) address: Address,
    /// SKU, quantity, unit price in minor units.
    #[serde(rename = "l")]
    pub(crate) lines: Vec<(Sku, u32, i64)>,
    /// Milliseconds since the epoch.
    #[serde(rename = "t")]
    pub(crate) placed_at_ms: i64,
    /// Home and version of the cart that is bought, so that it is emptied also when the edge dies.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub(crate) cart: Option<(Region, i64)>,
    /// PostgreSQL had that version when it was bought: the order's record may empty it. Elsewhere the same number may stand for another cart.
    #[serde(rename = "r", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) cart_is_recorded: bool,
    /// Absent in a shop without payments.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(crate) payment: Option<Paying>,
    /// Which hold of the order this is; see [`attempt_id`].
    #[serde(rename = "n", default, skip_serializing_if = "is_first")]
    pub(crate) attempt: u8,
}

/// How an order is paid for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paying {
    #[serde(rename = "b")]
    pub(crate) provider: String,
    /// The provider's id of a card or the like.
    #[serde(rename = "m")]
    pub(crate) method: String,
}

fn is_first(attempt: &u8) -> bool {
    *attempt == 0
}

/// UUIDv8 from shopper and key: every retry anywhere names the same order.
pub(crate) fn order_id(shopper: ShopperId, key: &IdempotencyKey) -> OrderId {
    let digest = Sha256::new().chain_update(shopper.uuid().as_bytes()).chain_update(key.as_str().as_bytes()).finalize();
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    OrderId::new(Uuid::new_v8(short))
}

/// The reservation of an order's nth attempt: the order's id with the number in its last byte, so the first has the order's own id.
///
/// The inventory decides about an id once and for ever, so a hold that ended is followed by one of another id. The next attempt
/// is begun only when the one before is seen to have ended by itself, so at most one of them can ever be confirmed.
pub(crate) fn attempt_id(order: OrderId, attempt: u8) -> ReservationId {
    let mut bytes = *order.as_bytes();
    bytes[15] ^= attempt;
    ReservationId::new(Uuid::from_bytes(bytes))
}

pub(crate) fn fingerprint(request: &CheckoutRequest) -> Fingerprint {
    let bytes = serde_json::to_vec(request).unwrap_or_default();
    Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Memo {
    /// The order that a reservation with this memo is for; `None`: the reservation is no checkout's.
    pub(crate) fn order_of(&self, reservation: ReservationId) -> Option<OrderId> {
        let order = order_id(self.shopper, &self.key);
        (attempt_id(order, self.attempt) == reservation).then_some(order)
    }

    pub(crate) fn placed_at(&self) -> OffsetDateTime {
        let nanos = i128::from(self.placed_at_ms) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// Checked when the memo was made; a sum past the bound of money cannot be accepted.
    pub(crate) fn total(&self) -> Option<Money> {
        let zero = Money::new(0, self.currency);
        self.lines.iter().try_fold(zero, |sum, (_, quantity, amount)| {
            sum.checked_add(Money::new(*amount, self.currency).checked_mul(*quantity).ok()?).ok()
        })
    }

    pub(crate) fn order(&self, id: OrderId, status: OrderStatus) -> Order {
        let line = |(sku, quantity, amount): &(Sku, u32, i64)| OrderLine {
            sku: sku.clone(),
            quantity: *quantity,
            unit_price: Money::new(*amount, self.currency),
            cancelled: 0,
        };
        Order {
            id,
            status,
            lines: self.lines.iter().map(line).collect(),
            total: self.total().unwrap_or(Money::new(i64::MAX, self.currency)),
            delivery_address: self.address.clone(),
            placed_at: self.placed_at(),
            parcels: Vec::new(),
            refunds: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_id_is_named_by_shopper_and_key_alone() {
        let (ada, bob) = (ShopperId::new(Uuid::from_u128(1)), ShopperId::new(Uuid::from_u128(2)));
        let key: IdempotencyKey = "k-1".parse().unwrap();
        assert_eq!(order_id(ada, &key), order_id(ada, &key));
        assert_ne!(order_id(ada, &key), order_id(bob, &key));
        assert_eq!(order_id(ada, &key).uuid().get_version_num(), 8);
    }

    #[test]
    fn attempts_have_ids_of_their_own_and_the_first_is_the_orders() {
        let order = OrderId::new(Uuid::new_v8([0xff; 16]));
        assert_eq!(attempt_id(order, 0), ReservationId::from(order));
        assert_ne!(attempt_id(order, 1), attempt_id(order, 2));
        assert_eq!(attempt_id(order, 2).uuid().get_version_num(), 8);
    }
}
