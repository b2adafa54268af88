//! What a transition brings about elsewhere, and where units go that come back. Pure.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use storefront_types::{CommandId, Currency, LocationId, Money, OrderId, Sku};
use uuid::{Builder, Uuid};

use super::life::{Change, Life};

/// Units at a place.
pub(crate) type Part = (LocationId, u32);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum EffectBody {
    /// Units come back into stock.
    Restock {
        sku: Sku,
        quantity: u32,
        /// Where to, if somebody said so.
        location: Option<LocationId>,
        /// Where they go, and when that was decided; written down before the first of them is received.
        plan: Option<Plan>,
    },
    /// Money goes back, or is not taken.
    Refund { amount: Money, is_whole: bool, is_paid: bool },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) parts: Vec<Part>,
    /// Milliseconds since the epoch. The inventory's commands are named by it.
    pub(crate) made_at_ms: u64,
}

/// An effect with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) id: Uuid,
    pub(crate) body: EffectBody,
}

impl EffectBody {
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Restock { .. } => "restock",
            Self::Refund { .. } => "refund",
        }
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let hashed = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part));
    hashed.finalize().into()
}

/// UUIDv8 from order, transition and place in it: made again it is the same.
fn effect_id(order: OrderId, version: i32, nth: usize) -> Uuid {
    let hash = digest(&[order.as_bytes(), b"effect", &version.to_be_bytes(), &(nth as u64).to_be_bytes()]);
    let mut short = [0; 16];
    short.copy_from_slice(&hash[..16]);
    Uuid::new_v8(short)
}

/// What a change wants, in order. `life` is the order before it.
pub(crate) fn effects((order, currency): (OrderId, Currency), life: &Life, change: &Change) -> Vec<Effect> {
    let restock = |sku: &Sku, quantity: u32, location: &Option<LocationId>| EffectBody::Restock {
        sku: sku.clone(),
        quantity,
        location: location.clone(),
        plan: None,
    };
    let (mut bodies, refund): (Vec<EffectBody>, i64) = match change {
        Change::Cancelled { refund } => {
            (life.lines.iter().map(|line| restock(&line.sku, line.ordered, &None)).collect(), *refund)
        }
        Change::CancelledInPart { lines, refund } => {
            (lines.iter().map(|line| restock(&line.sku, line.quantity, &None)).collect(), *refund)
        }
        Change::Returned { lines, refund } => {
            let back = lines.iter().filter(|line| line.restock);
            (back.map(|line| restock(&line.sku, line.quantity, &line.location)).collect(), *refund)
        }
        Change::Paid { .. } | Change::Allocated { .. } | Change::Shipped { .. } | Change::Delivered { .. } => return Vec::new(),
    };
    let is_whole = matches!(change, Change::Cancelled { .. });
    let amount = Money::new(refund, currency);
    bodies.push(EffectBody::Refund { amount, is_whole, is_paid: life.is_paid });
    let version = life.version + 1;
    bodies.into_iter().enumerate().map(|(nth, body)| Effect { id: effect_id(order, version, nth), body }).collect()
}

/// The inventory's name for one receipt: a UUIDv7 of the plan's time, so that the inventory refuses it as too old, and does not take it
/// for a new one, when it has forgotten that it decided it.
pub(crate) fn receipt_id(effect: Uuid, nth: usize, plan: &Plan) -> CommandId {
    let hash = digest(&[effect.as_bytes(), b"receipt", &(nth as u64).to_be_bytes()]);
    let mut short = [0; 10];
    short.copy_from_slice(&hash[..10]);
    CommandId::new(Builder::from_unix_timestamp_millis(plan.made_at_ms, &short).into_uuid())
}

/// Spreads units over the places that gave them, less what came back to each; what is left over goes to the first of `others`.
/// `None`: there is no place at all.
pub(crate) fn spread(gave: &[Part], back: &[Part], others: &[LocationId], quantity: u32) -> Option<Vec<Part>> {
    let mut left = quantity;
    let mut parts: Vec<Part> = Vec::new();
    let mut seen: Vec<&LocationId> = Vec::new();
    for (location, _) in gave {
        if seen.contains(&location) {
            continue;
        }
        seen.push(location);
        let sum = |all: &[Part]| all.iter().filter(|(at, _)| at == location).map(|(_, units)| u64::from(*units)).sum::<u64>();
        let room = u32::try_from(sum(gave).saturating_sub(sum(back))).unwrap_or(u32::MAX);
        let units = room.min(left);
        if units > 0 {
            parts.push((location.clone(), units));
            left -= units;
        }
    }
    if left > 0 {
        let fallback = gave.first().map(|(location, _)| location).or(others.first())?;
        match parts.iter_mut().find(|(location, _)| location == fallback) {
            Some((_, units)) => *units += left,
            None => parts.push((fallback.clone(), left)),
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(name: &str) -> LocationId {
        name.parse().unwrap()
    }

    #[test]
    fn units_go_back_to_where_they_came_from() {
        let gave = [(at("eu-1"), 3), (at("us-1"), 2)];
        assert_eq!(spread(&gave, &[], &[], 4), Some(vec![(at("eu-1"), 3), (at("us-1"), 1)]));
        assert_eq!(spread(&gave, &[(at("eu-1"), 3), (at("us-1"), 1)], &[], 1), Some(vec![(at("us-1"), 1)]));
        assert_eq!(spread(&[], &[], &[at("ap-1"), at("eu-1")], 2), Some(vec![(at("ap-1"), 2)]));
        assert_eq!(spread(&[], &[], &[], 2), None);
    }

    proptest! {
        #[test]
        fn no_unit_is_lost_or_made(
            gave in prop::collection::vec((0_u8..4, 1_u32..9), 0..6),
            back in prop::collection::vec((0_u8..4, 1_u32..9), 0..6),
            quantity in 1_u32..30,
        ) {
            let named = |all: Vec<(u8, u32)>| all.into_iter().map(|(n, units)| (at(&format!("w-{n}")), units)).collect::<Vec<_>>();
            let parts = spread(&named(gave), &named(back), &[at("else")], quantity).unwrap();
            prop_assert_eq!(parts.iter().map(|(_, units)| *units).sum::<u32>(), quantity);
            let places: std::collections::BTreeSet<_> = parts.iter().map(|(location, _)| location).collect();
            prop_assert_eq!(places.len(), parts.len());
            prop_assert!(parts.iter().all(|(_, units)| *units > 0));
        }
    }

    #[test]
    fn a_receipt_keeps_its_name_and_says_its_time() {
        let plan = Plan { parts: Vec::new(), made_at_ms: 1_800_000_000_123 };
        let effect = Uuid::from_u128(7);
        let id = receipt_id(effect, 0, &plan).uuid();
        assert_eq!(id, receipt_id(effect, 0, &plan).uuid());
        assert_ne!(id, receipt_id(effect, 1, &plan).uuid());
        assert_eq!((id.get_version_num(), id.get_timestamp().unwrap().to_unix().0), (7, 1_800_000_000));
    }
}
