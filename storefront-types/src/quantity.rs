//! A positive, bounded number of units.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::ToSchema;

/// Largest quantity of one line. 1,000,000 lines of it still sum within `u64` (10^6 x 10^9 = 10^15 < 2^63).
pub const MAX_QUANTITY: u32 = 1_000_000_000;

/// Between 1 and [`MAX_QUANTITY`] units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = u32, minimum = 1, maximum = 1_000_000_000)]
pub struct Quantity(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error("a quantity must be a whole number of at least 1")]
    Zero,
    #[error("a quantity must be at most {MAX_QUANTITY}")]
    TooLarge,
}

impl Quantity {
    pub const fn new(units: u32) -> Result<Self, QuantityError> {
        match units {
            0 => Err(QuantityError::Zero),
            1..=MAX_QUANTITY => Ok(Self(units)),
            _ => Err(QuantityError::TooLarge),
        }
    }

    pub const fn get(self) -> u32 {
        self.0
    }

    /// The sum, or an error past [`MAX_QUANTITY`]. Never wraps.
    pub fn checked_add(self, other: Self) -> Result<Self, QuantityError> {
        self.0.checked_add(other.0).ok_or(QuantityError::TooLarge).and_then(Self::new)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    /// Reads an unsigned number in binary formats, and any number in JSON, so that `-3`, `0` and `2e9` all get
    /// an answer that names the bound.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Self::new(u32::deserialize(deserializer)?).map_err(de::Error::custom);
        }
        struct Units;
        impl de::Visitor<'_> for Units {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number between 1 and {MAX_QUANTITY}")
            }

            fn visit_u64<E: de::Error>(self, units: u64) -> Result<Quantity, E> {
                let units = u32::try_from(units).map_err(|_| E::custom(QuantityError::TooLarge))?;
                Quantity::new(units).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, units: i64) -> Result<Quantity, E> {
                match u64::try_from(units) {
                    Ok(units) => self.visit_u64(units),
                    Err(_) => Err(E::custom(QuantityError::Zero)),
                }
            }
        }
        deserializer.deserialize_any(Units)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
