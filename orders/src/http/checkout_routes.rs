//! Tickets at home, checkouts beside the leader; where both are here, one call does it all.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode};
use orders_api::{CART_EMPTIED_HEADER, CheckoutRequest, Order, OrderStatus, SettleCartRequest, TICKET_HEADER, TicketResponse};
use serde_json::json;
use storefront_service::{Context, ProblemResponse, StrictJson, in_current_context, time_left};
use storefront_types::{CallContext, IdempotencyKey, Problem, ProblemType};
use time::OffsetDateTime;

use super::{Shop, invalid, private, unavailable};
use crate::{
    cart::{Carts, Seen, Stored},
    checkout::{Answer, Away, CartOf, Checkout, Repriced, Runner, Ticket, check_address, order_id},
};

/// The `Idempotency-Key` of a request.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<IdempotencyKey, ProblemResponse> {
    let Some(value) = headers.get("idempotency-key") else {
        let detail = "send a fresh UUID as Idempotency-Key; a retry of the same checkout sends the same one";
        return Err(Problem::new(ProblemType::MissingIdempotencyKey).detail(detail).into());
    };
    let is_one = headers.get_all("idempotency-key").iter().count() == 1;
    value.to_str().ok().filter(|_| is_one).and_then(|text| text.parse().ok()).ok_or_else(|| {
        let detail = "one key of 1 to 144 visible ASCII characters without '/'";
        Problem::new(ProblemType::InvalidIdempotencyKey).detail(detail).invalid_param("Idempotency-Key", detail).into()
    })
}

/// The answer waits so long for its cart; a cart that is not emptied shows again, and cannot be bought twice with one key.
const SETTLE_BEFORE_ANSWER: Duration = Duration::from_millis(250);

impl Shop {
    /// A checkout of a shopper whose home is here, with the cart that it is made of.
    async fn at_home(
        &self,
        headers: &HeaderMap,
        key: IdempotencyKey,
        body: CheckoutRequest,
        context: CallContext,
    ) -> Result<(Checkout, Stored), ProblemResponse> {
        let shopper = self.known_session(headers).await?.shopper;
        let order = order_id(shopper, &key);
        let (cart, looked_up) = tokio::join!(self.carts.see(shopper), self.runner.store.find(order, shopper));
        let Seen { cart, has_record, .. } = cart?;
        let seen = (shopper, cart.clone(), cart_of(has_record));
        let ticket = Ticket::new(self.accounts.home(), seen, Some(order), OffsetDateTime::now_utc());
        let mut checkout = Checkout::new(key, ticket, body, context);
        checkout.looked_up = Some(looked_up);
        Ok((checkout, cart))
    }

    /// A checkout whose ticket another region gave.
    async fn with_ticket(
        &self,
        key: IdempotencyKey,
        ticket: Ticket,
        body: CheckoutRequest,
        context: CallContext,
    ) -> Result<Checkout, ProblemResponse> {
        if !ticket.is_copied {
            return Ok(Checkout::new(key, ticket, body, context));
        }
        let (shopper, order) = (ticket.shopper, order_id(ticket.shopper, &key));
        let (recorded, looked_up) = tokio::join!(self.carts.recorded(shopper), self.runner.store.find(order, shopper));
        let ticket = match (recorded, &looked_up) {
            (Ok(cart), _) => ticket.with_record(cart, order),
            // PostgreSQL is there, so the copy is not what counts.
            (Err(_), Ok(_)) => {
                return Err(unavailable("the cart is not known now; nothing was bought, ask again with the same key"));
            }
            (Err(_), Err(_)) => ticket,
        };
        let mut checkout = Checkout::new(key, ticket, body, context);
        checkout.looked_up = Some(looked_up);
        Ok(checkout)
    }

    fn verify(&self, ticket: &str) -> Result<Ticket, ProblemResponse> {
        self.key.verify(ticket, OffsetDateTime::now_utc()).map_err(|error| {
            tracing::warn!(%error, "a ticket was refused");
            Problem::new(ProblemType::InvalidTicket).detail(error.to_string()).into()
        })
    }
}

fn cart_of(has_record: bool) -> CartOf {
    if has_record { CartOf::Record } else { CartOf::Region }
}

/// Checks the session and says, signed, who it is and what is in the cart. Asks nobody outside the region where its Redis knows both: PostgreSQL may
/// be far, and is asked beside the leader. Internal.
pub(super) async fn ticket(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Result<Response, ProblemResponse> {
    let session = shop.known_session(&headers).await?;
    let (cart, of) = match shop.carts.copied(session.shopper).await {
        Some(cart) => (cart, CartOf::Copy),
        None => {
            let Seen { cart, has_record, .. } = shop.carts.see(session.shopper).await?;
            (cart, cart_of(has_record))
        }
    };
    // What a key names, where there is one yet.
    let order = idempotency_key(&headers).ok().map(|key| order_id(session.shopper, &key));
    let ticket = shop.key.sign(shop.accounts.home(), (session.shopper, cart, of), order, OffsetDateTime::now_utc());
    Ok(hinted(&shop, private(StatusCode::OK, &TicketResponse { ticket, copied: of == CartOf::Copy })))
}

/// Empties the cart that was bought, if it is still the same. Internal.
pub(super) async fn settle(
    State(shop): State<Arc<Shop>>,
    StrictJson(body): StrictJson<SettleCartRequest>,
) -> Result<Response, ProblemResponse> {
    let ticket = shop.verify(&body.ticket)?;
    let (shopper, version, order) = (ticket.shopper, ticket.cart_version, ticket.order);
    match ticket.is_copied {
        true => shop.carts.settle_copied(shopper, version, order).await?,
        false => shop.carts.settle(shopper, version, order).await?,
    }
    Ok(private(StatusCode::OK, &json!({})))
}

/// Buys the cart. 201: recorded; 202: accepted and not yet recorded. The same key gives the first answer.
#[utoipa::path(post, path = orders_api::paths::CHECKOUT, request_body = CheckoutRequest,
    params(("Idempotency-Key" = String, Header)),
    responses((status = 201, body = Order), (status = 202, body = Order), (status = 402, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn checkout(
    State(shop): State<Arc<Shop>>,
    Context(context): Context,
    headers: HeaderMap,
    StrictJson(body): StrictJson<CheckoutRequest>,
) -> Result<Response, ProblemResponse> {
    let key = idempotency_key(&headers)?;
    let ticket = headers.get(TICKET_HEADER).map(|value| shop.verify(value.to_str().unwrap_or_default())).transpose()?;
    let mut problem = check_address(&body.delivery_address, Problem::new(ProblemType::InvalidRequest));
    if let Err(reason) = check_method(shop.runner.till.payments.are_taken(), body.payment_method.as_deref()) {
        problem = problem.invalid_param("payment_method", reason);
    }
    if !problem.invalid_params.is_empty() {
        return Err(problem.into());
    }
    let (checkout, cart) = match ticket {
        Some(ticket) => (shop.with_ticket(key, ticket, body, context).await?, None),
        None => {
            let (checkout, cart) = shop.at_home(&headers, key, body, context).await?;
            (checkout, Some(cart))
        }
    };
    // A client that hangs up does not stop a checkout in the middle.
    let runner = time_left().map_or_else(|| shop.runner.clone(), |left| shop.runner.clone().within(left));
    let carts = shop.carts.clone();
    let running = tokio::spawn(in_current_context(async move {
        let (answer, checkout) = run(runner, checkout).await;
        if let Some(cart) = cart {
            settle_here(carts, cart, answer, &checkout).await;
        }
        (answer, checkout)
    }));
    let (answered, checkout) = running.await.map_err(|_| ProblemResponse::from(ProblemType::Internal))?;
    let mut response = hinted(&shop, answer(answered, &checkout).into_response());
    if checkout.emptied {
        response.headers_mut().insert(CART_EMPTIED_HEADER, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Empties the cart that was bought here, where that was not done with the order's record.
async fn settle_here(carts: Carts, cart: Stored, answer: Answer, checkout: &Checkout) {
    let (shopper, order, emptied) = (checkout.ticket.shopper, checkout.id, checkout.emptied);
    if !matches!(answer, Answer::Placed | Answer::Accepted | Answer::Known) {
        return;
    }
    let settling = tokio::spawn(async move {
        match emptied {
            true => carts.emptied(shopper, cart, order).await,
            false => match carts.settle(shopper, cart.version, Some(order)).await {
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "a bought cart was not emptied"),
            },
        }
    });
    if !emptied {
        // So that the shopper's next look at the cart finds it empty.
        let _ = tokio::time::timeout(SETTLE_BEFORE_ANSWER, settling).await;
    }
}

/// Longest id of a payment method; Stripe's have under 40 bytes.
const MAX_METHOD_BYTES: usize = 64;

fn check_method(taken: bool, method: Option<&str>) -> Result<(), &'static str> {
    let plain = |method: &str| method.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    match method {
        // What costs nothing needs none; that is known when it is priced.
        None => Ok(()),
        Some("none") if !taken => Ok(()),
        Some(_) if !taken => Err("this shop takes none; leave it out"),
        Some(method) if (1..=MAX_METHOD_BYTES).contains(&method.len()) && plain(method) && method != "none" => Ok(()),
        Some(_) => Err(METHOD_WANTED),
    }
}

const METHOD_WANTED: &str = "give the payment provider's id of the shopper's payment method";

/// The answer with who leads the inventory, as far as this instance has heard: edges route by it.
fn hinted(shop: &Shop, mut response: Response) -> Response {
    let leader = shop.runner.inventory.leader();
    if let Some(address) = leader.address.and_then(|address| HeaderValue::from_str(&address).ok()) {
        response.headers_mut().insert(inventory_api::LEADER_HEADER, address);
        response.headers_mut().insert(inventory_api::TERM_HEADER, HeaderValue::from(leader.term));
    }
    response
}

async fn run(runner: Runner, mut checkout: Checkout) -> (Answer, Checkout) {
    let answer = runner.run(&mut checkout).await;
    let outcome = match answer {
        Answer::Known => "known",
        Answer::Placed => "placed",
        Answer::Accepted => "accepted",
        Answer::Refused | Answer::Unpriced => "refused",
        Answer::PriceChanged => "price_changed",
        Answer::Declined => "declined",
        Answer::GivenUp => "given_up",
        Answer::PaymentPending => "payment_pending",
        Answer::KeyReused | Answer::EmptyCart | Answer::TooLarge | Answer::MixedCurrencies | Answer::MethodMissing => "invalid",
        Answer::Unavailable(_) => "unavailable",
        Answer::Unknown => "unknown",
    };
    metrics::counter!("orders_checkouts_total", "outcome" => outcome).increment(1);
    (answer, checkout)
}

/// Nothing was asked of the inventory, so the key is as good as new.
fn price_changed(lines: &[Repriced]) -> Problem {
    let detail = "the lines named cost otherwise than was shown, and nothing was bought; look at the cart, which shows the new prices, and \
                  check out again, with the same Idempotency-Key or another one";
    let line = |line: &Repriced| json!({"sku": line.sku, "quantity": line.quantity, "from": line.from, "to": line.to});
    Problem::new(ProblemType::PriceChanged).detail(detail).lines(lines.iter().map(line).collect())
}

fn answer(answer: Answer, checkout: &Checkout) -> Result<Response, ProblemResponse> {
    let order = |status: StatusCode, of: OrderStatus| match checkout.order(of) {
        Some(order) => Ok(private(status, &order)),
        None => Err(ProblemResponse::from(ProblemType::Internal)),
    };
    let lines = || {
        let line = |line: &inventory_api::OutcomeLine| json!({"sku": line.sku, "requested": line.requested, "available": line.available});
        checkout.refused.iter().map(line).collect()
    };
    Err(match answer {
        Answer::Known | Answer::Placed => return order(StatusCode::CREATED, OrderStatus::Placed),
        Answer::Accepted => return order(StatusCode::ACCEPTED, OrderStatus::Accepted),
        Answer::Refused => {
            let detail = "lower the quantities or remove the lines named, and check out with a new key";
            Problem::new(ProblemType::InsufficientStock).detail(detail).lines(lines()).into()
        }
        Answer::Unpriced => {
            let detail = "the lines named are sold no more; remove them, look at the cart, and check out again";
            Problem::new(ProblemType::InsufficientStock).detail(detail).lines(lines()).into()
        }
        Answer::PriceChanged => price_changed(&checkout.repriced).into(),
        Answer::MixedCurrencies => {
            Problem::new(ProblemType::MixedCurrencies).detail("check out the lines of each currency apart").into()
        }
        Answer::KeyReused => {
            let detail = "this Idempotency-Key belongs to a checkout of other content; use a new one";
            Problem::new(ProblemType::IdempotencyKeyReused).detail(detail).into()
        }
        Answer::Declined => {
            let reason = checkout.declined.as_deref().unwrap_or("declined");
            let detail = format!("{reason}; nothing was bought, check out with another payment method and a new key");
            Problem::new(ProblemType::PaymentDeclined).detail(detail).into()
        }
        Answer::GivenUp => {
            let detail = "replaced by a newer checkout, or not paid for in time; nothing was bought, check out with a new key";
            Problem::new(ProblemType::CheckoutGivenUp).detail(detail).into()
        }
        Answer::PaymentPending => {
            let detail = "the payment is under way; ask again with the same Idempotency-Key, or for the state of the checkout";
            Problem::new(ProblemType::UnknownOutcome).detail(detail).into()
        }
        Answer::Unavailable(Away::Payments) => unavailable("the payment provider is away; ask again with the same key"),
        Answer::TooLarge => invalid("cart", "its lines do not fit one order; check out in two"),
        Answer::MethodMissing => invalid("payment_method", METHOD_WANTED),
        Answer::EmptyCart => Problem::new(ProblemType::EmptyCart).detail("put something into the cart first").into(),
        Answer::Unavailable(Away::Catalog) => unavailable("prices are not known now; nothing was bought"),
        Answer::Unavailable(Away::Inventory) => unavailable("no inventory leader answers; ask again with the same key"),
        Answer::Unavailable(Away::Database) => {
            let detail = "the order is recorded and cannot be read now; ask again with the same Idempotency-Key";
            Problem::new(ProblemType::UnknownOutcome).detail(detail).into()
        }
        Answer::Unknown => Problem::new(ProblemType::UnknownOutcome).detail("ask again with the same Idempotency-Key").into(),
    })
}
