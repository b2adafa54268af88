//! Carts, shown at the prices of now.

use axum::{extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use orders_api::{Cart, CartLine, CartRemoveRequest, CartRequest, CartUpdateRequest};
use storefront_service::{Context, ProblemResponse, StrictJson};
use storefront_types::{CallContext, Money, Problem, ProblemType, Sku};

use super::{Shop, invalid, private, session::with_session, unavailable};
use crate::cart::{CartError, ChangeError, Stored};

impl From<CartError> for ProblemResponse {
    fn from(error: CartError) -> Self {
        match error {
            CartError::Change(ChangeError::NotInCart) => invalid("sku", "this SKU is not in the cart"),
            CartError::Change(error @ (ChangeError::TooMany | ChangeError::TooManyLines)) => {
                invalid("quantity", &error.to_string())
            }
            CartError::Unavailable(reason) => {
                tracing::warn!(reason, "a cart cannot be read or written");
                unavailable("carts cannot be read or written now")
            }
        }
    }
}

impl Shop {
    /// The cart with titles and prices; a SKU that is sold no more is left out.
    async fn priced(&self, context: &CallContext, cart: &Stored) -> Result<Cart, ProblemResponse> {
        if cart.lines.is_empty() {
            return Ok(Cart { lines: Vec::new(), total: None });
        }
        let skus: Vec<Sku> = cart.lines.iter().map(|line| line.sku.clone()).collect();
        let prices = self.runner.catalog.prices(context, &skus).await.map_err(|error| {
            tracing::warn!(%error, "a cart has no prices");
            unavailable("prices are not known now")
        })?;
        let line = |stored: &crate::cart::StoredLine| {
            let quote = prices.quotes.iter().find(|quote| quote.sku == stored.sku)?;
            Some(CartLine {
                sku: stored.sku.clone(),
                title: quote.title.clone(),
                quantity: stored.quantity,
                unit_price: quote.unit_price,
            })
        };
        let lines: Vec<CartLine> = cart.lines.iter().filter_map(line).collect();
        let sum = |sum: Option<Money>, line: &CartLine| {
            let part = line.unit_price.checked_mul(line.quantity)?;
            Ok::<_, storefront_types::MoneyError>(Some(sum.map_or(Ok(part), |sum| sum.checked_add(part))?))
        };
        let total = lines.iter().try_fold(None, sum).map_err(|error| invalid("cart", &error.to_string()))?;
        Ok(Cart { lines, total })
    }
}

type Answer = Result<Response, ProblemResponse>;

/// The cart; empty for a client without a session.
#[utoipa::path(get, path = orders_api::paths::CART, responses((status = 200, body = Cart)))]
pub(super) async fn show(State(shop): State<Shop>, Context(context): Context, headers: HeaderMap) -> Answer {
    let cart = match shop.session(&headers).await? {
        Some(session) => shop.carts.read(session.shopper).await?,
        None => Stored::default(),
    };
    Ok(private(StatusCode::OK, &shop.priced(&context, &cart).await?))
}

/// Adds to what is there; begins a guest's session where there is none.
#[utoipa::path(post, path = orders_api::paths::CART_ADD, request_body = CartRequest, responses((status = 200, body = Cart)))]
pub(super) async fn add(
    State(shop): State<Shop>,
    Context(context): Context,
    headers: HeaderMap,
    StrictJson(body): StrictJson<CartRequest>,
) -> Answer {
    let known = shop.runner.catalog.prices(&context, std::slice::from_ref(&body.sku)).await;
    let known = known.map_err(|_| unavailable("prices are not known now"))?;
    if known.quotes.is_empty() {
        let detail = format!("{} is not sold here", body.sku);
        return Err(Problem::new(ProblemType::UnknownSku).detail(detail).invalid_param("sku", "not a SKU of this shop").into());
    }
    let (session, begun) = shop.any_session(&headers).await?;
    let cart = shop.carts.change(session.shopper, |cart| cart.add(body.sku.clone(), body.quantity.get())).await?;
    Ok(with_session(private(StatusCode::OK, &shop.priced(&context, &cart).await?), begun.as_ref()))
}

/// Sets a quantity; 0 removes the line.
#[utoipa::path(post, path = orders_api::paths::CART_UPDATE, request_body = CartUpdateRequest, responses((status = 200, body = Cart)))]
pub(super) async fn update(
    State(shop): State<Shop>,
    Context(context): Context,
    headers: HeaderMap,
    StrictJson(body): StrictJson<CartUpdateRequest>,
) -> Answer {
    let session = shop.known_session(&headers).await?;
    let cart = shop.carts.change(session.shopper, |cart| cart.update(&body.sku, body.quantity)).await?;
    Ok(private(StatusCode::OK, &shop.priced(&context, &cart).await?))
}

/// Removes a line.
#[utoipa::path(post, path = orders_api::paths::CART_REMOVE, request_body = CartRemoveRequest, responses((status = 200, body = Cart)))]
pub(super) async fn remove(
    State(shop): State<Shop>,
    Context(context): Context,
    headers: HeaderMap,
    StrictJson(body): StrictJson<CartRemoveRequest>,
) -> Answer {
    let session = shop.known_session(&headers).await?;
    let cart = shop.carts.change(session.shopper, |cart| cart.remove(&body.sku)).await?;
    Ok(private(StatusCode::OK, &shop.priced(&context, &cart).await?))
}
