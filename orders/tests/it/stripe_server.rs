//! A server that speaks as much of Stripe's PaymentIntents API as the shop uses, and refuses what Stripe would refuse.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

pub(crate) const KEY: &str = "sk_test_of_these_tests";

/// What was asked, and the answer that the same idempotency key gets again.
type Answered = (BTreeMap<String, String>, StatusCode, Value);

#[derive(Default)]
struct Books {
    /// By id, in the order they were made.
    intents: BTreeMap<String, Value>,
    keys: BTreeMap<String, Answered>,
    refunds: Vec<Value>,
    /// Requests by path.
    pub(crate) asked: Vec<String>,
}

#[derive(Clone, Default)]
pub(crate) struct Stripe(Arc<Mutex<Books>>);

impl Stripe {
    /// Serves until the test ends; gives the base URL.
    pub(crate) async fn start(&self) -> String {
        let routes = Router::new()
            .route("/v1/payment_intents", post(make))
            .route("/v1/payment_intents/search", get(search))
            .route("/v1/payment_intents/{id}", get(one))
            .route("/v1/payment_intents/{id}/capture", post(capture))
            .route("/v1/payment_intents/{id}/cancel", post(cancel))
            .route("/v1/refunds", post(refund).get(refunds))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        base
    }

    fn with<T>(&self, work: impl FnOnce(&mut Books) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Intents of an order.
    pub(crate) fn of(&self, order: &str) -> Vec<Value> {
        self.with(|books| books.intents.values().filter(|it| it["metadata"]["order_id"] == order).cloned().collect())
    }

    pub(crate) fn asked(&self, path: &str) -> usize {
        self.with(|books| books.asked.iter().filter(|asked| asked.ends_with(path)).count())
    }

    /// Refunds that were made.
    pub(crate) fn refunds(&self) -> Vec<Value> {
        self.with(|books| books.refunds.clone())
    }

    /// As a day later: no idempotency key is known any more.
    pub(crate) fn forget_keys(&self) {
        self.with(|books| books.keys.clear());
    }

    fn change(&self, id: &str, from: &str, to: &str) -> Response {
        self.with(|books| {
            let Some(intent) = books.intents.get_mut(id) else {
                return error(StatusCode::NOT_FOUND, json!({"type": "invalid_request_error", "code": "resource_missing"}));
            };
            if to == "canceled" && intent["payment_method"] == "pm_card_stuck" {
                return error(StatusCode::INTERNAL_SERVER_ERROR, json!({"type": "api_error"}));
            }
            if intent["status"] != from {
                let detail =
                    json!({"type": "invalid_request_error", "code": "payment_intent_unexpected_state", "payment_intent": intent});
                return error(StatusCode::BAD_REQUEST, detail);
            }
            intent["status"] = json!(to);
            Json(intent.clone()).into_response()
        })
    }
}

fn now_s() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

fn error(status: StatusCode, detail: Value) -> Response {
    (status, Json(json!({"error": detail}))).into_response()
}

fn form(body: &Bytes) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

fn authentic(headers: &HeaderMap) -> Result<(), Box<Response>> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if text("authorization") != format!("Bearer {KEY}") {
        return Err(Box::new(error(StatusCode::UNAUTHORIZED, json!({"type": "invalid_request_error"}))));
    }
    if text("stripe-version").is_empty() {
        return Err(Box::new(error(StatusCode::BAD_REQUEST, json!({"type": "invalid_request_error", "message": "no version"}))));
    }
    Ok(())
}

/// The answer, and the connection cut in the middle of it.
fn cut() -> Response {
    let broken = std::io::Error::other("cut");
    Body::from_stream(stream::iter([Ok(Bytes::from_static(b"{")), Err(broken)])).into_response()
}

async fn make(State(stripe): State<Stripe>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(refused) = authentic(&headers) {
        return *refused;
    }
    let (form, content) = (form(&body), headers["content-type"].to_str().unwrap());
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
    let wanted = [("capture_method", "manual"), ("confirm", "true"), ("error_on_requires_action", "true")];
    let right = wanted.iter().all(|(name, value)| form.get(*name).is_some_and(|given| given == value));
    let order = form.get("metadata[order_id]").cloned().unwrap_or_default();
    let whole = form["amount"].parse::<u64>().is_ok() && form["currency"] == form["currency"].to_lowercase();
    if !right || !whole || key.is_empty() || key != order || content != "application/x-www-form-urlencoded" {
        return error(StatusCode::BAD_REQUEST, json!({"type": "invalid_request_error", "message": format!("{form:?} {key}")}));
    }
    let method = form["payment_method"].clone();
    let (status, answer, first) = stripe.with(|books| {
        books.asked.push("/v1/payment_intents".to_owned());
        if let Some((asked, status, answer)) = books.keys.get(&key) {
            return match *asked == form {
                true => (*status, answer.clone(), false),
                false => (StatusCode::BAD_REQUEST, json!({"error": {"type": "idempotency_error"}}), false),
            };
        }
        let id = format!("pi_{:05}", books.intents.len());
        let status = match method.as_str() {
            "pm_card_chargeDeclined" => "requires_payment_method",
            "pm_card_processing" => "processing",
            _ => "requires_capture",
        };
        let declined = json!({"type": "card_error", "code": "card_declined", "decline_code": "generic_decline"});
        let mut intent = json!({"id": id, "object": "payment_intent", "status": status, "amount": form["amount"].parse::<u64>().unwrap(),
            "currency": form["currency"], "capture_method": "manual", "created": now_s(), "metadata": {"order_id": order}, "payment_method": method});
        if status == "requires_payment_method" {
            intent["last_payment_error"] = declined.clone();
        }
        books.intents.insert(id, intent.clone());
        let (code, answer) = match status {
            "requires_capture" | "processing" => (StatusCode::OK, intent),
            _ => {
                let mut detail = declined;
                detail["payment_intent"] = intent;
                (StatusCode::PAYMENT_REQUIRED, json!({"error": detail}))
            }
        };
        books.keys.insert(key, (form, code, answer.clone()));
        (code, answer, true)
    });
    match method.as_str() {
        "pm_card_lost" if first => cut(),
        "pm_card_server_error" if first => error(StatusCode::INTERNAL_SERVER_ERROR, json!({"type": "api_error"})),
        _ => (status, Json(answer)).into_response(),
    }
}

async fn one(State(stripe): State<Stripe>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if let Err(refused) = authentic(&headers) {
        return *refused;
    }
    let missing = || error(StatusCode::NOT_FOUND, json!({"type": "invalid_request_error", "code": "resource_missing"}));
    stripe.with(|books| {
        books.asked.push("/one".to_owned());
        let Some(intent) = books.intents.get_mut(&id) else { return missing() };
        let answer = Json(intent.clone()).into_response();
        // The bank has decided when somebody looks again.
        if intent["status"] == "processing" {
            intent["status"] = json!("requires_capture");
        }
        answer
    })
}

async fn capture(State(stripe): State<Stripe>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    stripe.with(|books| books.asked.push("/capture".to_owned()));
    authentic(&headers).map_or_else(|refused| *refused, |()| stripe.change(&id, "requires_capture", "succeeded"))
}

async fn cancel(State(stripe): State<Stripe>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    stripe.with(|books| books.asked.push("/cancel".to_owned()));
    authentic(&headers).map_or_else(|refused| *refused, |()| stripe.change(&id, "requires_capture", "canceled"))
}

/// The same idempotency key makes one refund; a key that was forgotten makes another one.
async fn refund(State(stripe): State<Stripe>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(refused) = authentic(&headers) {
        return *refused;
    }
    let (form, key) = (form(&body), headers["idempotency-key"].to_str().unwrap().to_owned());
    stripe.with(|books| {
        if let Some((_, status, answer)) = books.keys.get(&key) {
            return (*status, Json(answer.clone())).into_response();
        }
        let made = json!({"id": format!("re_{:05}", books.refunds.len()), "object": "refund", "status": "succeeded",
            "payment_intent": form["payment_intent"], "amount": form["amount"].parse::<u64>().unwrap(),
            "metadata": {"refund_id": form["metadata[refund_id]"]}});
        books.refunds.push(made.clone());
        books.keys.insert(key, (form, StatusCode::OK, made.clone()));
        Json(made).into_response()
    })
}

async fn refunds(State(stripe): State<Stripe>, headers: HeaderMap, Query(query): Query<BTreeMap<String, String>>) -> Response {
    if let Err(refused) = authentic(&headers) {
        return *refused;
    }
    let made = stripe.refunds().into_iter().filter(|made| made["payment_intent"] == query["payment_intent"]);
    Json(json!({"object": "list", "data": made.collect::<Vec<_>>(), "has_more": false})).into_response()
}

/// `metadata['order_id']:'...'`, or `status:'requires_capture' AND created<...`.
async fn search(State(stripe): State<Stripe>, headers: HeaderMap, Query(query): Query<BTreeMap<String, String>>) -> Response {
    if let Err(refused) = authentic(&headers) {
        return *refused;
    }
    let text = &query["query"];
    let order = text.strip_prefix("metadata['order_id']:'").and_then(|rest| rest.strip_suffix('\''));
    let before = text.strip_prefix("status:'requires_capture' AND created<").and_then(|at| at.parse::<i64>().ok());
    let found: Vec<Value> = match (order, before) {
        (Some(order), _) => stripe.of(order),
        (None, Some(before)) => {
            let waits = |it: &&Value| it["status"] == "requires_capture" && it["created"].as_i64().unwrap() < before;
            stripe.with(|books| books.intents.values().filter(waits).cloned().collect())
        }
        (None, None) => return error(StatusCode::BAD_REQUEST, json!({"type": "invalid_request_error", "message": text})),
    };
    Json(json!({"object": "search_result", "data": found, "has_more": false, "next_page": null})).into_response()
}
