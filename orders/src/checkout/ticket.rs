//! The ticket: what the home region says about a shopper and a cart, signed (HMAC-SHA256) and valid for a minute.

use std::{path::Path, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use storefront_types::{OrderId, Region, ShopperId};
use time::OffsetDateTime;

use crate::cart::{Stored, StoredLine};

/// Longer than a checkout's deadline at the edge with all its retries.
const VALID: Duration = Duration::from_secs(60);

/// Shortest key: as long as the hash (RFC 2104 section 3).
const MIN_KEY_BYTES: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    pub(crate) shopper: ShopperId,
    pub(crate) cart_version: i64,
    /// PostgreSQL has the cart at this version.
    #[serde(default)]
    pub(crate) is_recorded: bool,
    /// It is of home's Redis; PostgreSQL, which is asked beside the leader anyway, may know a newer one.
    #[serde(default)]
    pub(crate) is_copied: bool,
    /// Region that keeps the cart.
    #[serde(default)]
    pub(crate) home: Option<Region>,
    pub(crate) lines: Vec<StoredLine>,
    /// What the key of the checkout names.
    #[serde(default)]
    pub(crate) order: Option<OrderId>,
    /// The cart remembers that this order was made of it.
    #[serde(default)]
    pub(crate) was_bought: bool,
    /// Seconds since the epoch.
    pub(crate) expires_at_s: i64,
}

impl Ticket {
    /// `order`: what the key of the checkout names, where there is one.
    pub(crate) fn new(
        home: &Region,
        (shopper, cart, of): (ShopperId, Stored, CartOf),
        order: Option<OrderId>,
        now: OffsetDateTime,
    ) -> Self {
        let expires_at_s = (now + VALID).unix_timestamp();
        let was_bought = order.is_some_and(|order| cart.bought.contains(&order));
        let (cart_version, lines, home) = (cart.version, cart.lines, Some(home.clone()));
        let (is_recorded, is_copied) = (of == CartOf::Record, of == CartOf::Copy);
        Self { shopper, cart_version, is_recorded, is_copied, home, lines, order, was_bought, expires_at_s }
    }

    /// For the cart as PostgreSQL has it, for a checkout whose key names `order`.
    pub(crate) fn with_record(self, cart: Stored, order: OrderId) -> Self {
        let was_bought = self.was_bought || cart.bought.contains(&order);
        Self { cart_version: cart.version, lines: cart.lines, is_recorded: true, is_copied: false, was_bought, ..self }
    }
}

/// Where home found a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CartOf {
    /// PostgreSQL has just said so.
    Record,
    /// The region's Redis, which has nothing that PostgreSQL has not.
    Copy,
    /// The region, while PostgreSQL is away.
    Region,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TicketError {
    #[error("the ticket is not signed with this shop's key")]
    Forged,
    #[error("the ticket is too old")]
    Expired,
}

/// Shared by the `orders` instances of all regions.
#[derive(Clone)]
pub(crate) struct TicketKey(Vec<u8>);

impl TicketKey {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let key = std::fs::read(path)?;
        anyhow::ensure!(key.len() >= MIN_KEY_BYTES, "{} needs at least {MIN_KEY_BYTES} bytes", path.display());
        Ok(Self(key))
    }

    fn mac(&self) -> Option<Hmac<Sha256>> {
        Hmac::new_from_slice(&self.0).ok()
    }

    pub(crate) fn sign(
        &self,
        home: &Region,
        cart: (ShopperId, Stored, CartOf),
        order: Option<OrderId>,
        now: OffsetDateTime,
    ) -> String {
        let body = serde_json::to_vec(&Ticket::new(home, cart, order, now)).unwrap_or_default();
        let body = URL_SAFE_NO_PAD.encode(body);
        let tag = self.mac().map(|mac| mac.chain_update(body.as_bytes()).finalize().into_bytes()).unwrap_or_default();
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// Compares in constant time.
    pub(crate) fn verify(&self, text: &str, now: OffsetDateTime) -> Result<Ticket, TicketError> {
        let (body, tag) = text.split_once('.').ok_or(TicketError::Forged)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| TicketError::Forged)?;
        let mac = self.mac().ok_or(TicketError::Forged)?;
        mac.chain_update(body.as_bytes()).verify_slice(&tag).map_err(|_| TicketError::Forged)?;
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| TicketError::Forged)?;
        let ticket: Ticket = serde_json::from_slice(&body).map_err(|_| TicketError::Forged)?;
        if ticket.expires_at_s < now.unix_timestamp() { Err(TicketError::Expired) } else { Ok(ticket) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fresh_and_untouched_ticket_is_believed() {
        let (key, other) = (TicketKey(vec![1; 32]), TicketKey(vec![2; 32]));
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let shopper = ShopperId::new(uuid::Uuid::from_u128(7));
        let order = |n| OrderId::new(uuid::Uuid::from_u128(n));
        let cart = Stored { version: 3, lines: Vec::new(), bought: vec![order(1)] };
        let sign = |order| key.sign(&"eu".parse().unwrap(), (shopper, cart.clone(), CartOf::Record), order, now);
        let text = sign(Some(order(1)));
        assert_eq!(key.verify(&text, now).unwrap().shopper, shopper);
        assert!(key.verify(&text, now).unwrap().was_bought);
        assert!(!key.verify(&sign(Some(order(2))), now).unwrap().was_bought);
        assert_eq!(key.verify(&text, now + VALID + Duration::from_secs(1)), Err(TicketError::Expired));
        assert_eq!(other.verify(&text, now), Err(TicketError::Forged));
        assert_eq!(key.verify(&format!("A{text}"), now), Err(TicketError::Forged));
        assert_eq!(key.verify("", now), Err(TicketError::Forged));
    }

    #[test]
    fn what_the_record_says_counts_more_than_a_copy() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let shopper = ShopperId::new(uuid::Uuid::from_u128(7));
        let order = OrderId::new(uuid::Uuid::from_u128(1));
        let old = Stored { version: 3, lines: Vec::new(), bought: Vec::new() };
        let ticket = Ticket::new(&"eu".parse().unwrap(), (shopper, old, CartOf::Copy), Some(order), now);
        assert!(ticket.is_copied && !ticket.is_recorded && !ticket.was_bought);
        let ticket = ticket.with_record(Stored { version: 5, lines: Vec::new(), bought: vec![order] }, order);
        assert_eq!((ticket.cart_version, ticket.is_recorded, ticket.is_copied, ticket.was_bought), (5, true, false, true));
    }
}
