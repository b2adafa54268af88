//! Passing the controller's events on to browsers.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use http::header;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use storefront_service::ProblemResponse;
use storefront_types::{Problem, ProblemType};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Pages that are open at once at one edge.
const MAX_PAGES: usize = 16;

/// The controller says something each 5 s; one that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(15);

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

    /// Ends with the controller's stream, with its silence, and when this edge stops.
    pub(super) fn pass_on(&self, answer: http::Response<Incoming>, room: OwnedSemaphorePermit) -> Response {
        let pieces = stream::unfold((answer.into_body().into_data_stream(), room), async |(mut pieces, room)| {
            let piece = timeout(SILENCE, pieces.next()).await.ok()??;
            Some((piece, (pieces, room)))
        });
        let body = Body::from_stream(pieces.take_until(self.shutdown.clone().cancelled_owned()));
        ([(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")], body).into_response()
    }
}
