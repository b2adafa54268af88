//! Problem documents (RFC 9457), and the stable `type` of each.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Prefix of every `type`; the rest of the URI is stable and documented in docs/problems.md.
const TYPE_PREFIX: &str = "https://storefront.example/problems/";

macro_rules! problem_types {
    ($($(#[$doc:meta])* $variant:ident = $path:literal, $status:literal, $title:literal;)*) => {
        /// Every problem this system answers with. The path is part of the API and never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemType { $($(#[$doc])* $variant,)* }

        impl ProblemType {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable end of the `type` URI.
            pub const fn path(self) -> &'static str {
                match self { $(Self::$variant => $path,)* }
            }

            /// HTTP status the type is answered with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

problem_types! {
    /// The body is not JSON, or a field is missing, unknown or malformed.
    InvalidRequest = "invalid-request", 400, "The request is not valid";
    MissingIdempotencyKey = "missing-idempotency-key", 400, "An Idempotency-Key header is required";
    InvalidIdempotencyKey = "invalid-idempotency-key", 400, "The Idempotency-Key is malformed";
    /// The cart has nothing to check out.
    EmptyCart = "empty-cart", 400, "The cart is empty";
    Unauthenticated = "unauthenticated", 401, "A session is required";
    InvalidTicket = "invalid-ticket", 401, "The internal checkout ticket is not valid";
    /// Final for this key; nothing is held or taken.
    PaymentDeclined = "payment-declined", 402, "The payment was declined";
    Forbidden = "forbidden", 403, "Not allowed";
    /// Also for what belongs to somebody else: its existence is not revealed.
    NotFound = "not-found", 404, "There is no such thing";
    UnknownSku = "unknown-sku", 404, "The SKU is not known";
    UnknownLocation = "unknown-location", 404, "The stock location is not known";
    MethodNotAllowed = "method-not-allowed", 405, "The method is not allowed here";
    InsufficientStock = "insufficient-stock", 409, "There is not enough stock";
    /// At another price than the shopper was shown; nothing was asked of the inventory, so the key may be used again.
    PriceChanged = "price-changed", 409, "A price has changed";
    MixedCurrencies = "mixed-currencies", 409, "The cart has more than one currency";
    StaleCount = "stale-count", 409, "The stock has changed since it was counted";
    /// Final for this key; nothing is held or taken.
    CheckoutGivenUp = "checkout-given-up", 409, "The checkout ended without an order";
    /// `detail` says where the order stands and what may be done with it.
    OrderConflict = "order-conflict", 409, "The order does not allow this now";
    ReservationConflict = "reservation-conflict", 409, "The reservation is in another state";
    /// Also for an id that was used before, and for a removal that would leave no quorum.
    MembershipConflict = "not-executed/membership-conflict", 409, "The membership cannot be changed so";
    /// One at a time: two would be each other's fault.
    DrillRunning = "drill-running", 409, "A drill is running already";
    BodyTooLarge = "body-too-large", 413, "The request body is too large";
    UnsupportedMediaType = "unsupported-media-type", 415, "The body must be application/json";
    NotLeader = "not-executed/not-leader", 421, "This node is not the leader";
    /// Same idempotency key, other content.
    IdempotencyKeyReused = "idempotency-key-reused", 422, "The key was used for another request";
    CommandIdReused = "not-executed/command-id-reused", 422, "The id was used for another command";
    CommandRefused = "not-executed/command-refused", 422, "The command is not acceptable";
    QueueFull = "not-executed/queue-full", 429, "Too many commands wait";
    TooManyRequests = "too-many-requests", 429, "Too many requests";
    Internal = "internal", 500, "Something went wrong here";
    BadGateway = "bad-gateway", 502, "An upstream gave an invalid answer";
    NoLeader = "not-executed/no-leader", 503, "No leader is known";
    NoSpace = "not-executed/no-space", 503, "The node is out of disk space";
    TooStale = "too-stale", 503, "The local state is older than asked for";
    Unavailable = "unavailable", 503, "A part this needs is away";
    /// The command was perhaps executed: ask again with the same id.
    UnknownOutcome = "unknown-outcome", 504, "The outcome is not known";
    UpstreamTimeout = "upstream-timeout", 504, "An upstream did not answer in time";
}

impl ProblemType {
    pub fn uri(self) -> String {
        format!("{TYPE_PREFIX}{}", self.path())
    }

    pub fn from_uri(uri: &str) -> Option<Self> {
        let path = uri.strip_prefix(TYPE_PREFIX)?;
        Self::ALL.iter().copied().find(|kind| kind.path() == path)
    }
}

/// A field that was not acceptable, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvalidParam {
    /// Path of the field, e.g. `lines[0].quantity`, or the name of a header or query parameter.
    pub name: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

/// `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    #[serde(rename = "type")]
    pub type_uri: String,
    pub title: String,
    pub status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invalid_params: Vec<InvalidParam>,
    /// The order or cart lines that caused a stock problem, in the shape of the API that answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub lines: Vec<serde_json::Value>,
}

impl Problem {
    pub fn new(kind: ProblemType) -> Self {
        Self {
            type_uri: kind.uri(),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: None,
            invalid_params: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// What is wrong in this case and what to do.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub fn invalid_param(mut self, name: impl Into<String>, reason: impl Into<String>) -> Self {
        self.invalid_params.push(InvalidParam { name: name.into(), reason: reason.into() });
        self
    }

    #[must_use]
    pub fn lines(mut self, lines: Vec<serde_json::Value>) -> Self {
        self.lines = lines;
        self
    }

    /// The type, where it is one of ours.
    pub fn kind(&self) -> Option<ProblemType> {
        ProblemType::from_uri(&self.type_uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_own_uri_and_is_found_by_it() {
        for kind in ProblemType::ALL {
            assert_eq!(ProblemType::from_uri(&kind.uri()), Some(*kind));
        }
    }

    #[test]
    fn every_type_is_documented_with_its_status() {
        let documented = include_str!("../../docs/problems.md");
        for kind in ProblemType::ALL {
            let row = format!("| `{}` | {} |", kind.path(), kind.status());
            assert!(documented.contains(&row), "docs/problems.md lacks {row}");
        }
    }
}
