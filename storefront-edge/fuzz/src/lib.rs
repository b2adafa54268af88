//! What fuzzing asks of the cache policy.

mod heads;

pub use heads::heads;
