//! What a shopper is told when a checkout came to nothing, and what to do. Pure.

use storefront_types::{Problem, ProblemType};

/// Nothing was decided by this attempt; an earlier one of the same order may have been.
const NOT_PLACED: &str = "Nothing was bought by this attempt: our stock ledger cannot confirm anything right now. Your cart is kept. \
     Please wait a few seconds and press “Buy now” again: it stays the same order, so you cannot buy twice.";

/// Something may have been decided.
const PERHAPS_PLACED: &str = "We do not know yet whether your order was placed. Please press “Buy now” again: it stays the same order, so \
     you cannot buy twice.";

/// Too many want the same.
const BUSY: &str = "Very many people are buying at this moment, and nothing was bought by this attempt. Your cart is kept. Please wait a few \
     seconds and press “Buy now” again: it stays the same order, so you cannot buy twice.";

/// In words, for a checkout that may be sent again as it is; `None` for a refusal that stands.
pub(super) fn in_words(problem: &Problem) -> Option<&'static str> {
    match problem.kind() {
        Some(ProblemType::UnknownOutcome | ProblemType::UpstreamTimeout | ProblemType::BadGateway | ProblemType::Internal) => {
            Some(PERHAPS_PLACED)
        }
        Some(ProblemType::TooManyRequests | ProblemType::QueueFull) => Some(BUSY),
        Some(
            ProblemType::Unavailable
            | ProblemType::NoLeader
            | ProblemType::NotLeader
            | ProblemType::NoSpace
            | ProblemType::TooStale,
        ) => Some(NOT_PLACED),
        Some(_) => None,
        // Of a type that this version does not know: only the status tells.
        None if problem.status >= 500 => Some(PERHAPS_PLACED),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_certainly_not_done_is_said_not_to_be_done() {
        for kind in ProblemType::ALL {
            let words = in_words(&Problem::new(*kind));
            let certain = kind.path().starts_with("not-executed/") || matches!(kind.status(), 429 | 503);
            assert!(certain || !matches!(words, Some(NOT_PLACED | BUSY)), "{kind:?} may have been done");
            assert!(kind.status() < 500 || words.is_some(), "{kind:?} leaves the shopper without a word");
        }
        let unknown = Problem { type_uri: "about:blank".to_owned(), ..Problem::new(ProblemType::Internal) };
        assert_eq!(in_words(&unknown), Some(PERHAPS_PLACED));
        assert_eq!(in_words(&Problem::new(ProblemType::InsufficientStock)), None);
    }
}
