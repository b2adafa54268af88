//! The admin port: liveness, readiness, metrics.

use std::{sync::OnceLock, time::Duration};

use axum::{Router, response::IntoResponse, routing::get};
use http::{StatusCode, header};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::Readiness;

/// Upper bounds of the latency buckets in seconds: 250 us to 10 s, each about twice the one before.
const LATENCY_BUCKETS_S: [f64; 16] =
    [0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Installs the process-wide metrics recorder once; later calls give the same one.
pub fn install_metrics() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let install = || {
        let installed = PrometheusBuilder::new()
            .set_buckets(&LATENCY_BUCKETS_S)
            .and_then(PrometheusBuilder::install_recorder)
            .inspect_err(|error| tracing::error!(%error, "metrics are off"));
        installed.ok()
    };
    HANDLE.get_or_init(install).as_ref()
}

/// Between two drains of the histograms' buffers. They grow with each request until drained, whether anybody scrapes or not.
const UPKEEP: Duration = Duration::from_secs(5);

/// Drains the histograms' buffers. Never returns.
pub(crate) async fn upkeep() {
    let mut tick = tokio::time::interval(UPKEEP);
    loop {
        tick.tick().await;
        if let Some(handle) = install_metrics() {
            handle.run_upkeep();
        }
    }
}

pub(crate) fn router(readiness: Readiness) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(move || async move { readyz(&readiness) }))
        .route("/metrics", get(|| async { metrics_text() }))
}

fn readyz(readiness: &Readiness) -> impl IntoResponse + use<> {
    let ailing: Vec<String> =
        readiness.ailments().into_iter().map(|(name, reason)| format!("ailing: {name}: {reason}\n")).collect();
    let unmet = readiness.unmet();
    if unmet.is_empty() {
        return (StatusCode::OK, format!("ok\n{}", ailing.concat()));
    }
    let lines: Vec<String> = unmet.into_iter().map(|(name, reason)| format!("{name}: {reason}\n")).collect();
    (StatusCode::SERVICE_UNAVAILABLE, lines.concat() + &ailing.concat())
}

fn metrics_text() -> impl IntoResponse {
    let text = install_metrics().map(|handle| {
        handle.run_upkeep();
        handle.render()
    });
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text.unwrap_or_default())
}
