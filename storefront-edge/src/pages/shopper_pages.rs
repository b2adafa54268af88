//! Pages of one shopper: cart, checkout, orders.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use orders_api::{Cart, Order, OrderStatus, paths};
use serde::de::DeserializeOwned;
use serde_json::json;
use storefront_service::Context;
use storefront_types::{CallContext, Page, Problem, ProblemType};
use uuid::Uuid;

use super::{
    forms::{self, CheckoutForm, LineForm, RegisterForm},
    html, outage,
    views::{CartPage, CheckoutPage, OrderPage, OrdersPage, RegisterPage},
};
use crate::{checkout, storefront::Storefront};

type Shop = State<Arc<Storefront>>;

async fn get<T: DeserializeOwned>(
    shop: &Arc<Storefront>,
    context: &CallContext,
    path: &str,
    headers: &HeaderMap,
) -> Result<T, Problem> {
    let answer = shop.at_home(context, (Method::GET, path), headers, Bytes::new()).await?;
    match answer.status.is_success() {
        true => serde_json::from_slice(&answer.body).map_err(|_| Problem::new(ProblemType::BadGateway)),
        false => Err(forms::problem_of(&answer)),
    }
}

async fn cart_page(shop: &Arc<Storefront>, context: &CallContext, headers: &HeaderMap, note: &str) -> Response {
    match get::<Cart>(shop, context, paths::CART, headers).await {
        Ok(cart) => html::private(StatusCode::OK, &CartPage { cart, note: note.to_owned() }),
        Err(problem) => html::problem(&problem),
    }
}

pub(super) async fn cart(State(shop): Shop, Context(context): Context, headers: HeaderMap) -> Response {
    cart_page(&shop, &context, &headers, "").await
}

async fn change(shop: &Arc<Storefront>, context: &CallContext, request: Request, path: &str) -> Response {
    let (headers, form) = match forms::read::<LineForm>(request).await {
        Ok(read) => read,
        Err(problem) => return html::problem(&problem),
    };
    let body = json!({"sku": form.sku, "quantity": form.quantity});
    match forms::post(shop, context, path, &headers, &body).await {
        Ok(answer) if answer.status.is_success() => html::see_other("/cart", Some(&answer.headers)),
        Ok(answer) => html::problem(&forms::problem_of(&answer)),
        Err(problem) => html::problem(&problem),
    }
}

pub(super) async fn add(State(shop): Shop, Context(context): Context, request: Request) -> Response {
    change(&shop, &context, request, paths::CART_ADD).await
}

/// Quantity 0 removes the line.
pub(super) async fn update(State(shop): Shop, Context(context): Context, request: Request) -> Response {
    change(&shop, &context, request, paths::CART_UPDATE).await
}

pub(super) async fn checkout_form(State(shop): Shop, Context(context): Context, headers: HeaderMap) -> Response {
    let form = CheckoutForm { key: Uuid::new_v4().to_string(), ..CheckoutForm::default() };
    checkout_page(&shop, &context, &headers, (StatusCode::OK, form), Vec::new(), "").await
}

async fn checkout_page(
    shop: &Arc<Storefront>,
    context: &CallContext,
    headers: &HeaderMap,
    (status, form): (StatusCode, CheckoutForm),
    errors: Vec<(String, String)>,
    note: &str,
) -> Response {
    match get::<Cart>(shop, context, paths::CART, headers).await {
        Ok(cart) if cart.lines.is_empty() && note.is_empty() => html::see_other("/cart", None),
        Ok(cart) => html::private(status, &CheckoutPage { cart, form, errors, note: note.to_owned() }),
        Err(problem) => html::problem(&problem),
    }
}

pub(super) async fn check_out(State(shop): Shop, Context(context): Context, request: Request) -> Response {
    let (headers, form) = match forms::read::<CheckoutForm>(request).await {
        Ok(read) => read,
        Err(problem) => return html::problem(&problem),
    };
    let mut asked = forms::json_headers(&headers);
    if let Ok(key) = HeaderValue::from_str(&form.key) {
        asked.insert("idempotency-key", key);
    }
    let body = Bytes::from(serde_json::to_vec(&form.request()).unwrap_or_default());
    let problem = match checkout::checkout(shop.clone(), context.clone(), asked, body).await {
        Ok(answer) => {
            if let (true, Ok(order)) = (answer.status.is_success(), serde_json::from_slice::<Order>(&answer.body)) {
                return html::see_other(&format!("/orders/{}", order.id), Some(&answer.headers));
            }
            forms::problem_of(&answer)
        }
        Err(problem) => problem,
    };
    if let Some(words) = outage::in_words(&problem) {
        return html::with_retry(again_page(&shop, &context, &headers, status_of(&problem), form, words).await);
    }
    match problem.kind() {
        Some(ProblemType::InsufficientStock) => cart_page(&shop, &context, &headers, &shortage(&problem)).await,
        // The page shows the new prices, and sending it again agrees to them.
        Some(ProblemType::PriceChanged) => {
            let note =
                "A price has changed, so nothing was bought yet. Please look at the new total and press “Buy now” to agree.";
            checkout_page(&shop, &context, &headers, (StatusCode::CONFLICT, form), Vec::new(), note).await
        }
        // Final for their key: what is sent next is another checkout.
        Some(ProblemType::PaymentDeclined | ProblemType::CheckoutGivenUp) => {
            let (words, errors) = ended(&problem);
            let form = CheckoutForm { key: Uuid::new_v4().to_string(), ..form };
            checkout_page(&shop, &context, &headers, (status_of(&problem), form), errors, words).await
        }
        Some(ProblemType::MixedCurrencies) => cart_page(&shop, &context, &headers, "").await,
        Some(ProblemType::InvalidRequest) => {
            let errors = forms::errors_of(&problem);
            checkout_page(&shop, &context, &headers, (StatusCode::BAD_REQUEST, form), errors, "Please look at the fields below.")
                .await
        }
        _ => html::problem(&problem),
    }
}

fn status_of(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// A checkout that ended without an order, in words, and what to mend.
fn ended(problem: &Problem) -> (&'static str, Vec<(String, String)>) {
    match problem.kind() {
        Some(ProblemType::PaymentDeclined) => {
            let mend = ("payment_method".to_owned(), "declined; please give another one".to_owned());
            ("The payment was declined, and nothing was bought. Your cart is kept.", vec![mend])
        }
        _ => {
            let words = "This checkout was not paid for in time, or you began another one, and nothing was bought by it. Your cart is kept: \
                         press “Buy now” to try again.";
            (words, Vec::new())
        }
    }
}

/// The checkout as it was, under the same key, to be sent again; also when the cart cannot be shown.
async fn again_page(
    shop: &Arc<Storefront>,
    context: &CallContext,
    headers: &HeaderMap,
    status: StatusCode,
    form: CheckoutForm,
    words: &str,
) -> Response {
    let cart = get::<Cart>(shop, context, paths::CART, headers).await.unwrap_or_default();
    html::private(status, &CheckoutPage { cart, form, errors: Vec::new(), note: words.to_owned() })
}

/// Each short line in words.
fn shortage(problem: &Problem) -> String {
    let line = |line: &serde_json::Value| {
        let (sku, available) = (line["sku"].as_str().unwrap_or_default(), line["available"].as_u64().unwrap_or_default());
        format!("Of {sku} only {available} are left.")
    };
    problem.lines.iter().map(line).collect::<Vec<_>>().join(" ")
}

pub(super) async fn orders(State(shop): Shop, Context(context): Context, headers: HeaderMap) -> Response {
    match get::<Page<Order>>(&shop, &context, paths::ORDERS, &headers).await {
        Ok(page) => html::private(StatusCode::OK, &OrdersPage { orders: page.items }),
        Err(problem) if problem.status == 401 => html::see_other("/register", None),
        Err(problem) => html::problem(&problem),
    }
}

pub(super) async fn order(State(shop): Shop, Context(context): Context, headers: HeaderMap, Path(id): Path<Uuid>) -> Response {
    match get::<Order>(&shop, &context, &format!("{}/{id}", paths::ORDERS), &headers).await {
        Ok(order) => {
            let accepted = order.status == OrderStatus::Accepted;
            html::private(StatusCode::OK, &OrderPage { order, accepted })
        }
        Err(problem) => html::problem(&problem),
    }
}

pub(super) async fn register_form() -> Response {
    html::private(StatusCode::OK, &RegisterPage { form: RegisterForm::default(), errors: Vec::new() })
}

pub(super) async fn register(State(shop): Shop, Context(context): Context, request: Request) -> Response {
    let (headers, form) = match forms::read::<RegisterForm>(request).await {
        Ok(read) => read,
        Err(problem) => return html::problem(&problem),
    };
    let body = json!({"email": form.email, "phone_number": form.phone_number});
    match forms::post(&shop, &context, paths::REGISTER, &headers, &body).await {
        Ok(answer) if answer.status.is_success() => html::see_other("/orders", Some(&answer.headers)),
        Ok(answer) if answer.status == StatusCode::BAD_REQUEST => {
            let errors = forms::errors_of(&forms::problem_of(&answer));
            html::private(StatusCode::BAD_REQUEST, &RegisterPage { form, errors })
        }
        Ok(answer) => html::problem(&forms::problem_of(&answer)),
        Err(problem) => html::problem(&problem),
    }
}
