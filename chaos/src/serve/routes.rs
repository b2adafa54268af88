//! `/v1` of the controller.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{delete, get},
};
use chaos_api::{Order, events, paths};
use futures_util::{Stream, StreamExt, stream};
use http::{StatusCode, header};
use storefront_service::{ProblemResponse, StrictJson};
use storefront_types::{Problem, ProblemType};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::{
    drill::{Drills, StartError},
    look::{Lookout, Seen},
};

/// Streams at once: some operators, at some edges.
const MAX_STREAMS: usize = 64;

/// An idle stream says that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

struct Controller {
    drills: Arc<Drills>,
    lookout: Arc<Lookout>,
    streams: Arc<Semaphore>,
    shutdown: CancellationToken,
}

type Answer = Result<Response, ProblemResponse>;

pub(super) fn router(drills: Arc<Drills>, lookout: Arc<Lookout>, token: String, shutdown: CancellationToken) -> Router {
    let streams = Arc::new(Semaphore::new(MAX_STREAMS));
    let token: Arc<str> = token.into();
    Router::new()
        .route(paths::STREAM, get(stream_events))
        .route(paths::DRILLS, get(list).post(start))
        .route(paths::RUNNING, delete(stop))
        .with_state(Arc::new(Controller { drills, lookout, streams, shutdown }))
        .layer(middleware::from_fn_with_state(token, admit))
}

async fn admit(State(token): State<Arc<str>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if given.is_some_and(|given| bool::from(given.as_bytes().ct_eq(token.as_bytes()))) {
        return next.run(request).await;
    }
    let detail = "drills are for whoever has the controller's token; `Authorization: Bearer TOKEN`";
    ProblemResponse(Problem::new(ProblemType::Forbidden).detail(detail)).into_response()
}

async fn list(State(controller): State<Arc<Controller>>) -> impl IntoResponse {
    Json(controller.drills.runs())
}

async fn start(State(controller): State<Arc<Controller>>, StrictJson(order): StrictJson<Order>) -> Answer {
    if let Some(field) = order.wrong_field() {
        let reason = "a name has up to 40 lower-case letters, digits and '-'";
        return Err(Problem::new(ProblemType::InvalidRequest).detail(reason).invalid_param(field, reason).into());
    }
    match controller.drills.start(&order) {
        Ok(run) => Ok((StatusCode::ACCEPTED, Json(run)).into_response()),
        Err(StartError::Refused(why)) => Err(Problem::new(ProblemType::DrillRunning).detail(why.to_string()).into()),
        Err(error @ StartError::Io(_)) => {
            tracing::error!(%error, "a drill cannot be started");
            Err(Problem::new(ProblemType::Unavailable).detail(error.to_string()).into())
        }
    }
}

async fn stop(State(controller): State<Arc<Controller>>) -> Answer {
    if controller.drills.stop() {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    Err(Problem::new(ProblemType::NotFound).detail("no drill runs now").into())
}

async fn stream_events(State(controller): State<Arc<Controller>>) -> Answer {
    let room = controller.streams.clone().try_acquire_owned().map_err(|_| {
        ProblemResponse(Problem::new(ProblemType::Unavailable).detail(format!("{MAX_STREAMS} streams are open; close one")))
    })?;
    let (seen, changes) = (controller.lookout.join(), controller.drills.changes());
    let pictures = pictures(seen);
    let runs = runs(controller.drills.clone(), changes);
    let all = hold(stream::select(pictures, runs), room).take_until(controller.shutdown.clone().cancelled_owned());
    Ok(Sse::new(all.map(Ok::<_, Infallible>)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// Whoever is slow misses pictures and gets the newest.
fn pictures(seen: watch::Receiver<Seen>) -> impl Stream<Item = Event> {
    let changes = stream::unfold(seen, async |mut seen| {
        seen.changed().await.ok()?;
        let now = seen.borrow_and_update().clone();
        Some((now, seen))
    });
    changes.filter_map(async |now| match now? {
        Ok(picture) => Some(Event::default().event(events::PICTURE).data(picture)),
        Err(why) => Some(Event::default().event("nothing").data(why)),
    })
}

/// Those that there are, then whenever they change.
fn runs(drills: Arc<Drills>, mut changes: watch::Receiver<u64>) -> impl Stream<Item = Event> {
    changes.mark_changed();
    stream::unfold((drills, changes), async |(drills, mut changes)| {
        changes.changed().await.ok()?;
        let event = Event::default().event(events::RUNS).json_data(drills.runs()).unwrap_or_default();
        Some((event, (drills, changes)))
    })
}

/// The place is taken for as long as the stream is open.
fn hold<S: Stream>(stream: S, room: OwnedSemaphorePermit) -> impl Stream<Item = S::Item> {
    stream.map(move |item| {
        let _taken = &room;
        item
    })
}
