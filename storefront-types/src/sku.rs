//! Stock keeping unit: the name under which stock is counted.

use std::{fmt, str::FromStr, sync::Arc};

use utoipa::ToSchema;

use crate::text::serde_as_text;

/// Longest SKU in bytes. Merchants' SKUs stay far below; a bound keeps log entries and keys small.
pub const MAX_SKU_BYTES: usize = 128;

/// A non-empty SKU of at most [`MAX_SKU_BYTES`] bytes of printable characters without spaces at the ends or `/`, `?`, `#`, `%`,
/// so that it stands in a URL path as it is or percent-encoded without ambiguity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, max_length = 128, min_length = 1)]
pub struct Sku(Arc<str>);

serde_as_text!(Sku);

/// Why a text is not a SKU.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSku {
    #[error("a SKU must not be empty")]
    Empty,
    #[error("a SKU has at most {MAX_SKU_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    #[error("a SKU must not contain {0:?}; use printable characters other than / ? # % and no space at the ends")]
    BadCharacter(char),
}

impl Sku {
    pub fn parse(text: &str) -> Result<Self, InvalidSku> {
        if text.is_empty() {
            return Err(InvalidSku::Empty);
        }
        if text.len() > MAX_SKU_BYTES {
            return Err(InvalidSku::TooLong(text.len()));
        }
        if text.starts_with(' ') || text.ends_with(' ') {
            return Err(InvalidSku::BadCharacter(' '));
        }
        if let Some(bad) = text.chars().find(|c| c.is_control() || "/?#%".contains(*c)) {
            return Err(InvalidSku::BadCharacter(bad));
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sku {
    type Err = InvalidSku;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_merchants_write() {
        for text in ["A", "SHIRT-blue/s".replace('/', "-").as_str(), "12 34", "größe-42", "classic-varsity-top:small"] {
            assert_eq!(Sku::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn refuses_what_a_path_or_log_cannot_carry() {
        assert_eq!(Sku::parse(""), Err(InvalidSku::Empty));
        assert_eq!(Sku::parse(" a"), Err(InvalidSku::BadCharacter(' ')));
        assert_eq!(Sku::parse("a/b"), Err(InvalidSku::BadCharacter('/')));
        assert_eq!(Sku::parse("a\nb"), Err(InvalidSku::BadCharacter('\n')));
        assert_eq!(Sku::parse(&"x".repeat(129)), Err(InvalidSku::TooLong(129)));
    }
}
