//! What is in a cart. Pure.

use orders_api::{MAX_CART_LINES, MAX_LINE_QUANTITY};
use serde::{Deserialize, Serialize};
use storefront_types::{Money, OrderId, Sku};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredLine {
    pub(crate) sku: Sku,
    pub(crate) quantity: u32,
    /// The unit price that the shopper saw last; none for a line that was not shown since it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shown: Option<Money>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) version: i64,
    pub(crate) lines: Vec<StoredLine>,
    /// The last orders that were made of this cart, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) bought: Vec<OrderId>,
}

/// Orders that a cart remembers: 32 x 39 bytes are 1.2 KiB.
pub(crate) const MAX_BOUGHT: i32 = 32;

/// Adds orders that are not remembered yet; the oldest give way.
pub(super) fn remember(bought: &mut Vec<OrderId>, orders: impl IntoIterator<Item = OrderId>) {
    for order in orders {
        if !bought.contains(&order) {
            bought.push(order);
        }
    }
    bought.drain(..bought.len().saturating_sub(MAX_BOUGHT.unsigned_abs() as usize));
}

/// Why a cart cannot be changed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("a cart has at most {MAX_CART_LINES} lines")]
    TooManyLines,
    #[error("a line has at most {MAX_LINE_QUANTITY} units")]
    TooMany,
    #[error("this SKU is not in the cart")]
    NotInCart,
    #[error("its price is in another currency than what is in the cart; check that out first")]
    OtherCurrency,
    /// A line came in between whose price was not asked for: look again.
    #[error("the cart changed meanwhile")]
    Unasked,
}

impl Stored {
    pub(crate) fn add(&mut self, sku: Sku, quantity: u32) -> Result<(), ChangeError> {
        let full = self.lines.len() == MAX_CART_LINES;
        match self.lines.iter_mut().find(|line| line.sku == sku) {
            Some(line) => {
                let sum = line.quantity.checked_add(quantity).filter(|sum| *sum <= MAX_LINE_QUANTITY);
                line.quantity = sum.ok_or(ChangeError::TooMany)?;
            }
            None if quantity > MAX_LINE_QUANTITY => return Err(ChangeError::TooMany),
            None if full => return Err(ChangeError::TooManyLines),
            None => self.lines.push(StoredLine { sku, quantity, shown: None }),
        }
        Ok(())
    }

    /// Sets a quantity; 0 removes the line.
    pub(crate) fn update(&mut self, sku: &Sku, quantity: u32) -> Result<(), ChangeError> {
        if quantity == 0 {
            return self.remove(sku);
        }
        if quantity > MAX_LINE_QUANTITY {
            return Err(ChangeError::TooMany);
        }
        let line = self.lines.iter_mut().find(|line| line.sku == *sku).ok_or(ChangeError::NotInCart)?;
        line.quantity = quantity;
        Ok(())
    }

    pub(crate) fn remove(&mut self, sku: &Sku) -> Result<(), ChangeError> {
        let before = self.lines.len();
        self.lines.retain(|line| line.sku != *sku);
        if self.lines.len() == before { Err(ChangeError::NotInCart) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sku(name: &str) -> Sku {
        Sku::parse(name).unwrap()
    }

    #[test]
    fn the_last_orders_are_remembered_each_once() {
        let order = |n: u128| OrderId::new(uuid::Uuid::from_u128(n));
        let mut bought = Vec::new();
        remember(&mut bought, (0..40).map(order));
        remember(&mut bought, [order(39)]);
        assert_eq!(bought, (8..40).map(order).collect::<Vec<_>>());
    }

    #[test]
    fn lines_add_up_within_their_bounds() {
        let mut cart = Stored::default();
        cart.add(sku("a"), 2).unwrap();
        cart.add(sku("a"), 3).unwrap();
        assert_eq!(cart.lines, [StoredLine { sku: sku("a"), quantity: 5, shown: None }]);
        assert_eq!(cart.add(sku("a"), MAX_LINE_QUANTITY), Err(ChangeError::TooMany));
        assert_eq!(cart.update(&sku("b"), 1), Err(ChangeError::NotInCart));
        cart.update(&sku("a"), 0).unwrap();
        assert!(cart.lines.is_empty());
        for n in 0..MAX_CART_LINES {
            cart.add(sku(&format!("s{n}")), 1).unwrap();
        }
        assert_eq!(cart.add(sku("one-more"), 1), Err(ChangeError::TooManyLines));
    }
}
