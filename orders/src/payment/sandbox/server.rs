//! `orders payment-sandbox`: the provider's HTTP API.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::stream;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use storefront_service::{ListenArgs, Listeners, Readiness, StrictJson, StrictQuery, routed, with_request_context};
use storefront_types::OrderId;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::{
    book::{Book, BookError},
    cards::{Card, Told, card},
    hooks::Hooks,
    wire::{AuthoriseRequest, Payment, PaymentsPage, RefundRequest, Stage},
};

/// Largest page.
const MAX_PAGE: usize = 100;

/// Between two looks for pending payments that are decided.
const DECIDE_EVERY: Duration = Duration::from_millis(250);

#[derive(Clone, Debug, clap::Args)]
pub struct SandboxArgs {
    #[command(flatten)]
    pub listen: ListenArgs,
    /// File that payments are kept in; without it they end with the process
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// Where webhooks go, e.g. http://127.0.0.1:8090/v1/payments/webhooks; may be given several times
    #[arg(long, value_delimiter = ',')]
    pub webhook: Vec<String>,
    /// File with the secret that webhooks are signed with
    #[arg(long, env = "PAYMENT_WEBHOOK_SECRET_FILE")]
    pub webhook_secret_file: Option<PathBuf>,
}

#[derive(Clone)]
struct Provider {
    book: Arc<Mutex<Book>>,
    hooks: Hooks,
}

/// Serves until `shutdown`.
pub async fn serve_sandbox(args: SandboxArgs, listeners: Listeners, shutdown: CancellationToken) -> anyhow::Result<()> {
    let secret = args.webhook_secret_file.as_deref().map(std::fs::read).transpose()?.unwrap_or_default();
    let secret = secret.trim_ascii().to_vec();
    anyhow::ensure!(args.webhook.is_empty() || !secret.is_empty(), "webhooks need --webhook-secret-file");
    let book = Arc::new(Mutex::new(Book::open(args.file.as_deref())?));
    let provider = Provider { book, hooks: Hooks::start(args.webhook, secret)? };
    let deciding = tokio::spawn(decide(provider.clone()));
    let app = Router::new()
        .route("/v1/payments", post(authorise).get(list))
        .route("/v1/payments/{order}", get(one))
        .route("/v1/payments/{order}/capture", post(capture))
        .route("/v1/payments/{order}/void", post(void))
        .route("/v1/payments/{order}/refunds", post(refund))
        .with_state(provider);
    let served = storefront_service::serve(listeners, routed(with_request_context(app)), Readiness::new(&[]), shutdown).await;
    deciding.abort();
    served
}

fn now_ms() -> i64 {
    i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or_default()
}

impl Provider {
    fn with<T>(&self, work: impl FnOnce(&mut Book, i64) -> T) -> T {
        work(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner), now_ms())
    }

    fn tell(&self, payment: &Payment) {
        let kind = match payment.stage {
            Stage::Pending => return,
            Stage::Authorised => "payment.authorised",
            Stage::Captured if !payment.refunds.is_empty() => "payment.refunded",
            Stage::Captured => "payment.captured",
            Stage::Voided => "payment.voided",
            Stage::Declined => "payment.declined",
        };
        self.hooks.tell(payment.order_id, kind, behaviour(payment).twice);
    }
}

fn behaviour(payment: &Payment) -> Card {
    let plain = || Card { made: super::cards::Made::Nothing, told: Told::AtOnce, twice: false, capture_lost: false };
    card(&payment.method).unwrap_or_else(plain)
}

/// Pending payments are authorised when it is time, and that is told.
async fn decide(provider: Provider) {
    loop {
        tokio::time::sleep(DECIDE_EVERY).await;
        for order in provider.with(|book, _| book.pending()) {
            let found = provider.with(|book, now| book.find(order, now));
            if let Ok(Some(payment)) = found {
                provider.tell(&payment);
            }
        }
    }
}

fn failed(error: BookError) -> Response {
    let status = match error {
        BookError::NotFound => StatusCode::NOT_FOUND,
        BookError::Conflict => StatusCode::CONFLICT,
        BookError::Refused => StatusCode::UNPROCESSABLE_ENTITY,
        BookError::Full => StatusCode::INSUFFICIENT_STORAGE,
    };
    (status, Json(json!({"error": error.to_string()}))).into_response()
}

/// An answer that breaks off: the connection ends in the middle of the body.
fn cut() -> Response {
    let broken = std::io::Error::other("cut by the card that was asked for");
    Body::from_stream(stream::iter([Ok(Bytes::from_static(b"{")), Err(broken)])).into_response()
}

/// An order has one payment: asked for again, it is found.
async fn authorise(State(provider): State<Provider>, StrictJson(asked): StrictJson<AuthoriseRequest>) -> Response {
    if asked.amount.amount() <= 0 {
        let error = "an amount above zero is needed";
        return (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response();
    }
    let made = match provider.with(|book, now| book.authorise(&asked, now)) {
        Ok(made) => made,
        Err(error) => return failed(error),
    };
    let told = card(&asked.method).map_or(Told::AtOnce, |card| card.told);
    let Some(payment) = made else { return never().await };
    let first = payment.asks == 1;
    if first {
        provider.tell(&payment);
    }
    match told {
        Told::Never => never().await,
        Told::Lost if first => cut(),
        Told::Late(late) if first => {
            tokio::time::sleep(late).await;
            Json(payment).into_response()
        }
        _ => Json(payment).into_response(),
    }
}

/// Until the caller hangs up.
async fn never() -> Response {
    std::future::pending().await
}

async fn one(State(provider): State<Provider>, Path(order): Path<OrderId>) -> Response {
    match provider.with(|book, now| book.find(order, now)) {
        Ok(found) => found.map_or_else(|| failed(BookError::NotFound), |payment| Json(payment).into_response()),
        Err(error) => failed(error),
    }
}

fn changed(provider: &Provider, change: impl FnOnce(&mut Book, i64) -> Result<Payment, BookError>) -> Result<Payment, BookError> {
    let payment = provider.with(change)?;
    provider.tell(&payment);
    Ok(payment)
}

async fn capture(State(provider): State<Provider>, Path(order): Path<OrderId>) -> Response {
    let first = provider.with(|book, now| book.find(order, now)).ok().flatten().is_some_and(|it| it.stage == Stage::Authorised);
    match changed(&provider, |book, now| book.capture(order, now)) {
        Ok(payment) if first && behaviour(&payment).capture_lost => cut(),
        Ok(payment) => Json(payment).into_response(),
        Err(error) => failed(error),
    }
}

async fn void(State(provider): State<Provider>, Path(order): Path<OrderId>) -> Response {
    changed(&provider, |book, now| book.void(order, now)).map_or_else(failed, |payment| Json(payment).into_response())
}

async fn refund(
    State(provider): State<Provider>,
    Path(order): Path<OrderId>,
    StrictJson(asked): StrictJson<RefundRequest>,
) -> Response {
    changed(&provider, |book, now| book.refund(order, &asked, now)).map_or_else(failed, |payment| Json(payment).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    before_ms: i64,
    limit: usize,
    cursor: Option<OrderId>,
}

async fn list(State(provider): State<Provider>, StrictQuery(query): StrictQuery<ListQuery>) -> Response {
    let limit = query.limit.clamp(1, MAX_PAGE);
    let items = provider.with(|book, now| book.uncaptured(query.before_ms, query.cursor, limit, now));
    let next_cursor = items.last().filter(|_| items.len() == limit).map(|last| last.order_id.to_string());
    Json(PaymentsPage { items, next_cursor }).into_response()
}
