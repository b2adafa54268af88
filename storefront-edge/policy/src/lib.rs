//! What a shared HTTP cache may do (RFC 9111, with the parts of RFC 9110, 5861, 9211 and 9213 that concern caches).
//!
//! Owns: every decision about storing, reusing, validating, updating and invalidating answers, each with a named reason. Pure: time
//! comes in as milliseconds since the epoch. Must not: do I/O, keep anything, know where answers are stored.

mod cache_status;
mod conditional;
mod date;
mod directives;
mod fields;
mod freshen;
mod freshness;
mod invalidate;
mod list;
mod range;
mod reuse;
mod storable;
mod vary;

pub use cache_status::{CacheStatus, Forwarded};
pub use conditional::{has_validator, is_conditional, may_answer_conditions, not_modified, same_strong_validator, validation};
pub use date::{http_date, parse_http_date};
pub use directives::Directives;
pub use fields::{end_to_end, without_unstorable};
pub use freshen::{freshened, head_agrees, selected_by_304};
pub use freshness::{Lifetime, Times};
pub use invalidate::invalidated;
pub use list::{Argument, Member, members};
pub use range::{Asked, Part, Ranged, asked_range, content_range, range_still_applies, ranged};
pub use reuse::{Decision, Reason, StandsIn, Why, decide, decide_miss};
pub use storable::{Answer, NotStored, storable};
pub use vary::Selecting;

/// How strictly the letter is kept, and what a deployment does not want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Answers that set a cookie may be stored, as RFC 9111 section 7.3 allows.
    pub stores_set_cookie: bool,
    /// Answers without a lifetime of their own get a tenth of their age (RFC 9111 section 4.2.2).
    pub heuristics: bool,
    /// `no-cache`, `max-age`, ... of requests count (RFC 9111 section 5.2.1). A shop does not let its visitors send all traffic to the
    /// origin.
    pub heeds_requests: bool,
    /// An answer that says nothing of `stale-if-error`, and does not forbid it, stands in for errors for as long as it is there: a server
    /// error is as good as no answer (RFC 9111 section 4.3.3).
    pub covers_errors: bool,
}

impl Profile {
    /// A cache by the letter, for any origin.
    pub const RFC: Self = Self { stores_set_cookie: true, heuristics: true, heeds_requests: true, covers_errors: true };
    /// In front of the shop's catalog.
    pub const STOREFRONT: Self =
        Self { stores_set_cookie: false, heuristics: false, heeds_requests: false, covers_errors: false };
}
