//! `--origin`: a plain reverse-proxy cache in front of any HTTP/1.1 server.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use storefront_service::{Listeners, Readiness, routed};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, ORIGIN_PATIENCE, OriginUrl},
    engine::{Engine, Exchange, Origin, Setup},
    upstream::{Protection, Upstream},
};

/// Serves until `shutdown`.
pub(crate) async fn run(
    config: &Config,
    origin: &OriginUrl,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let setup = Setup {
        profile: config.profile.into(),
        by_authority: true,
        whole_fills: false,
        internal: &[],
        bytes: config.cache_bytes,
        patience: ORIGIN_PATIENCE,
    };
    let engine = Engine::new(setup, Origin::new(Upstream::new(Protection::off()), origin.address.clone()));
    let telling = tokio::spawn(engine.clone().tell());
    let app = Router::new().fallback(serve).with_state(engine);
    let served = storefront_service::serve(listeners, routed(app), Readiness::new(&[]), shutdown).await;
    telling.abort();
    served
}

async fn serve(State(engine): State<Arc<Engine>>, request: Request) -> Result<Response, Infallible> {
    if let Some(answer) = engine.hit(request.method(), request.uri(), request.headers()) {
        return Ok(answer.map(Body::from));
    }
    Ok(engine.answer(Exchange::new(request)).await.map(Body::from))
}
