//! The watch: a stream of stock changes, resumable from a token.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};
use inventory_api::StockChange;
use serde::Deserialize;
use storefront_service::{ProblemResponse, StrictQuery};
use storefront_types::{Problem, ProblemType};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use super::Api;
use crate::{
    clock,
    consensus::{Consensus, SharedState},
    watch::Position,
};

/// A sign of life when there is nothing to tell. Readers show stock that is at most a second old: half of it may pass here.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// Between two looks at what changed: merges the changes of a busy SKU and bounds the work for a reader to 100 looks a second.
const MERGE: Duration = Duration::from_millis(10);

/// A reader that takes nothing for so long is dropped; it resumes with its last token.
const SLOW_READER: Duration = Duration::from_secs(10);

/// Chunks that wait for a reader; each holds the changes of one look.
const CHUNKS: usize = 8;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangesQuery {
    /// Token of the last line seen; left out: from now on.
    after: Option<String>,
}

/// Stock changes as newline-delimited JSON, or as server-sent events with `Accept: text/event-stream`.
#[utoipa::path(get, path = inventory_api::paths::CHANGES, params(ChangesQuery), responses((status = 200, body = StockChange)))]
pub(super) async fn changes(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    StrictQuery(query): StrictQuery<ChangesQuery>,
) -> Result<Response, ProblemResponse> {
    let position = match query.after {
        None => Position::At(api.consensus.shared.read().index()),
        Some(text) => text.parse().map_err(|_| {
            let reason = "give back a `token` of this stream";
            Problem::new(ProblemType::InvalidRequest).detail(reason).invalid_param("after", reason)
        })?,
    };
    let events = headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
    let (sender, chunks) = mpsc::channel(CHUNKS);
    tokio::spawn(follow(api.consensus.clone(), position, events, sender, api.stopping.clone()));
    let media_type = if events { "text/event-stream" } else { "application/x-ndjson" };
    let headers = [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(ReceiverStream::new(chunks))).into_response())
}

type Chunk = Result<Bytes, std::convert::Infallible>;

async fn follow(
    consensus: Arc<Consensus>,
    mut position: Position,
    events: bool,
    reader: mpsc::Sender<Chunk>,
    stop: CancellationToken,
) {
    let mut applied = consensus.shared.feed.subscribe();
    // A reader that begins learns at once up to when its stock is known.
    let mut said: Option<Instant> = None;
    loop {
        // Entries that touch no stock must not keep the sign of life away, so it does not wait for a pause between them.
        let is_due = said.is_none_or(|said| said.elapsed() >= HEARTBEAT);
        // Taken before the look, which therefore tells all up to then.
        let as_of = is_due.then(|| clock::date(consensus.as_of(clock::now())));
        let (mut lines, next) = look(&consensus.shared, position);
        let ended = matches!(lines.last(), Some(StockChange::Compacted { .. }));
        if is_due && lines.is_empty() {
            let as_of = as_of.filter(|_| matches!(next, Position::At(_)));
            lines.push(StockChange::Heartbeat { token: next.to_string(), as_of });
        }
        if !lines.is_empty() {
            said = Some(Instant::now());
            let sent = timeout(SLOW_READER, reader.send(Ok(chunk(&lines, events)))).await;
            if ended || !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
        let has_more = matches!(position, Position::Within { .. }) && position != next;
        position = next;
        if has_more {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = reader.closed() => return,
            changed = timeout_at(said.unwrap_or_else(Instant::now) + HEARTBEAT, applied.changed()) => match changed {
                Ok(Ok(())) => tokio::time::sleep(MERGE).await,
                Ok(Err(_)) => return,
                Err(_) => {}
            },
        }
    }
}

/// What changed after a position, and the position after that. Each line's token stands for it and all before it, so a reader that
/// is cut off within a group goes on with the next line.
fn look(shared: &SharedState, position: Position) -> (Vec<StockChange>, Position) {
    let applied = shared.read();
    let (told, next) = match shared.feed.since(position) {
        Ok(found) => found,
        Err(compacted) => return (vec![StockChange::Compacted { oldest: compacted.oldest.to_string() }], position),
    };
    let as_of = clock::date(applied.inventory.clock());
    let line = |(sku, position): (storefront_types::Sku, Position)| {
        let stock = applied.inventory.stock(&sku)?;
        let (on_hand, reserved, available) = (stock.on_hand(), stock.reserved(), stock.available());
        let token = position.to_string();
        Some(StockChange::Stock { token, sku, version: stock.version, on_hand, reserved, available, as_of })
    };
    (told.into_iter().filter_map(line).collect(), next)
}

fn chunk(lines: &[StockChange], events: bool) -> Bytes {
    let mut bytes = Vec::with_capacity(160 * lines.len());
    for line in lines {
        if events {
            bytes.extend_from_slice(b"data: ");
        }
        // Plain data into memory cannot fail; a line left out would be a gap, so an empty one is better than none.
        if serde_json::to_writer(&mut bytes, line).is_err() {
            bytes.extend_from_slice(b"{}");
        }
        bytes.extend_from_slice(if events { b"\n\n" } else { b"\n" });
    }
    bytes.into()
}
