//! Stored answers as what other things are made of.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use http_cache_policy::{Decision, Reason, decide};

use super::Engine;
use crate::cache::{KeyRef, Purged, Stored};

impl Engine {
    /// The whole answer to a plain `GET` of a target, if it is stored and needs no question.
    pub(crate) fn fresh(&self, target: &str) -> Option<Arc<Stored>> {
        match self.decide(KeyRef { authority: "", target }, &HeaderMap::new()) {
            (Decision::Serve(Reason::Fresh), Some(stored)) => {
                (stored.status == StatusCode::OK && stored.part.is_none()).then_some(stored)
            }
            _ => None,
        }
    }

    /// Whether a stored answer still needs no question.
    pub(crate) fn is_fresh(&self, stored: &Stored) -> bool {
        let decision = || decide(self.setup.profile, &HeaderMap::new(), &stored.lifetime, false, self.clock.now_ms());
        stored.purged(&self.purges) == Purged::No && decision() == Decision::Serve(Reason::Fresh)
    }
}
