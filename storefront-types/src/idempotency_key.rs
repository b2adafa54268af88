//! The `Idempotency-Key` request header (draft-ietf-httpapi-idempotency-key-header).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest key in bytes: a UUID has 36, and twice that leaves room for every scheme seen in the field, four times is plenty.
const MAX_BYTES: usize = 144;

/// 1 to 144 visible ASCII characters (`!` to `~`) without `/`, chosen by the client for one intended checkout.
/// The surrounding quotes of a structured-field string are accepted and dropped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 144)]
pub struct IdempotencyKey(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an Idempotency-Key has 1 to {MAX_BYTES} visible ASCII characters without '/'; a UUID is a good choice")]
pub struct InvalidIdempotencyKey;

impl IdempotencyKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidIdempotencyKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let key = quoted.unwrap_or(text);
        let visible = key.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        if key.is_empty() || key.len() > MAX_BYTES || !visible {
            return Err(InvalidIdempotencyKey);
        }
        Ok(Self(key.to_owned()))
    }
}

impl TryFrom<String> for IdempotencyKey {
    type Error = InvalidIdempotencyKey;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<IdempotencyKey> for String {
    fn from(key: IdempotencyKey) -> Self {
        key.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_plain_and_quoted_keys() {
        assert_eq!("abc-1".parse::<IdempotencyKey>().unwrap(), "\"abc-1\"".parse().unwrap());
        for bad in ["", "\"\"", "a b", "a/b", "é", &"x".repeat(145)] {
            assert_eq!(bad.parse::<IdempotencyKey>(), Err(InvalidIdempotencyKey), "{bad:?}");
        }
    }
}
