//! Passing the controller's events on to browsers.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::header;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use storefront_service::ProblemResponse;
use storefront_types::{Problem, ProblemType};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Pages that are open at once at one edge.
const MAX_PAGES: usize = 16;

/// The controller says something each 5 s; one that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(15);

/// A page that takes nothing for so long does not read, and gives its place up. One that reads slowly keeps it.
const STALLED: Duration = Duration::from_secs(10);

/// Pieces between the controller and a page, each up to what one read of the controller gives, some 16 KiB.
const ON_THEIR_WAY: usize = 4;

type Piece = Result<Bytes, hyper::Error>;

pub(super) struct Relay {
    pages: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl Relay {
    pub(super) fn new(shutdown: CancellationToken) -> Self {
        Self { pages: Arc::new(Semaphore::new(MAX_PAGES)), shutdown }
    }

    /// A place for one page.
    pub(super) fn room(&self) -> Result<OwnedSemaphorePermit, ProblemResponse> {
        self.pages.clone().try_acquire_owned().map_err(|_| {
            let detail = format!("{MAX_PAGES} pages are open at this edge; close one, or go to another edge");
            Problem::new(ProblemType::Unavailable).detail(detail).into()
        })
    }

    /// Ends with the controller's stream, with its silence, with a page that is gone or does not read, and when this edge stops.
    pub(super) fn pass_on(&self, answer: http::Response<Incoming>, room: OwnedSemaphorePermit) -> Response {
        let ((pieces, taken), shutdown) = (mpsc::channel(ON_THEIR_WAY), self.shutdown.clone());
        // Beside the connection: where nobody reads, nobody asks the body for more, and it would keep its place for ever.
        tokio::spawn(async move {
            let _taken = room;
            tokio::select! {
                () = pass(answer.into_body().into_data_stream(), &pieces) => {}
                () = pieces.closed() => {}
                () = shutdown.cancelled() => {}
            }
        });
        let body = Body::from_stream(stream::unfold(taken, async |mut taken| Some((taken.recv().await?, taken))));
        ([(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")], body).into_response()
    }
}

async fn pass(mut from: impl Stream<Item = Piece> + Unpin, to: &mpsc::Sender<Piece>) {
    while let Ok(Some(piece)) = timeout(SILENCE, from.next()).await {
        if !matches!(timeout(STALLED, to.send(piece)).await, Ok(Ok(()))) {
            return;
        }
    }
}
