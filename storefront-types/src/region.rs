//! Names of regions and of stock locations.

use std::{fmt, str::FromStr, sync::Arc};

use utoipa::ToSchema;

use crate::text::serde_as_text;

/// Longest region or location name in bytes (a DNS label, RFC 1035 section 2.3.4).
const MAX_NAME_BYTES: usize = 63;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a name: use 1 to {MAX_NAME_BYTES} lower-case letters, digits and '-'")]
pub struct InvalidName(String);

fn parse_name(text: &str) -> Result<Arc<str>, InvalidName> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let fits = !text.is_empty() && text.len() <= MAX_NAME_BYTES && text.bytes().all(allowed);
    if fits { Ok(text.into()) } else { Err(InvalidName(text.chars().take(80).collect())) }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
        #[schema(value_type = String, min_length = 1, max_length = 63)]
        pub struct $name(Arc<str>);

        serde_as_text!($name);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_name(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A region such as `eu`, `us` or `ap`.
    Region
);
name!(
    /// A stock location (a warehouse in a region) such as `eu-1`.
    LocationId
);
