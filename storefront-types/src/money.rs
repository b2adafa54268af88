//! Money in minor units of one currency; adding across currencies is an error, not a number.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An ISO 4217 alphabetic code: three upper-case ASCII letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 3, max_length = 3)]
pub struct Currency([u8; 3]);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a currency is a three-letter ISO 4217 code such as USD, not {0:?}")]
pub struct InvalidCurrency(String);

impl Currency {
    pub const USD: Self = Self(*b"USD");
    pub const EUR: Self = Self(*b"EUR");

    pub fn as_str(&self) -> &str {
        // Three ASCII letters by construction, so the fallback cannot be reached.
        str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// Number of decimal places of the minor unit (ISO 4217): 0 for yen and its like, 3 for dinars, else 2.
    pub fn exponent(&self) -> u32 {
        match self.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND" | "VUV"
            | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            _ => 2,
        }
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Self(code)),
            _ => Err(InvalidCurrency(text.chars().take(16).collect())),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidCurrency;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount in minor units (cents), e.g. `{"amount": 1999, "currency": "USD"}` for $19.99.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    amount: i64,
    currency: Currency,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("{0} cannot be added to {1}")]
    CurrencyMismatch(Currency, Currency),
    #[error("the amount is too large")]
    Overflow,
    #[error("{0:?} is not a decimal amount such as 19.99 with at most {1} decimal places")]
    NotADecimal(String, u32),
}

impl Money {
    pub const fn new(amount: i64, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Reads a decimal such as `19.99`, `500` or `.5` in major units; more places than the currency has are refused.
    pub fn parse_decimal(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let places = currency.exponent();
        let bad = || MoneyError::NotADecimal(text.chars().take(32).collect(), places);
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let fraction = fraction.trim_end_matches('0');
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let empty = whole.is_empty() && !text.starts_with('.') || text == ".";
        if empty || !digits(whole) || !digits(fraction) || fraction.len() > places as usize {
            return Err(bad());
        }
        let scaled = format!("{whole}{fraction:0<width$}", width = places as usize);
        scaled.parse().map(|amount| Self { amount, currency }).map_err(|_| MoneyError::Overflow)
    }

    pub const fn amount(self) -> i64 {
        self.amount
    }

    pub const fn currency(self) -> Currency {
        self.currency
    }

    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch(other.currency, self.currency));
        }
        let amount = self.amount.checked_add(other.amount).ok_or(MoneyError::Overflow)?;
        Ok(Self { amount, ..self })
    }

    pub fn checked_mul(self, factor: u32) -> Result<Self, MoneyError> {
        let amount = self.amount.checked_mul(i64::from(factor)).ok_or(MoneyError::Overflow)?;
        Ok(Self { amount, ..self })
    }
}

impl fmt::Display for Money {
    /// `19.99 USD`: for people and logs; programs use the serialised form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.currency.exponent() as usize;
        let sign = if self.amount < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.amount.unsigned_abs(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        match fraction {
            "" => write!(f, "{sign}{whole} {}", self.currency),
            _ => write!(f, "{sign}{whole}.{fraction} {}", self.currency),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_decimals_exactly() {
        let usd = |text| Money::parse_decimal(text, Currency::USD).map(Money::amount);
        assert_eq!(usd("19.99"), Ok(1999));
        assert_eq!(usd("500"), Ok(50_000));
        assert_eq!(usd("9.5"), Ok(950));
        assert_eq!(usd("9.990"), Ok(999));
        assert_eq!(usd(".5"), Ok(50));
        for bad in ["", ".", "-1", "1,99", "1.999", "1e3", "NaN"] {
            assert!(usd(bad).is_err(), "{bad:?}");
        }
        assert_eq!(usd("99999999999999999999"), Err(MoneyError::Overflow));
        assert_eq!(Money::parse_decimal("1500", "JPY".parse().unwrap()).unwrap().amount(), 1500);
    }

    #[test]
    fn prints_for_people() {
        assert_eq!(Money::new(5, Currency::USD).to_string(), "0.05 USD");
        assert_eq!(Money::new(-1999, Currency::EUR).to_string(), "-19.99 EUR");
        assert_eq!(Money::new(1500, "JPY".parse().unwrap()).to_string(), "1500 JPY");
    }

    #[test]
    fn never_adds_across_currencies_or_wraps() {
        let dollar = Money::new(100, Currency::USD);
        assert!(dollar.checked_add(Money::new(1, Currency::EUR)).is_err());
        assert_eq!(Money::new(i64::MAX, Currency::USD).checked_add(dollar), Err(MoneyError::Overflow));
        assert_eq!(Money::new(i64::MAX, Currency::USD).checked_mul(2), Err(MoneyError::Overflow));
    }
}
