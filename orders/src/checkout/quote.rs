//! What the lines of a cart cost, and whether they may be sold at it. Pure.
//!
//! Owns: that nobody pays a price that was not shown before. Must not: know where prices come from.

use catalog_api::PriceQuote;
use storefront_types::{Currency, Money, Sku};

use crate::cart::StoredLine;

/// A line that costs otherwise than was shown. `from` is `None` for one whose price was never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repriced {
    pub(crate) sku: Sku,
    pub(crate) quantity: u32,
    pub(crate) from: Option<Money>,
    pub(crate) to: Money,
}

/// Lines at the prices of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Quoted {
    pub(super) currency: Currency,
    /// SKU, quantity, unit price in minor units.
    pub(super) lines: Vec<(Sku, u32, i64)>,
}

/// Why a cart is not sold as it is. The first that holds, in this order: what a shopper must mend first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unsold {
    NoMore(Vec<StoredLine>),
    MixedCurrencies,
    Repriced(Vec<Repriced>),
    /// The sum is past the bound of money.
    TooMuch,
}

/// `lines` is not empty.
pub(super) fn quote(lines: &[StoredLine], quotes: &[PriceQuote]) -> Result<Quoted, Unsold> {
    let price = |line: &StoredLine| quotes.iter().find(|quote| quote.sku == line.sku).map(|quote| quote.unit_price);
    let no_more: Vec<_> = lines.iter().filter(|line| price(line).is_none()).cloned().collect();
    if !no_more.is_empty() {
        return Err(Unsold::NoMore(no_more));
    }
    let priced: Vec<(&StoredLine, Money)> = lines.iter().filter_map(|line| Some((line, price(line)?))).collect();
    let Some(currency) = priced.first().map(|(_, price)| price.currency()) else { return Err(Unsold::NoMore(Vec::new())) };
    if priced.iter().any(|(_, price)| price.currency() != currency) {
        return Err(Unsold::MixedCurrencies);
    }
    let otherwise = |(line, to): &(&StoredLine, Money)| {
        let repriced = Repriced { sku: line.sku.clone(), quantity: line.quantity, from: line.shown, to: *to };
        (line.shown != Some(*to)).then_some(repriced)
    };
    let repriced: Vec<_> = priced.iter().filter_map(otherwise).collect();
    if !repriced.is_empty() {
        return Err(Unsold::Repriced(repriced));
    }
    let sum = |sum: Money, (line, price): &(&StoredLine, Money)| sum.checked_add(price.checked_mul(line.quantity)?);
    if priced.iter().try_fold(Money::new(0, currency), sum).is_err() {
        return Err(Unsold::TooMuch);
    }
    let lines = priced.into_iter().map(|(line, price)| (line.sku.clone(), line.quantity, price.amount())).collect();
    Ok(Quoted { currency, lines })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sku: &str, quantity: u32, shown: Option<Money>) -> StoredLine {
        StoredLine { sku: Sku::parse(sku).unwrap(), quantity, shown }
    }

    fn at(sku: &str, unit_price: Money) -> PriceQuote {
        PriceQuote { sku: Sku::parse(sku).unwrap(), title: sku.to_owned(), handle: sku.to_owned(), unit_price }
    }

    const FIVE: Money = Money::new(500, Currency::USD);
    const SIX: Money = Money::new(600, Currency::USD);

    #[test]
    fn only_what_was_shown_is_sold() {
        let quoted = quote(&[line("a", 2, Some(FIVE))], &[at("a", FIVE)]).unwrap();
        assert_eq!(quoted.lines, [(Sku::parse("a").unwrap(), 2, 500)]);
        for shown in [None, Some(SIX), Some(Money::new(500, Currency::EUR))] {
            let lines = [line("a", 2, shown), line("b", 1, Some(SIX))];
            let Err(Unsold::Repriced(named)) = quote(&lines, &[at("a", FIVE), at("b", SIX)]) else { panic!("sold at {shown:?}") };
            assert_eq!(named, [Repriced { sku: Sku::parse("a").unwrap(), quantity: 2, from: shown, to: FIVE }]);
        }
    }

    #[test]
    fn what_cannot_be_sold_together_is_named() {
        let lines = [line("a", 1, Some(FIVE)), line("gone", 3, Some(FIVE))];
        assert_eq!(quote(&lines, &[at("a", FIVE)]), Err(Unsold::NoMore(vec![lines[1].clone()])));
        let euros = Money::new(500, Currency::EUR);
        let lines = [line("a", 1, Some(FIVE)), line("b", 1, Some(euros))];
        assert_eq!(quote(&lines, &[at("a", FIVE), at("b", euros)]), Err(Unsold::MixedCurrencies));
        let dear = Money::new(i64::MAX / 2, Currency::USD);
        assert_eq!(quote(&[line("a", 3, Some(dear))], &[at("a", dear)]), Err(Unsold::TooMuch));
    }
}
