//! Completing a stored beginning with the rest (RFC 9111 section 3.4, RFC 9110 section 13.1.5).

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body::Frame;
use http_cache_policy::{CacheStatus, content_range, freshened, same_strong_validator};

use super::{
    Engine, Payload,
    collecting::Collected,
    count,
    exchange::authority,
    forward::{Arrived, Plan, Question},
    serve::Validated,
};
use crate::cache::{Ended, Stored};

/// Where the rest begins, when the whole is wanted and its beginning is stored under a strong validator.
pub(super) fn rest_of(stored: &Stored, question: &Question) -> Option<u64> {
    let part = stored.part.filter(|part| part.first == 0)?;
    let whole_wanted = question.method == Method::GET && !question.headers.contains_key(header::RANGE);
    let strong = same_strong_validator(&stored.headers, &stored.headers);
    (whole_wanted && strong).then_some(part.last + 1)
}

/// Asks for the rest, if the whole has not changed.
pub(super) fn ask_for_rest(headers: &mut HeaderMap, stored: &Stored, begins: u64) {
    let range = HeaderValue::from_str(&format!("bytes={begins}-"));
    if let (Ok(range), Some(etag)) = (range, stored.headers.get(header::ETAG)) {
        headers.insert(header::RANGE, range);
        headers.insert(header::IF_RANGE, etag.clone());
    }
}

impl Engine {
    /// Beginning and rest in one. `None` when they do not fit: the whole has to be asked for.
    pub(super) async fn completed(
        self: &Arc<Self>,
        question: &Question,
        stored: &Stored,
        mut arrived: Arrived,
        plan: &mut Plan,
    ) -> Option<Response<Payload>> {
        let (begin, rest) = (stored.part?, content_range(&arrived.parts.headers)?);
        let fits = rest.first == begin.last + 1 && rest.complete == begin.complete && rest.last + 1 == rest.complete;
        if !fits || !same_strong_validator(&stored.headers, &arrived.parts.headers) || rest.complete > self.shelf.max_body_bytes()
        {
            return None;
        }
        let mut whole = Collected::new(&self.filling, rest.complete);
        if !whole.add(&stored.body) {
            return None;
        }
        while let Some(piece) = self.next_piece(&mut arrived.body).await {
            match piece.map(Frame::into_data) {
                Ok(Ok(data)) if whole.add(&data) => {}
                Ok(Ok(_)) => return None,
                Ok(Err(_)) => {}
                Err(_) => return None,
            }
        }
        if whole.len() != rest.complete {
            return None;
        }
        let validated = Validated::by(&arrived.parts.headers);
        let mut headers = freshened(&stored.headers, &arrived.parts.headers);
        headers.remove(header::CONTENT_RANGE);
        let lifetime = self.verdict(&Method::GET, question, StatusCode::OK, &headers, arrived.times).ok()?;
        let authority = authority(&question.uri, &question.headers);
        let key = self.key(&authority, &question.uri);
        let made = self.make(&question.headers, (StatusCode::OK, headers), whole.into_bytes(), lifetime, (arrived.ticket, key));
        let made = Arc::new(made);
        self.shelf.put(key, made.clone());
        if let Some(turn) = plan.turn.take() {
            turn.end(Ended::Stored);
        }
        count("completed");
        let status =
            CacheStatus { forwarded: Some(plan.why), forwarded_status: Some(206), stored: true, ..CacheStatus::default() };
        self.served(&made, (&question.method, &question.headers), validated, status)
    }
}
