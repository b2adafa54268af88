//! `--origin`: a plain reverse-proxy cache in front of any HTTP/1.1 server.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use storefront_service::{DRAIN_LIMIT, Listeners, Readiness, beside_admin_with, install_metrics};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{Config, ORIGIN_PATIENCE, OriginUrl, ProfileName},
    door::{self, Caller, Handler, Plain},
    engine::{Engine, Exchange, Origin, Payload, Setup},
    purge,
    upstream::{Protection, Upstream},
};

/// Serves until `shutdown`.
pub(crate) async fn run(
    config: &Config,
    origin: &OriginUrl,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    // Before anything is counted.
    install_metrics();
    let setup = Setup {
        profile: config.profile.into(),
        by_authority: true,
        whole_fills: false,
        internal: &[],
        bytes: config.cache_bytes,
        patience: ORIGIN_PATIENCE,
    };
    let door = config.door(TaskTracker::new())?;
    // To the letter: each request gets the origin's own answer, or its own failure.
    let protection = if config.profile == ProfileName::Rfc { Protection::off() } else { Protection::default() };
    let upstream = Upstream::over(config.origin_connector(origin)?, protection);
    let engine = Engine::new(setup, Origin::new(upstream, origin.scheme.clone(), origin.address.clone()));
    let purging = purge::start(config, &engine)?;
    let mut background = purging.tasks;
    background.push(tokio::spawn(engine.clone().tell()));
    tracing::info!(http = %listeners.http_addr()?, origin = origin.address, "listening");
    let make = move || Proxy { engine: engine.clone() };
    let server = door::serve(door, listeners.http, make, shutdown.clone());
    let ready = Readiness::new(&[]);
    let served = beside_admin_with(purging.admin, DRAIN_LIMIT, listeners.admin, ready, shutdown, server).await;
    background.iter().for_each(tokio::task::JoinHandle::abort);
    served
}

struct Proxy {
    engine: Arc<Engine>,
}

impl Handler for Proxy {
    type Body = Payload;

    fn at_once(&self, request: &Plain<'_>, head: &mut Vec<u8>) -> Option<Bytes> {
        let body = self.engine.at_once(request, head)?;
        head.extend_from_slice(b"\r\n");
        Some(body)
    }

    async fn handle(&self, request: Request<Incoming>, from: &Caller) -> Response<Payload> {
        if let Some(answer) = self.engine.hit(request.method(), request.uri(), request.headers()) {
            return answer;
        }
        let request = request.map(Body::new);
        let exchange = Exchange { request, from: Some(from.address.ip()), interim: Some(from.interim.clone()) };
        self.engine.answer(exchange).await
    }
}
