//! The shortest way to a stored answer: head and body as they go over the wire.

use std::io::Write;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_cache_policy::{Decision, Reason, decide};

use super::{Engine, count_hit};
use crate::{
    cache::{KeyRef, Purged},
    coding::{self, Coding},
    door::Plain,
};

impl Engine {
    /// The head of a fresh answer that is for everybody, without the empty line at its end, and its body; nothing of anything else.
    /// What may be used is decided as for any request without fields of its own.
    pub(crate) fn at_once(&self, request: &Plain<'_>, head: &mut Vec<u8>) -> Option<Bytes> {
        let by_name = self.setup.by_authority;
        if by_name && request.host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let authority = if by_name { request.host } else { "" };
        let stored = self.shelf.for_anybody(KeyRef { authority, target: request.target })?;
        if stored.part.is_some() || stored.status != StatusCode::OK || stored.purged(&self.purges) != Purged::No {
            return None;
        }
        let now_ms = self.clock.now_ms();
        if decide(self.setup.profile, &HeaderMap::new(), &stored.lifetime, false, now_ms) != Decision::Serve(Reason::Fresh) {
            return None;
        }
        let age_s = stored.lifetime.age_ms(now_ms) / 1_000;
        let left_s = stored.lifetime.fresh_s.saturating_sub(age_s);
        let coding = if stored.coded.is_some() { coding::best_of(request.texts("accept-encoding")) } else { Coding::Identity };
        let (fields, body) = stored.coded(coding);
        head.extend_from_slice(fields);
        // Writing into memory does not fail.
        let _ = write!(head, "age: {age_s}\r\ncache-status: storefront; hit; ttl={left_s}\r\n");
        count_hit();
        Some(if request.is_head { Bytes::new() } else { body.clone() })
    }
}
