//! `/operate` of the admin port: a page on which operators see the whole topology and start drills.
//!
//! Owns: the page, who may start a drill, and passing on what the drill controller says. Must not: know what is seen or what a drill does; the
//! edge keeps nothing.

mod controller;
mod page;
mod relay;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{FromRequest, Request, State},
    response::Response,
    routing::{delete, get},
};
use chaos_api::{Order, paths};
use http::Method;
use storefront_service::{ProblemResponse, StrictJson};
use storefront_types::{Problem, ProblemType};
use tokio_util::sync::CancellationToken;

use crate::{admission::Admission, config::Config};
use controller::Controller;
use relay::Relay;

struct Operate {
    admission: Admission,
    controller: Controller,
    relay: Relay,
}

type Answer = Result<Response, ProblemResponse>;

/// The page is there without a controller too, and says how to have one.
pub(crate) fn router(config: &Config, shutdown: CancellationToken) -> anyhow::Result<Router> {
    let token = config.purge.token()?;
    let admission = Admission::new(token.as_deref());
    let controller = Controller::new(config.controller.clone(), token);
    let operate = Operate { admission, controller, relay: Relay::new(shutdown) };
    Ok(Router::new()
        .route("/operate", get(page::page))
        .route("/operate/v1/stream", get(stream))
        .route("/operate/v1/drills", get(list).post(start))
        .route("/operate/v1/drills/running", delete(stop))
        .with_state(Arc::new(operate)))
}

/// As open as the metrics of the same port, which tell as much.
async fn stream(State(operate): State<Arc<Operate>>) -> Answer {
    let room = operate.relay.room()?;
    let answer = operate.controller.ask(Method::GET, paths::STREAM, None).await?;
    match answer.status().is_success() {
        true => Ok(operate.relay.pass_on(answer, room)),
        false => controller::whole(answer).await,
    }
}

async fn list(State(operate): State<Arc<Operate>>) -> Answer {
    controller::whole(operate.controller.ask(Method::GET, paths::DRILLS, None).await?).await
}

async fn start(State(operate): State<Arc<Operate>>, request: Request) -> Answer {
    if let Some(refused) = operate.admission.refused(request.headers()) {
        return Ok(refused);
    }
    let StrictJson(order) = StrictJson::<Order>::from_request(request, &()).await?;
    if let Some(field) = order.wrong_field() {
        let reason = "a name has up to 40 lower-case letters, digits and '-'";
        return Err(Problem::new(ProblemType::InvalidRequest).detail(reason).invalid_param(field, reason).into());
    }
    tracing::info!(drill = order.drill, region = order.region, "an operator starts a drill");
    let answer = operate.controller.ask(Method::POST, paths::DRILLS, Some(&order)).await?;
    controller::whole(answer).await
}

async fn stop(State(operate): State<Arc<Operate>>, request: Request<Body>) -> Answer {
    if let Some(refused) = operate.admission.refused(request.headers()) {
        return Ok(refused);
    }
    tracing::info!("an operator stops the drill");
    let answer = operate.controller.ask(Method::DELETE, paths::RUNNING, None).await?;
    controller::whole(answer).await
}
