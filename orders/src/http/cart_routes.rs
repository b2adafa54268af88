//! Carts, shown at the prices of now.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use orders_api::{Cart, CartRemoveRequest, CartRequest, CartUpdateRequest};
use storefront_service::{Context, ProblemResponse, StrictJson};
use storefront_types::{CallContext, Problem, ProblemType, ShopperId, Sku};

use super::{Shop, invalid, private, session::with_session, unavailable};
use crate::cart::{CartError, ChangeError, Prices, Seen, Stored};

/// Looks at a cart that gets new lines all the time; each look sees at least one.
const LOOKS: usize = 4;

impl From<CartError> for ProblemResponse {
    fn from(error: CartError) -> Self {
        match error {
            CartError::Change(ChangeError::NotInCart) => invalid("sku", "this SKU is not in the cart"),
            CartError::Change(error @ (ChangeError::OtherCurrency | ChangeError::TooManyLines)) => {
                invalid("sku", &error.to_string())
            }
            CartError::Change(error @ ChangeError::TooMany) => invalid("quantity", &error.to_string()),
            CartError::Change(ChangeError::Unasked) => unavailable("the cart changes all the time; ask again"),
            CartError::Unavailable(reason) => {
                tracing::warn!(reason, "a cart cannot be read or written");
                unavailable("carts cannot be read or written now")
            }
        }
    }
}

impl Shop {
    /// What is in a cart, and one SKU more, at the prices of now.
    async fn prices(&self, context: &CallContext, cart: &Stored, more: Option<&Sku>) -> Result<Prices, ProblemResponse> {
        let mut skus: Vec<Sku> = cart.lines.iter().map(|line| line.sku.clone()).collect();
        skus.extend(more.filter(|more| !skus.contains(more)).cloned());
        if skus.is_empty() {
            return Ok(Prices::default());
        }
        let prices = self.runner.catalog.prices(context, &skus).await.map_err(|error| {
            tracing::warn!(%error, "a cart has no prices");
            unavailable("prices are not known now")
        })?;
        Ok(Prices::new(skus, prices.quotes))
    }

    /// The same with a SKU that is to come in, which must be sold here.
    async fn prices_with(&self, context: &CallContext, cart: &Stored, sku: &Sku) -> Result<Prices, ProblemResponse> {
        let prices = self.prices(context, cart, Some(sku)).await?;
        if prices.of(sku).is_none() {
            let detail = format!("{sku} is not sold here");
            return Err(Problem::new(ProblemType::UnknownSku)
                .detail(detail)
                .invalid_param("sku", "not a SKU of this shop")
                .into());
        }
        Ok(prices)
    }

    /// Shows a cart: what changed since it was last shown is told, and the prices of now are the ones shown.
    async fn shown(&self, context: &CallContext, shopper: ShopperId) -> Result<Cart, ProblemResponse> {
        let seen = self.carts.see(shopper).await?;
        let prices = self.prices(context, &seen.cart, None).await?;
        self.edited(context, shopper, (seen, prices), |_, _| Ok(()), None).await
    }

    /// Changes a cart and shows it. `prices`: of the cart as it was seen, and of `more`.
    async fn edited(
        &self,
        context: &CallContext,
        shopper: ShopperId,
        (mut seen, mut prices): (Seen, Prices),
        edit: impl Fn(&mut Stored, &Prices) -> Result<(), ChangeError>,
        more: Option<&Sku>,
    ) -> Result<Cart, ProblemResponse> {
        for _ in 0..LOOKS {
            let both = |cart: &mut Stored| edit(cart, &prices).and_then(|()| prices.show(cart));
            match self.carts.change_seen(shopper, seen, both).await {
                Ok((cart, changes)) => return Ok(prices.cart(&cart, changes)),
                Err(CartError::Change(ChangeError::Unasked)) => {
                    seen = self.carts.see(shopper).await?;
                    prices = self.prices(context, &seen.cart, more).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(CartError::from(ChangeError::Unasked).into())
    }
}

type Answer = Result<Response, ProblemResponse>;

/// The cart; empty for a client without a session. Says once what changed since it was last shown, and what is short of stock.
#[utoipa::path(get, path = orders_api::paths::CART, responses((status = 200, body = Cart)))]
pub(super) async fn show(State(shop): State<Arc<Shop>>, Context(context): Context, headers: HeaderMap) -> Answer {
    let cart = match shop.session(&headers).await? {
        Some(session) => shop.with_stock(&context, shop.shown(&context, session.shopper).await?).await,
        None => Cart::default(),
    };
    Ok(private(StatusCode::OK, &cart))
}

/// Adds to what is there; begins a guest's session where there is none.
#[utoipa::path(post, path = orders_api::paths::CART_ADD, request_body = CartRequest, responses((status = 200, body = Cart)))]
pub(super) async fn add(
    State(shop): State<Arc<Shop>>,
    Context(context): Context,
    headers: HeaderMap,
    StrictJson(CartRequest { sku, quantity }): StrictJson<CartRequest>,
) -> Answer {
    let add = |cart: &mut Stored, prices: &Prices| {
        prices.fits(cart, &sku)?;
        cart.add(sku.clone(), quantity.get())
    };
    if let Some(session) = shop.session(&headers).await? {
        let seen = shop.carts.see(session.shopper).await?;
        let prices = shop.prices_with(&context, &seen.cart, &sku).await?;
        let cart = shop.edited(&context, session.shopper, (seen, prices), add, Some(&sku)).await?;
        return Ok(private(StatusCode::OK, &cart));
    }
    let prices = shop.prices_with(&context, &Stored::default(), &sku).await?;
    let (token, session) = shop.guest().await?;
    // Nobody else knows the session that begins here yet, so its cart is what comes in now, whoever is away.
    let both = |cart: &mut Stored| add(cart, &prices).and_then(|()| prices.show(cart));
    let (cart, changes) = shop.carts.begin(session.shopper, both).await?;
    Ok(with_session(private(StatusCode::OK, &prices.cart(&cart, changes)), &token))
}

/// Sets a quantity; 0 removes the line.
#[utoipa::path(post, path = orders_api::paths::CART_UPDATE, request_body = CartUpdateRequest, responses((status = 200, body = Cart)))]
pub(super) async fn update(
    State(shop): State<Arc<Shop>>,
    Context(context): Context,
    headers: HeaderMap,
    StrictJson(CartUpdateRequest { sku, quantity }): StrictJson<CartUpdateRequest>,
) -> Answer {
    let session = shop.known_session(&headers).await?;
    let seen = shop.carts.see(session.shopper).await?;
    let prices = shop.prices(&context, &seen.cart, None).await?;
    let update = |cart: &mut Stored, _: &Prices| cart.update(&sku, quantity);
    let cart = shop.edited(&context, session.shopper, (seen, prices), update, None).await?;
    Ok(private(StatusCode::OK, &shop.with_stock(&context, cart).await))
}

/// Removes a line.
#[utoipa::path(post, path = orders_api::paths::CART_REMOVE, request_body = CartRemoveRequest, responses((status = 200, body = Cart)))]
pub(super) async fn remove(
    State(shop): State<Arc<Shop>>,
    Context(context): Context,
    headers: HeaderMap,
    StrictJson(body): StrictJson<CartRemoveRequest>,
) -> Answer {
    let session = shop.known_session(&headers).await?;
    let seen = shop.carts.see(session.shopper).await?;
    let prices = shop.prices(&context, &seen.cart, None).await?;
    let remove = |cart: &mut Stored, _: &Prices| cart.remove(&body.sku);
    Ok(private(StatusCode::OK, &shop.edited(&context, session.shopper, (seen, prices), remove, None).await?))
}
