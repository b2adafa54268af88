//! A cart at the prices of now, and what the shopper is told about it. Pure.
//!
//! Owns: which price counts as shown. Must not: ask anybody.

use std::collections::BTreeSet;

use catalog_api::PriceQuote;
use orders_api::{Cart, CartChange, CartLine};
use storefront_types::{Currency, Money, Sku};

use super::{ChangeError, Stored, StoredLine};

/// What the catalog said about some SKUs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prices {
    asked: BTreeSet<Sku>,
    quotes: Vec<PriceQuote>,
}

impl Prices {
    /// `quotes` leaves out what is sold no more.
    pub(crate) fn new(asked: impl IntoIterator<Item = Sku>, quotes: Vec<PriceQuote>) -> Self {
        Self { asked: asked.into_iter().collect(), quotes }
    }

    pub(crate) fn of(&self, sku: &Sku) -> Option<&PriceQuote> {
        self.quotes.iter().find(|quote| quote.sku == *sku)
    }

    /// Marks the prices of now as shown. Gives what changed since they were last.
    pub(crate) fn show(&self, cart: &mut Stored) -> Result<Vec<CartChange>, ChangeError> {
        let mut changes = Vec::new();
        for line in &mut cart.lines {
            let Some(quote) = self.of(&line.sku) else {
                if !self.asked.contains(&line.sku) {
                    return Err(ChangeError::Unasked);
                }
                changes.push(CartChange::SoldNoMore { sku: line.sku.clone(), quantity: line.quantity });
                continue;
            };
            let to = quote.unit_price;
            if let Some(from) = line.shown.replace(to).filter(|from| *from != to) {
                changes.push(CartChange::PriceChanged { sku: line.sku.clone(), title: quote.title.clone(), from, to });
            }
        }
        let currencies = self.currencies(cart);
        if currencies.len() > 1 {
            changes.push(CartChange::MixedCurrencies { currencies: currencies.into_iter().collect() });
        }
        Ok(changes)
    }

    /// Whether what is to come into the cart has the currency of what is there.
    pub(crate) fn fits(&self, cart: &Stored, sku: &Sku) -> Result<(), ChangeError> {
        let Some(quote) = self.of(sku) else { return Ok(()) };
        let others = self.currencies(cart);
        if others.is_empty() || others.contains(&quote.unit_price.currency()) { Ok(()) } else { Err(ChangeError::OtherCurrency) }
    }

    fn currencies(&self, cart: &Stored) -> BTreeSet<Currency> {
        cart.lines.iter().filter_map(|line| Some(self.of(&line.sku)?.unit_price.currency())).collect()
    }

    /// The cart as it is told: lines that are sold no more are left out and named in `changes`.
    pub(crate) fn cart(&self, cart: &Stored, changes: Vec<CartChange>) -> Cart {
        let line = |stored: &StoredLine| {
            let quote = self.of(&stored.sku)?;
            let (sku, title, unit_price) = (stored.sku.clone(), quote.title.clone(), quote.unit_price);
            Some(CartLine { sku, title, quantity: stored.quantity, unit_price })
        };
        let lines: Vec<CartLine> = cart.lines.iter().filter_map(line).collect();
        let sum = |sum: Option<Money>, line: &CartLine| {
            let part = line.unit_price.checked_mul(line.quantity)?;
            Ok::<_, storefront_types::MoneyError>(Some(sum.map_or(Ok(part), |sum| sum.checked_add(part))?))
        };
        // More than one currency, or past the bound of money: no sum, and a checkout says why.
        let total = lines.iter().try_fold(None, sum).unwrap_or(None);
        Cart { lines, total, changes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sku(name: &str) -> Sku {
        Sku::parse(name).unwrap()
    }

    fn at(name: &str, amount: i64, currency: Currency) -> PriceQuote {
        let unit_price = Money::new(amount, currency);
        PriceQuote { sku: sku(name), title: format!("Title of {name}"), handle: name.to_owned(), unit_price }
    }

    fn cart(lines: &[(&str, Option<i64>)]) -> Stored {
        let line = |(name, shown): &(&str, Option<i64>)| StoredLine {
            sku: sku(name),
            quantity: 2,
            shown: shown.map(|amount| Money::new(amount, Currency::USD)),
        };
        Stored { lines: lines.iter().map(line).collect(), ..Stored::default() }
    }

    #[test]
    fn a_change_is_told_once_and_the_new_price_counts_as_shown() {
        let prices =
            Prices::new([sku("a"), sku("b"), sku("gone")], vec![at("a", 700, Currency::USD), at("b", 50, Currency::USD)]);
        let mut stored = cart(&[("a", Some(500)), ("b", None), ("gone", Some(1))]);
        let changes = prices.show(&mut stored).unwrap();
        let (from, to) = (Money::new(500, Currency::USD), Money::new(700, Currency::USD));
        assert_eq!(
            changes,
            [
                CartChange::PriceChanged { sku: sku("a"), title: "Title of a".to_owned(), from, to },
                CartChange::SoldNoMore { sku: sku("gone"), quantity: 2 }
            ]
        );
        let told = prices.cart(&stored, changes);
        assert_eq!((told.lines.len(), told.total), (2, Some(Money::new(1_500, Currency::USD))));
        assert_eq!(prices.show(&mut stored).unwrap(), [CartChange::SoldNoMore { sku: sku("gone"), quantity: 2 }]);
    }

    #[test]
    fn a_line_whose_price_was_not_asked_for_is_not_taken_for_gone() {
        let prices = Prices::new([sku("a")], vec![at("a", 700, Currency::USD)]);
        assert_eq!(prices.show(&mut cart(&[("a", None), ("new", None)])), Err(ChangeError::Unasked));
    }

    #[test]
    fn currencies_are_not_added_up() {
        let prices = Prices::new([sku("a"), sku("b")], vec![at("a", 700, Currency::USD), at("b", 50, Currency::EUR)]);
        assert_eq!(prices.fits(&cart(&[("a", None)]), &sku("b")), Err(ChangeError::OtherCurrency));
        assert_eq!(prices.fits(&cart(&[]), &sku("b")), Ok(()));
        let mut mixed = cart(&[("a", None), ("b", None)]);
        let changes = prices.show(&mut mixed).unwrap();
        assert_eq!(changes, [CartChange::MixedCurrencies { currencies: vec![Currency::EUR, Currency::USD] }]);
        assert_eq!(prices.cart(&mixed, changes).total, None);
    }
}
