//! UUID newtypes. One macro, so that every id reads, prints and serialises alike (RFC 9562 text form).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
        )]
        #[serde(transparent)]
        #[schema(value_type = String, format = Uuid)]
        pub struct $name(Uuid);

        impl $name {
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            pub const fn uuid(self) -> Uuid {
                self.0
            }

            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id!(
    /// An order. UUIDv8, derived from (shopper, idempotency key): every retry anywhere names the same order.
    OrderId
);
uuid_id!(
    /// A reservation of stock. For a checkout it is the order id.
    ReservationId
);
uuid_id!(
    /// One client-made inventory command, for exactly-once application.
    CommandId
);
uuid_id!(
    /// A shopper: a registered user or a guest session.
    ShopperId
);
uuid_id!(
    /// A product of the catalog.
    ProductId
);

impl From<OrderId> for ReservationId {
    /// The reservation of a checkout carries the id of its order.
    fn from(id: OrderId) -> Self {
        Self(id.0)
    }
}

impl From<ReservationId> for OrderId {
    fn from(id: ReservationId) -> Self {
        Self(id.0)
    }
}

impl From<ReservationId> for CommandId {
    fn from(id: ReservationId) -> Self {
        Self(id.0)
    }
}
