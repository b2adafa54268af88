//! Where a payment provider tells what happened to a payment.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use storefront_service::ProblemResponse;
use storefront_types::{Problem, ProblemType};
use time::OffsetDateTime;

use super::{Shop, unavailable};
use crate::payment::{HookError, Seen};

/// Stripe's own header, and the sandbox's.
const SIGNATURES: [&str; 2] = ["stripe-signature", "payment-signature"];

fn refused(error: HookError) -> ProblemResponse {
    tracing::warn!(%error, "a webhook was refused");
    let kind = match error {
        HookError::NotConfigured => ProblemType::NotFound,
        HookError::Signature(_) => ProblemType::Forbidden,
        HookError::Malformed => ProblemType::InvalidRequest,
    };
    Problem::new(kind).detail(error.to_string()).into()
}

/// Takes a signed event once. It names an order; what is true of its payment is asked of the provider.
#[utoipa::path(post, path = orders_api::paths::PAYMENT_WEBHOOKS,
    request_body(content = String, content_type = "application/json"),
    responses((status = 200), (status = 403, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn webhook(State(shop): State<Arc<Shop>>, headers: HeaderMap, body: Bytes) -> Result<Response, ProblemResponse> {
    let header = SIGNATURES.iter().find_map(|name| headers.get(*name)?.to_str().ok()).unwrap_or_default();
    let now = OffsetDateTime::now_utc();
    let hook = shop.webhooks.read(header, &body, now).map_err(refused)?;
    let (provider, store) = (shop.runner.till.payments.name(), &shop.runner.till.store);
    let again = || unavailable("this event cannot be taken now; send it again");
    match store.take_event(provider, &hook.id, now).await {
        Ok(true) => {}
        Ok(false) => {
            metrics::counter!("orders_payment_webhooks_total", "outcome" => "repeated").increment(1);
            return Ok(StatusCode::OK.into_response());
        }
        Err(error) => {
            tracing::info!(%error, "a webhook cannot be taken");
            return Err(again());
        }
    }
    if let Some(order) = hook.order
        && let Err(error) = shop.rest.attend(order, hook.reference.as_deref(), Seen::Now).await
    {
        tracing::info!(%error, %order, "a webhook cannot be acted upon");
        // Else the event sent again would be taken for one that was acted upon.
        let _ = store.give_event_back(provider, &hook.id).await;
        return Err(again());
    }
    metrics::counter!("orders_payment_webhooks_total", "outcome" => "taken").increment(1);
    Ok(StatusCode::OK.into_response())
}
