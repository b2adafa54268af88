//! Keeping an answer while it is passed on. Only one that came to its end is kept (RFC 9111 section 3.3).

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock, atomic::AtomicU64},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, response::Parts};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use http_cache_policy::{CacheStatus, Lifetime, Part, Selecting, Times, content_range, http_date, without_unstorable};
use hyper::body::Incoming;
use tokio::sync::mpsc::{self, error::SendTimeoutError};
use tokio_stream::wrappers::ReceiverStream;

use super::{
    Engine, Payload,
    collecting::Collected,
    count,
    exchange::authority,
    forward::Question,
    serve::{CACHE_STATUS, Validated},
};
use crate::{
    cache::{Ended, KeyRef, Stored, Tag, Turn},
    coding,
};

/// Pieces of a body between the origin and a slower client: at 16 KiB each 256 KiB.
const PIECES: usize = 16;

/// A client that takes no piece for so long holds up nobody but itself.
const SLOW_READER: Duration = Duration::from_secs(1);

/// Tags of one answer.
const MAX_TAGS: usize = 1_024;

const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

type Piece = Result<Frame<Bytes>, axum::Error>;

/// An answer on its way, and what it answers.
pub(super) struct Fill {
    pub(super) question: Question,
    pub(super) times: Times,
    pub(super) ticket: u64,
    pub(super) turn: Option<Turn>,
    pub(super) status: CacheStatus,
}

impl Engine {
    /// Passes the answer on, and keeps it where that is permitted.
    pub(super) async fn fill(self: &Arc<Self>, mut fill: Fill, parts: Parts, body: Incoming) -> Response<Payload> {
        let authority = authority(&fill.question.uri, &fill.question.headers);
        let key = self.key(&authority, &fill.question.uri);
        let method = if self.setup.whole_fills { Method::GET } else { fill.question.method.clone() };
        let part = content_range(&parts.headers).filter(|_| parts.status == StatusCode::PARTIAL_CONTENT);
        let readable = parts.status != StatusCode::PARTIAL_CONTENT || (part.is_some() && !self.setup.whole_fills);
        let announced = HttpBody::size_hint(&body).lower();
        let verdict = self.verdict(&method, &fill.question, parts.status, &parts.headers, fill.times);
        let lifetime = match verdict {
            Ok(lifetime) if readable && announced <= self.shelf.max_body_bytes() => lifetime,
            refused => {
                tracing::debug!(reason = ?refused.err(), target = key.target, "not stored");
                if method == Method::GET {
                    count("miss");
                    self.note_not_shared(key, refused.err());
                }
                if let Some(turn) = fill.turn.take() {
                    turn.end(Ended::NotShared);
                }
                return self.passed_on(parts, body, fill.status);
            }
        };
        count("miss");
        fill.status.stored = true;
        match self.setup.whole_fills {
            true => self.fill_whole(fill, parts, body, lifetime).await,
            false => self.fill_streamed(fill, parts, body, (lifetime, part)),
        }
    }

    /// Takes the answer in, then serves from it what the client wants of it.
    async fn fill_whole(
        self: &Arc<Self>,
        mut fill: Fill,
        parts: Parts,
        mut body: Incoming,
        lifetime: Lifetime,
    ) -> Response<Payload> {
        let mut whole = Collected::new(&self.filling, self.shelf.max_body_bytes());
        while let Some(piece) = self.next_piece(&mut body).await {
            match piece.map(Frame::into_data) {
                Ok(Ok(data)) if whole.add(&data) => {}
                Ok(Ok(data)) => {
                    self.end_unkept(&fill.question, fill.turn.take());
                    fill.status.stored = false;
                    let begun = stream::iter([whole.into_bytes(), data]).map(|data| Ok(Frame::data(data)));
                    return self.passed_on(parts, StreamBody::new(begun.chain(BodyStream::new(body))), fill.status);
                }
                Ok(Err(_)) => {}
                Err(_) => {
                    let mut answer = Response::new(Payload::empty());
                    *answer.status_mut() = StatusCode::BAD_GATEWAY;
                    return answer;
                }
            }
        }
        let validated = Validated::by(&parts.headers);
        let stored = self.kept(&fill.question, (parts.status, parts.headers), whole.into_bytes(), lifetime, (fill.ticket, None));
        if let Some(turn) = fill.turn.take() {
            turn.end(Ended::Stored);
        }
        let wanted = (&fill.question.method, &fill.question.headers);
        self.served(&stored, wanted, validated, fill.status).unwrap_or_else(|| Response::new(Payload::empty()))
    }

    /// Passes each piece on as it comes. The answer is taken in to its end even when the client is gone.
    fn fill_streamed(
        self: &Arc<Self>,
        fill: Fill,
        mut parts: Parts,
        body: Incoming,
        kept: (Lifetime, Option<Part>),
    ) -> Response<Payload> {
        let (status, headers) = (parts.status, parts.headers.clone());
        self.hide_internal(&mut parts.headers);
        parts.headers.append(CACHE_STATUS, fill.status.header());
        parts.extensions.clear();
        parts.version = http::Version::HTTP_11;
        if HttpBody::is_end_stream(&body) {
            self.end_fill(fill, (status, headers), Bytes::new(), kept);
            return Response::from_parts(parts, Payload::empty());
        }
        let (pieces, passed) = mpsc::channel::<Piece>(PIECES);
        let this = self.clone();
        tokio::spawn(async move {
            let mut fill = fill;
            if let Some(whole) = this.pump(body, &pieces, &mut fill).await {
                this.end_fill(fill, (status, headers), whole, kept);
            }
        });
        let passed = StreamBody::new(ReceiverStream::new(passed));
        Response::from_parts(parts, Payload::Streamed(Body::new(passed)))
    }

    /// Reads a body to its end. `None` when it broke off, was too large, or nobody wants it any more.
    async fn pump(&self, mut body: Incoming, pieces: &mpsc::Sender<Piece>, fill: &mut Fill) -> Option<Bytes> {
        let mut whole = Some(Collected::new(&self.filling, self.shelf.max_body_bytes()));
        while let Some(piece) = self.next_piece(&mut body).await {
            let failed = piece.is_err();
            if let Ok(Some(data)) = piece.as_ref().map(Frame::data_ref) {
                let kept_so_far = whole.is_some();
                whole = whole.and_then(|mut whole| whole.add(data).then_some(whole));
                if whole.is_none() && kept_so_far {
                    self.end_unkept(&fill.question, fill.turn.take());
                }
            }
            let gone = match pieces.send_timeout(piece, SLOW_READER).await {
                Ok(()) => false,
                Err(SendTimeoutError::Closed(_)) => true,
                Err(SendTimeoutError::Timeout(piece)) => {
                    // A slow reader is nobody else's business.
                    if let Some(turn) = fill.turn.take() {
                        turn.end(Ended::NotShared);
                    }
                    pieces.send(piece).await.is_err()
                }
            };
            if failed || (gone && whole.is_none()) {
                return None;
            }
        }
        whole.map(Collected::into_bytes)
    }

    /// There is no room for a body, which its head did not say: nobody is to wait for it, nor for the next ones for a while.
    fn end_unkept(&self, question: &Question, turn: Option<Turn>) {
        let authority = authority(&question.uri, &question.headers);
        self.note_not_shared(self.key(&authority, &question.uri), None);
        if let Some(turn) = turn {
            turn.end(Ended::NotShared);
        }
    }

    /// The next piece of a body, waited for as long as is patient.
    pub(super) async fn next_piece(&self, body: &mut Incoming) -> Option<Piece> {
        match tokio::time::timeout(self.setup.patience, body.frame()).await {
            Ok(piece) => piece.map(|piece| piece.map_err(axum::Error::new)),
            Err(late) => Some(Err(axum::Error::new(late))),
        }
    }

    fn end_fill(
        self: &Arc<Self>,
        mut fill: Fill,
        head: (StatusCode, HeaderMap),
        body: Bytes,
        (lifetime, part): (Lifetime, Option<Part>),
    ) {
        // A part whose length is not what its head says is no part of anything.
        if part.is_some_and(|part| part.last - part.first + 1 != body.len() as u64) {
            return;
        }
        self.kept(&fill.question, head, body, lifetime, (fill.ticket, part));
        if let Some(turn) = fill.turn.take() {
            turn.end(Ended::Stored);
        }
    }

    fn kept(
        self: &Arc<Self>,
        question: &Question,
        mut head: (StatusCode, HeaderMap),
        body: Bytes,
        lifetime: Lifetime,
        (ticket, part): (u64, Option<Part>),
    ) -> Arc<Stored> {
        // A part that is everything is the whole answer.
        let part = part.filter(|part| !part.is_everything());
        if part.is_none() && head.0 == StatusCode::PARTIAL_CONTENT {
            head.0 = StatusCode::OK;
            head.1.remove(header::CONTENT_RANGE);
        }
        let authority = authority(&question.uri, &question.headers);
        let key = self.key(&authority, &question.uri);
        let tags = self.has_second().then(|| tag_names(&head.1));
        let mut stored = self.make(&question.headers, head, body, lifetime, (ticket, key));
        stored.part = part;
        let stored = Arc::new(stored);
        self.shelf.put(key, stored.clone());
        // Not before: a head that promises much may be followed by a body that is too large.
        self.not_shared.forget(key);
        self.offer(key, &stored, tags);
        self.code_behind(key, &stored);
        stored
    }

    pub(super) fn make(
        &self,
        request: &HeaderMap,
        (status, headers): (StatusCode, HeaderMap),
        body: Bytes,
        lifetime: Lifetime,
        (ticket, key): (u64, KeyRef<'_>),
    ) -> Stored {
        let tags = self.tags(&headers, key);
        let mut selecting = Selecting::of(request, &headers);
        if self.setup.whole_fills {
            selecting = selecting.ignoring(&header::ACCEPT_ENCODING);
        }
        let mut headers = without_unstorable(headers);
        self.hide_internal(&mut headers);
        headers.remove(header::AGE);
        if !matches!(status.as_u16(), 204 | 304) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        if !headers.contains_key(header::DATE)
            && let Ok(date) = HeaderValue::from_str(&http_date(lifetime.answered_ms / 1_000))
        {
            headers.insert(header::DATE, date);
        }
        let spared = AtomicU64::new(u64::MAX);
        Stored {
            status,
            headers,
            body,
            lifetime,
            selecting,
            part: None,
            tags,
            ticket,
            coded: None,
            spared,
            head: OnceLock::new(),
        }
    }

    /// Tags for purging: those of its fields, and the key itself.
    fn tags(&self, headers: &HeaderMap, key: KeyRef<'_>) -> Box<[Tag]> {
        tag_names(headers).iter().map(|name| self.purges.tag(name)).chain([self.purges.key_tag(&key)]).collect()
    }

    /// Makes the codings of an answer once, behind its first use.
    pub(super) fn code_behind(self: &Arc<Self>, key: KeyRef<'_>, stored: &Arc<Stored>) {
        if !self.setup.whole_fills || stored.status != StatusCode::OK || !coding::is_worth_it(&stored.headers, &stored.body) {
            return;
        }
        let (this, key, stored) = (self.clone(), key.owned(), stored.clone());
        tokio::spawn(async move {
            let body = stored.body.clone();
            let Ok(Some(coded)) = tokio::task::spawn_blocking(move || coding::encode(&body)).await else { return };
            let mut better = stored.copied();
            better.headers.append(header::VARY, HeaderValue::from_name(header::ACCEPT_ENCODING));
            better.coded = Some(coded);
            this.shelf.improve(key.borrowed(), &stored, Arc::new(better));
        });
    }
}

/// What `Surrogate-Key` names, and `product` for all products.
fn tag_names(headers: &HeaderMap) -> BTreeSet<String> {
    let lines = headers.get_all(SURROGATE_KEY).iter().filter_map(|value| value.to_str().ok());
    let mut names: BTreeSet<String> = lines.flat_map(str::split_whitespace).take(MAX_TAGS).map(str::to_owned).collect();
    if names.iter().any(|tag| tag.starts_with("product:")) {
        names.insert("product".to_owned());
    }
    names
}
